"""Quantiles of normal mixtures: of each column exactly, and of all columns together by points that fill them evenly."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy import special
from scipy.stats import qmc

from retrolux.models import quantiles
from retrolux.models.posterior import Array

_ROUNDS = 60
_CLOSE = 1e-12  # of the narrowest component: what is no step any more
_NODES = 1024  # points to each component
_TOGETHER = 100  # targets at once
_ALONE = 1e-9  # weight of all other components beside which one is taken to be alone


def quantile(levels: Sequence[float], weights: Array, means: Array, std: Array) -> Array:
    """Return the points of each column below which parts of its mixture lie, shape (n_levels, n_rows, n_columns).

    Newton's method on the distribution function, kept between the components' own quantiles by bisection.

    Parameters
    ----------
    weights : ndarray, shape (n_rows, n_components)
    means : ndarray, shape (n_rows, n_components, n_columns)
    std : ndarray, shape (n_components, n_columns)
    """
    level = np.array(levels)[:, None, None]
    ends = means + special.ndtri(level)[..., None] * std
    low, high = ends.min(axis=2), ends.max(axis=2)
    share = weights[:, :, None]
    x = (share * ends).sum(axis=2)
    for _ in range(_ROUNDS):
        z = (x[:, :, None] - means) / std
        excess = (share * special.ndtr(z)).sum(axis=2) - level
        low, high = np.where(excess < 0, x, low), np.where(excess > 0, x, high)
        density = (share * np.exp(-z * z / 2) / std).sum(axis=2) / np.sqrt(2 * np.pi)
        step = x - excess / np.maximum(density, 1e-300)
        then = np.where((step >= low) & (step <= high), step, (low + high) / 2)
        moved, x = np.abs(then - x), then
        if (moved <= _CLOSE * std.min(axis=0)).all():
            break
    return np.asarray(x)


def holding(level: float, weights: Array, away: Array, covariances: Array, whole: Array) -> Array:
    """Return by how much each whole covariance has to grow so that its ellipsoid holds this part, shape (n_rows,).

    One where a component is alone: the ellipsoid of a normal distribution is its own.

    Parameters
    ----------
    weights : ndarray, shape (n_rows, n_components)
    away : ndarray, shape (n_rows, n_components, n_columns)
        The components' means, from the whole mean.
    covariances, whole : ndarray, shapes (n_components, n_columns, n_columns) and (n_rows, n_columns, n_columns)
    """
    share = np.ones(len(weights))
    mixed = np.flatnonzero(1 - weights.max(axis=1) > _ALONE)
    unit = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2).max(axis=0))
    offsets = _nodes(len(unit)) @ np.linalg.cholesky(covariances / np.outer(unit, unit)).transpose(0, 2, 1)
    for i in range(0, len(mixed), _TOGETHER):
        rows = mixed[i : i + _TOGETHER]
        points = away[rows][:, :, None] / unit + offsets
        root = np.linalg.inv(np.linalg.cholesky(whole[rows] / np.outer(unit, unit)))
        squared = ((points @ root.transpose(0, 2, 1)[:, None]) ** 2).sum(axis=3)
        share[rows] = _weighed(level, squared, weights[rows]) / quantiles.chi2(level, len(unit))
    return share


def _weighed(level: float, values: Array, weights: Array) -> Array:
    """Return the quantile of values, (n_rows, n_components, n_points), that weigh as their component does."""
    flat = values.reshape(len(values), -1)
    order = np.argsort(flat, axis=1)
    each = np.take_along_axis(np.repeat(weights / values.shape[2], values.shape[2], axis=1), order, axis=1)
    below = np.cumsum(each, axis=1) - each / 2
    ordered = np.take_along_axis(flat, order, axis=1)
    above = np.minimum((below < level).sum(axis=1), flat.shape[1] - 1)
    i, j = np.arange(len(flat)), np.maximum(above - 1, 0)
    gap = np.maximum(below[i, above] - below[i, j], 1e-300)
    part = np.clip((level - below[i, j]) / gap, 0, 1)
    return np.asarray(ordered[i, j] + part * (ordered[i, above] - ordered[i, j]))


@lru_cache(maxsize=16)
def _nodes(columns: int) -> Array:
    """Return points that fill a standard normal distribution evenly, shape (n_points, n_columns)."""
    half = special.ndtri(qmc.Sobol(columns, rng=0).random(_NODES // 2))
    return np.vstack([half, -half])
