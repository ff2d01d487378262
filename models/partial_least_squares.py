"""Partial least squares with as many components as cross-validation asks for."""

import warnings
from collections.abc import Sequence

import numpy as np
from sklearn.cross_decomposition import PLSRegression
from sklearn.model_selection import KFold

from retrolux.models import latent
from retrolux.models.latent import Latent
from retrolux.models.least_squares import residual_covariance
from retrolux.models.model import Array, Progress
from retrolux.models.moments import Moments
from retrolux.models.regression import Regression

FOLDS = 10


def fit_line(
    given: Array, wanted: Array, *, seed: int, n_components: int | None = None, progress: Progress | None = None
) -> tuple[Regression, Array]:
    """Return the regression of wanted columns on given ones, and its residuals on readings left out.

    Parameters
    ----------
    given : ndarray, shape (n_rows, n_given)
    wanted : ndarray, shape (n_rows, n_wanted)
    seed : int
        Of the folds.
    n_components : int, optional
        Chosen by cross-validation when absent: the number whose squared errors have the least product, so that neither
        a column's unit counts nor a column that cannot be predicted.

    Returns
    -------
    Regression
        Its covariance is that of the cross-validated residuals, without what the leverage adds to it.
    ndarray, shape (n_rows, n_wanted)
        Cross-validated residuals.
    """
    candidates = [n_components] if n_components else range(1, _most_components(given, len(given)) + 1)
    best: tuple[float, int, Array] | None = None
    for i, n in enumerate(candidates, 1):
        residuals = _left_out_residuals(given, wanted, n, seed)
        error = float(_error((residuals**2).mean(axis=0), wanted.var(axis=0)))
        if best is None or error < best[0]:
            best = error, n, residuals
        if progress:
            progress(i / len(candidates))
    assert best is not None  # noqa: S101 - there is always one candidate
    return _line(given, wanted, best[1], best[2]), best[2]


def _line(given: Array, wanted: Array, n_components: int, residuals: Array) -> Regression:
    fitted = _fitted(given, wanted, n_components)
    axes = fitted.x_rotations_ / fitted._x_std[:, None]
    return _regression(Moments.of(np.hstack([given, wanted])), axes, fitted.coef_.T, residuals)


def _regression(told: Moments, axes: Array, slopes: Array, residuals: Array) -> Regression:
    """Return the line of a fit.

    Parameters
    ----------
    axes : ndarray, shape (n_given, n_components)
    slopes : ndarray, shape (n_given, n_wanted)
    residuals : ndarray, shape (n_rows, n_wanted)
        Of readings left out, or fewer rows with the same sums of products.
    """
    n_given = len(axes)
    scores, (centre, level) = told.root[:, :n_given] @ axes, np.split(told.mean, [n_given])
    size = told.deviations[n_given:]
    covariance = residual_covariance(residuals, np.where(size > 0, size, 1.0), told.n)
    products = scores.T @ scores
    gram = np.asarray(np.linalg.pinv(products, hermitian=True), dtype=np.float64)
    within = (1 + np.trace(gram @ products)) / told.n  # the readings' mean leverage
    dof = max(told.n - axes.shape[1] - 1, 1)
    return Regression(level - centre @ slopes, slopes, covariance / (1 + within), centre, axes, gram, told.n, dof)


def fit_folds(parts: Sequence[Moments], n_given: int, *, progress: Progress | None = None) -> Regression:
    """Return the regression by the moments of readings, fold by fold; what is left out at a time is one of them.

    Parameters
    ----------
    parts : sequence of Moments
        Of given columns, then wanted ones, in at least two folds.
    n_given : int
    """
    whole, kept = Moments.joined(parts), Moments.without_each(parts)
    tables = np.array([told.stand_in() for told in (*kept, whole)])
    given = tables[:, :, :n_given]
    *known, most = (min(rank, told.n - 2) for rank, told in zip(_ranks(given), (*kept, whole), strict=True))
    most = max(most, 1)
    found = latent.fitted(given, tables[:, :, n_given:], most, progress)
    left = _missed(found, kept, parts, [min(max(n, 1), most) for n in known])
    squares = (left**2).sum(axis=1) / whole.n
    best = int(np.argmin(_error(squares, whole.deviations[n_given:] ** 2)))
    return _regression(whole, found.axes[-1, :, : best + 1], found.slopes(best + 1)[-1], left[best])


def _error(squares: Array, variance: Array) -> Array:
    return np.asarray(np.log(np.maximum(squares, 1e-24 * variance + 1e-300)).sum(axis=-1))


def _missed(found: Latent, kept: Sequence[Moments], parts: Sequence[Moments], known: Sequence[int]) -> Array:
    """Return what regressions of one component and more miss folds by that they did not learn from.

    Each is given as rows that have the sums of products of the folds' residuals, shape (n, n_rows, n_wanted).

    Parameters
    ----------
    known : sequence of int
        In how many directions given columns vary without each fold: more components are as these.
    """
    away = [np.vstack([p.root, np.sqrt(p.n) * (p.mean - k.mean)]) for p, k in zip(parts, kept, strict=True)]
    given, wanted = np.split(np.array(away), [found.axes.shape[1]], axis=2)
    every = np.array([found.slopes(i + 1)[:-1] for i in range(found.axes.shape[2])])
    used = np.minimum(np.arange(len(every))[:, None], np.array(known) - 1)
    missed = wanted - given @ every[used, np.arange(len(parts))]
    return np.asarray(missed.reshape(len(every), -1, wanted.shape[2]))


def _left_out_residuals(given: Array, wanted: Array, n_components: int, seed: int) -> Array:
    residuals = np.empty_like(wanted)
    folds = KFold(min(FOLDS, len(given)), shuffle=True, random_state=seed)
    for kept, left in folds.split(given):
        n = min(n_components, _most_components(given[kept], len(kept)))
        residuals[left] = wanted[left] - _fitted(given[kept], wanted[kept], n).predict(given[left]).reshape(
            len(left), -1
        )
    return residuals


def _fitted(given: Array, wanted: Array, n_components: int) -> PLSRegression:
    with warnings.catch_warnings():  # readings without noise leave nothing for the last components
        warnings.filterwarnings("ignore", category=UserWarning, module="sklearn")
        return PLSRegression(n_components, max_iter=2000).fit(given, wanted)


def _most_components(given: Array, n: int) -> int:
    """Return the number of directions in which the given columns vary, at most the n readings minus one."""
    return max(1, min(_ranks(given[None])[0], n - 2))


def _ranks(tables: Array) -> list[int]:
    """Return in how many directions the columns of each table vary."""
    spread = tables.std(axis=1, keepdims=True)
    standard = (tables - tables.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1.0)
    tolerance = 1e-8 * np.sqrt(standard[0].size)
    return [int(rank) for rank in np.linalg.matrix_rank(standard, tol=tolerance)]
