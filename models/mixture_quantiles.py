"""Quantiles of each column of normal mixtures."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from retrolux.models.posterior import Array

_ROUNDS = 200
_PATIENCE = 8  # rounds after which every other one halves what is left, where narrow components make steps go astray
_CLOSE = 1e-6  # of the narrowest component: what Halley's method leaves nothing of
_NONE = 1e-12  # of it: what is no step any more
_ROOT = (2 * np.pi) ** 0.5
_FEW = 0.7  # of the points that are looked for, when it is worth while to put the others aside


def quantile(levels: Sequence[float], weights: Array, means: Array, std: Array) -> Array:
    """Return the points of each column below which parts of its mixture lie, shape (n_levels, n_rows, n_columns).

    Halley's method on the distribution function, kept between the components' own quantiles by bisection.

    Parameters
    ----------
    weights : ndarray, shape (n_rows, n_components)
    means : ndarray, shape (n_rows, n_components, n_columns)
    std : ndarray, shape (n_components, n_columns)
    """
    n, k, columns = means.shape
    each = np.empty((3, k, len(levels), n, columns))
    each[0], each[1], each[2] = weights.T[:, None, :, None], means.swapaxes(0, 1)[:, None], std[:, None, None]
    asked = _Asked(np.repeat(np.array(levels), n * columns), *each.reshape(3, k, -1))
    return _found(asked).reshape(len(levels), n, columns)


@dataclass(frozen=True, eq=False)
class _Asked:
    """Levels, shape (n,), of mixtures of one column, (n_components, n): in this order NumPy adds components fastest."""

    level: Array
    weights: Array
    means: Array
    std: Array

    def take(self, some: NDArray[np.bool_]) -> "_Asked":
        """Return some of them."""
        return _Asked(self.level[some], self.weights[:, some], self.means[:, some], self.std[:, some])

    def nearer(self, x: Array, low: Array, high: Array, *, halve: bool) -> tuple[Array, Array, Array, Array]:
        """Return points nearer to the quantiles, the ends between which these are, and what would be near enough."""
        z = (x - self.means) / self.std
        excess = (self.weights * special.ndtr(z)).sum(axis=0) - self.level
        parts = self.weights * np.exp(-z * z / 2) / (self.std * _ROOT)
        density = np.maximum(parts.sum(axis=0), 1e-300)
        bend = -(parts * z / self.std).sum(axis=0)
        low, high = np.where(excess < 0, x, low), np.where(excess > 0, x, high)
        newton = excess / density
        step = x - newton / np.minimum(np.maximum(1 - newton * bend / density / 2, 0.5), 2.0)
        inside = (step >= low) & (step <= high) & (not halve)
        return np.where(inside, step, (low + high) / 2), low, high, np.where(inside, _CLOSE, _NONE)


def _found(asked: _Asked) -> Array:
    ends = asked.means + special.ndtri(asked.level) * asked.std
    low, high, x = ends.min(axis=0), ends.max(axis=0), (asked.weights * ends).sum(axis=0)
    found, left, narrow = x, np.arange(len(x)), asked.std.min(axis=0)
    for i in range(_ROUNDS):
        then, low, high, close = asked.nearer(x, low, high, halve=i > _PATIENCE and i % 2 == 0)
        moving = np.abs(then - x) > close * narrow
        found[left] = x = then
        many = np.count_nonzero(moving)
        if not many:
            break
        if many < _FEW * len(x):
            asked, left, narrow = asked.take(moving), left[moving], narrow[moving]
            x, low, high = x[moving], low[moving], high[moving]
    return np.asarray(found)
