"""A random walk that is seen through noise: filter and smoother, with outputs that are missing or cut off.

Kalman filter in Joseph's form and Rauch–Tung–Striebel smoother (Anderson & Moore, *Optimal Filtering*, 1979); an output
of which only a lower bound is known enters by the moments of the normal distribution above it (Tobit).
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from retrolux.models.model import Array

SHORTEST = 1.0  # seconds; times of older logs are rounded


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
    """Return mean and covariance after a reading."""
    there = ~np.isnan(values)
    if there.any():
        total = covariance + noise
        gain = np.linalg.solve(total[np.ix_(there, there)], covariance[there]).T
        keep = np.eye(len(mean))
        keep[:, there] -= gain
        mean = mean + gain @ (values - mean)[there]
        covariance = keep @ covariance @ keep.T + gain @ noise[np.ix_(there, there)] @ gain.T
    for i in np.flatnonzero(~np.isnan(bounds)):
        mean, covariance = _above(mean, covariance, int(i), float(noise[i, i]), float(bounds[i]))
    return mean, (covariance + covariance.T) / 2


def _above(mean: Array, covariance: Array, i: int, noise: float, bound: float) -> tuple[Array, Array]:
    """Return mean and covariance once component i, with noise, is known to be at least this."""
    variance = covariance[i, i] + noise
    up, left = excess((bound - mean[i]) / np.sqrt(variance))
    gain = covariance[:, i] / variance
    return mean + gain * np.sqrt(variance) * up, covariance - np.outer(gain, gain) * variance * (1 - left)


def excess(bound: float) -> tuple[float, float]:
    """Return mean and variance of a standard normal variable above a bound."""
    up = float(np.exp(stats.norm.logpdf(bound) - stats.norm.logsf(bound)))
    return up, max(1 - up * (up - bound), 0.0)


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
    for i in range(len(mean) - 1, 0, -1):
        if np.isinf(seen.waits[i]):
            continue
        back = np.linalg.solve(track.predicted_covariance[i], track.covariance[i - 1]).T
        mean[i - 1] += back @ (mean[i] - track.predicted[i])
        change = covariance[i] - track.predicted_covariance[i]
        covariance[i - 1] += back @ change @ back.T
        cross[i] = covariance[i] @ back.T
    return mean, (covariance + covariance.transpose(0, 2, 1)) / 2, cross
