"""Answers to many inverse questions at once, as arrays."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrolux.models.later import Later
from retrolux.models.posterior import Array

Cells = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Solutions:
    """Inputs that should give targets, a row a target; what they mean is said at :class:`~.solution.Solution`.

    Attributes
    ----------
    model : str
        The method that found them.
    names : tuple of str
        Of the targets' outputs, in the model's order.
    input_names, output_names : tuple of str
    targets : ndarray, shape (n_targets, len(names))
    inputs, std, low, high : ndarray, shape (n_targets, n_inputs)
        Inputs, their standard deviation and the ends of their 90 % interval, in the inputs' own units.
    later90 : Later
        What finds ``ellipsoid90``, shape (n_targets, n_inputs, n_inputs), when that is first asked for.
    predicted : ndarray, shape (n_targets, n_outputs)
    feasible, in_domain : ndarray of bool, shape (n_targets,)
    score, p : ndarray, shape (n_targets,)
        How far a target is from what can be met; see :class:`~.attainable.Attainable`.
    novelty_p : ndarray, shape (n_targets,)
    several : ndarray of bool, shape (n_targets,)
        Where ``invert`` would look for several answers, because a target leaves an input open or a response bends; here
        stands the method's own, which may then be the mean of several.
    """

    model: str
    names: tuple[str, ...]
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    targets: Array
    inputs: Array
    std: Array
    low: Array
    high: Array
    later90: Later
    predicted: Array
    feasible: Cells
    in_domain: Cells
    score: Array
    p: Array
    novelty_p: Array
    several: Cells

    @property
    def ellipsoid90(self) -> Array:
        """See :class:`~.solution.Solution`, shape (n_targets, n_inputs, n_inputs); found when it is first asked for."""
        return self.later90.value
