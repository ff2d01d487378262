"""How readings of one setting scatter: each output for itself, and together by the light's pulses and its supply."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from retrolux.models.model import Array

FIRST_PASS = frozenset({"415nm", "445nm", "480nm", "515nm"})
"""Of an AS7341's ten channels, those that are read first; the others' pulses are other ones."""
CONVERTERS = 6  # channels that are read at once


def read_together(names: Sequence[str]) -> Array:
    """Return 1 where two outputs come of the same pulses, 0 where not, shape (n_outputs, n_outputs)."""
    if len(names) <= CONVERTERS:
        return np.ones((len(names), len(names)))
    first = np.array([name in FIRST_PASS for name in names])
    return np.asarray(first[:, None] == first, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Scatter:
    """Covariance of a reading about the light's and the ambient light's mean.

    Attributes
    ----------
    floor : ndarray, shape (n_outputs,)
        Variance of each output by itself.
    pulses : ndarray, shape (n_inputs,)
        Variance of what a window sees of an input between 0 and 1: the beat and the jitter of its pulses.
    supply : float
        Relative variance of the light as a whole.
    together : ndarray, shape (n_outputs, n_outputs)
        1 where two outputs see the same pulses.
    """

    floor: Array
    pulses: Array
    supply: float
    together: Array

    @cached_property
    def passes(self) -> Array:
        """1 for the outputs that a pass reads, 0 for the others, shape (n_passes, n_outputs)."""
        return np.unique(self.together, axis=0)

    def covariance(self, inputs: Array, gains: Array) -> Array:
        """Return the covariance of readings of these inputs, shape (n_rows, n_outputs, n_outputs)."""
        causes, variances = self.causes(inputs, gains)
        return np.asarray(np.diag(self.floor) + (causes * variances[:, None, :]) @ causes.transpose(0, 2, 1))

    def quickly(self, inputs: Array, gains: Array) -> Array:
        """Return :meth:`covariance`, to rounding, a few times sooner: for searches, which ask it at every step."""
        pulsed = self.pulses * ((inputs > 0) & (inputs < 1))
        light = inputs @ gains.T
        by_pulses = (gains * pulsed[:, None, :]) @ gains.T
        return np.asarray(self._alone + self._shared * by_pulses + self.supply * light[:, :, None] * light[:, None, :])

    @cached_property
    def _alone(self) -> Array:
        return np.diag(self.floor)

    @cached_property
    def _shared(self) -> Array:
        """In how many passes two outputs are read together, shape (n_outputs, n_outputs)."""
        return np.asarray(self.passes.T @ self.passes)

    def causes(self, inputs: Array, gains: Array) -> tuple[Array, Array]:
        """Return what outputs have in common.

        Returns
        -------
        causes : ndarray, shape (n_rows, n_outputs, n_causes)
            Each input's pulses in each pass, then the supply.
        variances : ndarray, shape (n_rows, n_causes)
            0 for an input that has no pulses.
        """
        by_pulse = [gains * seen[:, None] for seen in self.passes]
        light = (inputs @ gains.T)[:, :, None]
        fixed = np.broadcast_to(np.hstack(by_pulse), (len(inputs), len(gains), len(self.passes) * gains.shape[1]))
        pulsed = np.tile(self.pulses * ((inputs > 0) & (inputs < 1)), len(self.passes))
        variances = np.hstack([pulsed, np.full((len(inputs), 1), self.supply)])
        return np.concatenate([fixed, light], axis=2), variances
