"""Partial least squares with as many components as cross-validation asks for."""

import warnings

import numpy as np
from sklearn.cross_decomposition import PLSRegression
from sklearn.model_selection import KFold

from retrolux.models.least_squares import residual_covariance
from retrolux.models.model import Array, Progress
from retrolux.models.regression import Regression

_FOLDS = 10


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
    candidates = [n_components] if n_components else range(1, _most_components(given) + 1)
    best: tuple[float, int, Array] | None = None
    for i, n in enumerate(candidates, 1):
        residuals = _left_out_residuals(given, wanted, n, seed)
        error = float(np.log(np.maximum((residuals**2).mean(axis=0), 1e-24 * wanted.var(axis=0) + 1e-300)).sum())
        if best is None or error < best[0]:
            best = error, n, residuals
        if progress:
            progress(i / len(candidates))
    assert best is not None  # noqa: S101 - there is always one candidate
    return _line(given, wanted, best[1], best[2]), best[2]


def _line(given: Array, wanted: Array, n_components: int, residuals: Array) -> Regression:
    fitted = _fitted(given, wanted, n_components)
    centre, axes = given.mean(axis=0), fitted.x_rotations_ / fitted._x_std[:, None]
    scores = (given - centre) @ axes
    dof = max(len(given) - n_components - 1, 1)
    spread = wanted.std(axis=0)
    covariance = residual_covariance(residuals, np.where(spread > 0, spread, 1.0), len(residuals))
    slopes = fitted.coef_.T
    gram = np.linalg.pinv(scores.T @ scores, hermitian=True)
    line = Regression(wanted.mean(axis=0) - centre @ slopes, slopes, covariance, centre, axes, gram, len(given), dof)
    within = line.leverage(given).mean()
    return Regression(**(vars(line) | {"covariance": covariance / (1 + within)}))


def _left_out_residuals(given: Array, wanted: Array, n_components: int, seed: int) -> Array:
    residuals = np.empty_like(wanted)
    folds = KFold(min(_FOLDS, len(given)), shuffle=True, random_state=seed)
    for kept, left in folds.split(given):
        n = min(n_components, _most_components(given[kept]))
        residuals[left] = wanted[left] - _fitted(given[kept], wanted[kept], n).predict(given[left]).reshape(
            len(left), -1
        )
    return residuals


def _fitted(given: Array, wanted: Array, n_components: int) -> PLSRegression:
    with warnings.catch_warnings():  # readings without noise leave nothing for the last components
        warnings.filterwarnings("ignore", category=UserWarning, module="sklearn")
        return PLSRegression(n_components, max_iter=2000).fit(given, wanted)


def _most_components(given: Array) -> int:
    """Return the number of directions in which the given columns vary, at most the readings minus one."""
    spread = given.std(axis=0)
    standard = (given - given.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    rank = int(np.linalg.matrix_rank(standard, tol=1e-8 * np.sqrt(standard.size)))
    return max(1, min(rank, len(given) - 2))
