"""What may be thought of inputs beforehand, by name."""

DESIGN = "design"
"""Inputs come as they were chosen for the readings."""

UNIFORM = "uniform"
"""All inputs are alike; see :mod:`~retrolux.models.reweighting`."""

PRIORS = (DESIGN, UNIFORM)
