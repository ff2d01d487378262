"""Inputs recovered from many targets, and the arrays they are made of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Progress = Callable[[float], None]
"""Called with the fraction done, 0 … 1, while a fit runs; may raise to cancel it."""

TINY = 1e-12
NINETY = 1.645  # standard deviations of a normal distribution to either end of its 90 % interval


@dataclass(frozen=True, slots=True)
class Posterior:
    """Inputs recovered from many targets at once.

    Attributes
    ----------
    mean, std, low, high : ndarray, shape (n_targets, n_inputs)
        Central estimate (clipped to the bounds), standard deviation, and the ends of the central 90 % interval,
        all in input units.
    """

    mean: Array
    std: Array
    low: Array
    high: Array

    def scaled(self, factor: Array) -> "Posterior":
        """Return the posterior with its spread about the mean multiplied, one factor an input.

        An end of the interval that the bounds cut off stays there.
        """
        low, high = self.mean - factor * (self.mean - self.low), self.mean + factor * (self.high - self.mean)
        low, high = np.where(self.low <= 0, 0.0, np.clip(low, 0, 1)), np.where(self.high >= 1, 1.0, np.clip(high, 0, 1))
        return Posterior(self.mean, self.std * factor, low, high)

    def excess(self, truth: Array) -> Array:
        """Return by how much each interval would have to be stretched about the mean to hold the truth, ≥ 0.

        One of a row of 90 % intervals is one that just holds it; same shape as ``mean``.
        """
        below = np.where(self.low <= 0, 0.0, (self.mean - truth) / np.maximum(self.mean - self.low, TINY))
        above = np.where(self.high >= 1, 0.0, (truth - self.mean) / np.maximum(self.high - self.mean, TINY))
        return np.asarray(np.maximum(np.maximum(below, above), 0.0))

    @property
    def parts(self) -> tuple[Array, Array, Array, Array]:
        """Mean, standard deviation and the ends of the interval."""
        return self.mean, self.std, self.low, self.high

    def rows(self) -> list["Posterior"]:
        """Return the posterior of each target, one row each."""
        return [Posterior(*(part[i, None] for part in self.parts)) for i in range(len(self.mean))]

    @classmethod
    def of_rows(cls, rows: Sequence["Posterior"]) -> "Posterior":
        """Return posteriors of several targets as one."""
        return cls(*(np.vstack(part) for part in zip(*(row.parts for row in rows), strict=True)))

    def widened(self, variance: Array) -> "Posterior":
        """Return the posterior of what varies by this much more, shape (n_targets, n_inputs), within [0, 1]."""
        below, above = (
            np.sqrt(part**2 + NINETY**2 * variance) for part in (self.mean - self.low, self.high - self.mean)
        )
        low, high = np.clip(self.mean - below, 0, 1), np.clip(self.mean + above, 0, 1)
        return Posterior(self.mean, np.sqrt(self.std**2 + variance), low, high)
