"""A random walk that is seen through noise: filter and smoother, with outputs that are missing or cut off.

Kalman filter in Joseph's form and Rauch–Tung–Striebel smoother (Anderson & Moore, *Optimal Filtering*, 1979); an output
of which only a lower bound is known enters by the moments of the normal distribution above it (Tobit), given what is
seen beside it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from retrolux.models.ambient import Ambient
from retrolux.models.model import Array

SHORTEST = 1.0  # seconds; times of older logs are rounded
FAR = 200.0  # standard deviations; beyond, the series in 1 / bound is the more exact


@dataclass(frozen=True, eq=False)
class Walk:
    """What wanders, such as ambient light.

    Attributes
    ----------
    mean : ndarray, shape (n,)
        At the beginning of a sitting.
    covariance : ndarray, shape (n, n)
        About it, then.
    rate : ndarray, shape (n, n)
        By which the covariance grows in a second.
    """

    mean: Array
    covariance: Array
    rate: Array

    def later(self, mean: Array, covariance: Array, seconds: float) -> tuple[Array, Array]:
        """Return mean and covariance some time later."""
        return mean, covariance + self.rate * max(seconds, SHORTEST)


@dataclass(frozen=True, eq=False)
class Observed:
    """Readings of the walk.

    Attributes
    ----------
    values : ndarray, shape (n_rows, n)
        NaN where missing.
    noise : ndarray, shape (n_rows, n, n)
        Covariance.
    bounds : ndarray, shape (n_rows, n)
        What a missing value is known to be at least; NaN where nothing is known.
    waits : ndarray, shape (n_rows,)
        Seconds since the row before; infinite where a sitting begins.
    """

    values: Array
    noise: Array
    bounds: Array
    waits: Array


@dataclass(frozen=True, eq=False)
class Track:
    """The walk as it was known at each row: before its reading (predicted) and after it, shapes (n_rows, n[, n])."""

    predicted: Array
    predicted_covariance: Array
    mean: Array
    covariance: Array

    def before(self, names: Sequence[str], rows: Iterable[int]) -> list[Ambient]:
        """Return the ambient light of these rows as it was known just before each."""
        return [Ambient(tuple(names), self.predicted[i], self.predicted_covariance[i]) for i in rows]


def follow(walk: Walk, seen: Observed) -> Track:
    """Return what is known of the walk at each row from the rows of its sitting so far."""
    size = seen.noise.shape
    predicted, before, mean, after = np.empty(size[:2]), np.empty(size), np.empty(size[:2]), np.empty(size)
    for i, wait in enumerate(seen.waits):
        new = np.isinf(wait)
        later = (walk.mean, walk.covariance) if new else walk.later(mean[i - 1], after[i - 1], float(wait))
        predicted[i], before[i] = later
        mean[i], after[i] = update(predicted[i], before[i], seen.values[i], seen.noise[i], seen.bounds[i])
    return Track(predicted, before, mean, after)


def update(mean: Array, covariance: Array, values: Array, noise: Array, bounds: Array) -> tuple[Array, Array]:
    """Return mean and covariance after a reading.

    What the reading does not say is put in first, as what else it says lets one expect it, no more sure than that.
    """
    total = covariance + noise
    read, unsure = completed(mean, total, values, bounds)
    gain = np.linalg.solve(total, covariance).T
    keep = np.eye(len(mean)) - gain
    after = keep @ covariance @ keep.T + gain @ (noise + unsure) @ gain.T
    return mean + gain @ (read - mean), (after + after.T) / 2


def completed(mean: Array, covariance: Array, values: Array, bounds: Array) -> tuple[Array, Array]:
    """Return mean and covariance of a normal variable's components, some of which are seen, or known to be at least.

    Parameters
    ----------
    mean : ndarray, shape (n,)
    covariance : ndarray, shape (n, n)
    values : ndarray, shape (n,)
        NaN where not seen.
    bounds : ndarray, shape (n,)
        What a component that is not seen is known to be at least; NaN where nothing is known. Several of them enter
        one after the other, each by its first two moments.
    """
    seen, unsure = ~np.isnan(values), np.zeros_like(covariance)
    if seen.all():
        return values, unsure
    back = np.linalg.solve(covariance[np.ix_(seen, seen)], covariance[seen][:, ~seen]).T
    expected = np.where(seen, values, mean)
    expected[~seen] += back @ (values - mean)[seen]
    unsure[np.ix_(~seen, ~seen)] = covariance[np.ix_(~seen, ~seen)] - back @ covariance[seen][:, ~seen]
    for i in np.flatnonzero(~seen & ~np.isnan(bounds)):
        expected, unsure = _above(expected, unsure, int(i), float(bounds[i]))
    return expected, unsure


def _above(mean: Array, covariance: Array, i: int, bound: float) -> tuple[Array, Array]:
    """Return mean and covariance once component i is known to be at least this."""
    spread = np.sqrt(covariance[i, i])
    up, left = excess(float((bound - mean[i]) / spread))
    lever = covariance[:, i] / spread
    return mean + lever * up, covariance - np.outer(lever, lever) * (1 - left)


def excess(bound: float) -> tuple[float, float]:
    """Return mean and variance of a standard normal variable above a bound, to nearly all digits however far it is."""
    if bound > FAR:
        small = 1 / bound
        return bound + small - 2 * small**3, small**2 - 6 * small**4
    up = float(np.sqrt(2 / np.pi) / special.erfcx(bound / np.sqrt(2)))
    return up, 1 - up * (up - bound)


def smooth(seen: Observed, track: Track) -> tuple[Array, Array, Array]:
    """Return the walk as all rows of each sitting tell it.

    Returns
    -------
    mean : ndarray, shape (n_rows, n)
    covariance, cross : ndarray, shape (n_rows, n, n)
        At each row, and between it and the row before (0 where a sitting begins).
    """
    mean, covariance = track.mean.copy(), track.covariance.copy()
    cross = np.zeros_like(covariance)
    on = 1 + np.flatnonzero(~np.isinf(seen.waits[1:]))
    # all at once: none of these waits for another, and one call for each would take longer than the solution
    forth = np.linalg.solve(track.predicted_covariance[on], track.covariance[on - 1])
    for i, to in zip(on[::-1].tolist(), forth[::-1], strict=True):
        mean[i - 1] += to.T @ (mean[i] - track.predicted[i])
        covariance[i - 1] += to.T @ (covariance[i] - track.predicted_covariance[i]) @ to
    cross[on] = covariance[on] @ forth
    return mean, (covariance + covariance.transpose(0, 2, 1)) / 2, cross
