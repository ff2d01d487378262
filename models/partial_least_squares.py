"""Partial least squares with as many components as cross-validation asks for."""

import warnings
from collections.abc import Sequence

import numpy as np
from sklearn.cross_decomposition import PLSRegression
from sklearn.model_selection import KFold

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
    return _regression(Moments.of(np.hstack([given, wanted])), _fitted(given, wanted, n_components), residuals)


def _regression(told: Moments, fitted: PLSRegression, residuals: Array) -> Regression:
    """Return the line of a fit.

    Parameters
    ----------
    residuals : ndarray, shape (n_rows, n_wanted)
        Of readings left out, or fewer rows with the same sums of products.
    """
    n_given = len(fitted.x_rotations_)
    axes, slopes = fitted.x_rotations_ / fitted._x_std[:, None], fitted.coef_.T
    scores, (centre, level) = told.root[:, :n_given] @ axes, np.split(told.mean, [n_given])
    size = told.deviations[n_given:]
    covariance = residual_covariance(residuals, np.where(size > 0, size, 1.0), told.n)
    products = scores.T @ scores
    gram = np.linalg.pinv(products, hermitian=True)
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
    whole = Moments.joined(parts)
    most = _most_components(whole.stand_in()[:, :n_given], whole.n)
    left = [np.empty((0, len(whole.mean) - n_given))] * most
    for i, part in enumerate(parts):
        missed = _missed(Moments.joined([*parts[:i], *parts[i + 1 :]]), part, n_given, most)
        left = [np.vstack(pair) for pair in zip(left, missed, strict=True)]
        if progress:
            progress((i + 1) / len(parts))
    squares = np.array([(rows**2).sum(axis=0) / whole.n for rows in left])
    best = int(np.argmin(_error(squares, whole.deviations[n_given:] ** 2)))
    few = whole.stand_in()
    return _regression(whole, _fitted(few[:, :n_given], few[:, n_given:], best + 1), left[best])


def _error(squares: Array, variance: Array) -> Array:
    return np.asarray(np.log(np.maximum(squares, 1e-24 * variance + 1e-300)).sum(axis=-1))


def _missed(kept: Moments, left: Moments, n_given: int, most: int) -> list[Array]:
    """Return what regressions of one component and more miss a fold by that they did not learn from.

    A component more leaves those before it as they are, so that one fit has them all. Each is given as rows that have
    the sums of products of the fold's residuals.
    """
    few = kept.stand_in()
    known = min(most, _most_components(few[:, :n_given], kept.n))
    fitted = _fitted(few[:, :n_given], few[:, n_given:], known)
    apart = np.vstack([left.root, np.sqrt(left.n) * (left.mean - kept.mean)])
    return [apart[:, n_given:] - apart[:, :n_given] @ _slopes(fitted, min(i + 1, known)) for i in range(most)]


def _slopes(fitted: PLSRegression, n: int) -> Array:
    shape = fitted.x_rotations_[:, :n] @ fitted.y_loadings_[:, :n].T
    return np.asarray(shape * fitted._y_std / fitted._x_std[:, None])


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
    spread = given.std(axis=0)
    standard = (given - given.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    rank = int(np.linalg.matrix_rank(standard, tol=1e-8 * np.sqrt(standard.size)))
    return max(1, min(rank, n - 2))
