"""Inputs recovered from many targets, and the arrays they are made of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retrolux.models import quantiles
from retrolux.models.later import Later

Array = NDArray[np.float64]
Progress = Callable[[float], None]
"""Called with the fraction done, 0 … 1, while a fit runs; may raise to cancel it."""

TINY = 1e-12
SURE = 1e-4  # of an input: nobody is surer than that, of all inputs together
LEVEL = 0.9
NINETY = 1.645  # standard deviations of a normal distribution to either end of its 90 % interval


@dataclass(frozen=True, slots=True)
class Posterior:
    """Inputs recovered from many targets at once.

    Attributes
    ----------
    mean, std, low, high : ndarray, shape (n_targets, n_inputs)
        Central estimate (clipped to the bounds), standard deviation, and the ends of the central 90 % interval,
        all in input units.
    covariance : ndarray, shape (n_targets, n_inputs, n_inputs), or Later, optional
        Of the inputs together, or what finds it when it is asked for: 90 % of them lie where
        ``(x − mean)ᵀ covariance⁻¹ (x − mean)`` is at most the 90 % point of χ² with n_inputs degrees of freedom.
        Without, inputs are taken to be independent.
    """

    mean: Array
    std: Array
    low: Array
    high: Array
    covariance: Array | Later | None = None

    @property
    def together(self) -> Array:
        """The covariance, or that of independent inputs, shape (n_targets, n_inputs, n_inputs)."""
        if self.covariance is None:
            return np.asarray(self.std[:, :, None] ** 2 * np.eye(self.std.shape[1]))
        return self.covariance.value if isinstance(self.covariance, Later) else self.covariance

    @property
    def ellipsoids(self) -> Array:
        """Matrices E, shape (n_targets, n_inputs, n_inputs): 90 % lie where ``(x − mean)ᵀ E⁻¹ (x − mean) ≤ 1``."""
        return np.asarray(self.together * quantiles.chi2(LEVEL, self.std.shape[1]))

    def scaled(self, factor: Array) -> "Posterior":
        """Return the posterior with its spread about the mean multiplied.

        An end of the interval that the bounds cut off stays there.

        Parameters
        ----------
        factor : ndarray, shape (n_inputs,) or (n_inputs + 1,)
            One an input, and one for all inputs together.
        """
        n = self.mean.shape[1]
        covariance = self._changed(lambda whole: whole * factor[n] ** 2) if len(factor) > n else self.covariance
        own = factor[:n]
        low, high = self.mean - own * (self.mean - self.low), self.mean + own * (self.high - self.mean)
        low, high = np.where(self.low <= 0, 0.0, np.clip(low, 0, 1)), np.where(self.high >= 1, 1.0, np.clip(high, 0, 1))
        return Posterior(self.mean, self.std * own, low, high, covariance)

    def excess(self, truth: Array) -> Array:
        """Return by how much each interval would have to be stretched about the mean to hold the truth, ≥ 0.

        One of a row of 90 % intervals is one that just holds it; same shape as ``mean``. A side that the bounds cut off
        is taken to be as wide as the other; a truth at that end is held by any. NaN of an interval that the bounds cut
        off on both sides, which tells nothing.
        """
        cut = self.low <= 0, self.high >= 1
        below, above = self.mean - self.low, self.high - self.mean
        side = np.where(truth < self.mean, np.where(cut[0], above, below), np.where(cut[1], below, above))
        away = np.abs(truth - self.mean) / np.maximum(side, TINY)
        held = (cut[0] & (truth <= 0)) | (cut[1] & (truth >= 1))
        return np.asarray(np.where(cut[0] & cut[1], np.nan, np.where(held, 0.0, away)))

    def outside(self, truth: Array) -> Array:
        """Return by how much each ellipsoid would have to be stretched to hold the truth, shape (n_targets,)."""
        away = (truth - self.mean)[:, :, None]
        matrix = self.ellipsoids + SURE**2 * np.eye(truth.shape[1])
        return np.asarray(np.sqrt(np.maximum((away * np.linalg.solve(matrix, away)).sum(axis=(1, 2)), 0.0)))

    def stretches(self, truth: Array) -> Array:
        """Return :meth:`excess` and, last, :meth:`outside`, shape (n_targets, n_inputs + 1)."""
        return np.column_stack([self.excess(truth), self.outside(truth)])

    def moved(self, mean: Array) -> "Posterior":
        """Return the posterior about other means, shape (n_targets, n_inputs), its intervals within [0, 1]."""
        by = mean - self.mean
        low, high = (np.clip(end + by, 0.0, 1.0) for end in (self.low, self.high))
        return Posterior(mean, self.std, np.minimum(low, mean), np.maximum(high, mean), self.covariance)

    @property
    def parts(self) -> tuple[Array, Array, Array, Array]:
        """Mean, standard deviation and the ends of the interval."""
        return self.mean, self.std, self.low, self.high

    def rows(self) -> list["Posterior"]:
        """Return the posterior of each target, one row each."""
        return [self.take([i]) for i in range(len(self.mean))]

    def take(self, targets: ArrayLike) -> "Posterior":
        """Return the posteriors of chosen targets, in their order: indices, or a boolean for each."""
        i = np.asarray(targets)
        mean, std, low, high = (part[i] for part in self.parts)
        covariance = None if self.covariance is None else self._changed(lambda whole: whole[i])
        return Posterior(mean, std, low, high, covariance)

    @classmethod
    def joined(cls, found: Sequence["Posterior"]) -> "Posterior":
        """Return posteriors of some targets each as one of them all."""
        return cls(*(np.concatenate(p) for p in zip(*((*one.parts, one.together) for one in found), strict=True)))

    def widened(self, covariance: Array) -> "Posterior":
        """Return the posterior of what varies by this much more, shape (n_targets, n_inputs, n_inputs), in [0, 1]."""
        variance = np.diagonal(covariance, axis1=1, axis2=2)
        below, above = (
            np.sqrt(part**2 + NINETY**2 * variance) for part in (self.mean - self.low, self.high - self.mean)
        )
        low, high = np.clip(self.mean - below, 0, 1), np.clip(self.mean + above, 0, 1)
        whole = self._changed(lambda whole: whole + covariance)
        return Posterior(self.mean, np.sqrt(self.std**2 + variance), low, high, whole)

    def _changed(self, change: Callable[[Array], Array]) -> Array | Later:
        """Return what follows from the covariance; later, where that is found later."""
        return self.covariance.then(change) if isinstance(self.covariance, Later) else change(self.together)
