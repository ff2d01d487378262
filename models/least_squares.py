"""Ordinary least squares forward, generalised least squares within bounds backward."""

from dataclasses import replace

import numpy as np
from scipy import stats
from scipy.optimize import lsq_linear
from sklearn.covariance import ledoit_wolf

from retrolux.models.conditional import bounded
from retrolux.models.cut_normal import CutNormal
from retrolux.models.derivatives import moving
from retrolux.models.model import Array, Posterior
from retrolux.models.regression import Regression, student

_FLOOR = 1e-6  # smallest scatter, relative to a column's own variation: readings without noise stay solvable
_EXPLAINED = 0.999
_SHARPEST = 1e6  # times a posterior's widest direction is its narrowest, at most: a covariance that has a root
_RANK = 1e-10  # singular values below this share of the largest are rounding


def fit_line(given: Array, wanted: Array) -> Regression:
    """Return the least-squares line of wanted columns on given ones, with their residuals' covariance.

    Parameters
    ----------
    given : ndarray, shape (n_rows, n_given)
    wanted : ndarray, shape (n_rows, n_wanted)
    """
    centre, unit = given.mean(axis=0), _unit(given)
    design = (given - centre) / unit
    slopes, _, rank, _ = np.linalg.lstsq(design, wanted - wanted.mean(axis=0), rcond=_RANK)
    slopes /= unit[:, None]
    intercept = wanted.mean(axis=0) - centre @ slopes
    dof = max(len(given) - int(rank) - 1, 1)
    scatter = residual_covariance(wanted - intercept - given @ slopes, _unit(wanted), dof)
    gram = np.linalg.pinv(design.T @ design, rcond=_RANK**2, hermitian=True)
    return Regression(intercept, slopes, scatter, centre, np.diag(1 / unit), gram, len(given), dof)


def residual_covariance(residuals: Array, unit: Array, dof: float) -> Array:
    """Return the covariance of residuals; of few residuals it is shrunk so that it can be inverted.

    Parameters
    ----------
    unit : ndarray, shape (n_columns,)
        The columns' own standard deviations, against which the smallest scatter is set.

    Notes
    -----
    With fewer than two degrees of freedom a column, Ledoit & Wolf's shrinkage (2004) is taken of residuals in units of
    their own scatter.
    """
    columns = residuals.shape[1]
    matrix = residuals.T @ residuals / dof + np.diag((_FLOOR * unit) ** 2)
    if dof >= 2 * columns:
        return np.asarray(matrix)
    scale = np.sqrt(np.diag(matrix))
    correlation, _ = ledoit_wolf(residuals / scale, assume_centered=True)
    spread = np.sqrt(np.diag(correlation))
    shrunk: Array = correlation / np.outer(spread, spread) * np.outer(scale, scale)
    return shrunk


def solve_within_bounds(line: Regression, targets: Array, seen: Array, *, wish: bool = False) -> Posterior:
    """Return the inputs in [0, 1] that give the targets best, in the metric of the scatter.

    Minimises ``(y − b₀ − xB) S⁻¹ (y − b₀ − xB)ᵀ`` over 0 ≤ x ≤ 1: every channel weighs by the inverse of the residual
    covariance S, so that channels which see mostly ambient light cancel it. Inputs that a target leaves open are held
    by a normal prior of ten times the readings' own scatter, and intervals of targets with fewer outputs than inputs
    by one of that scatter itself.

    With ``wish``, where no inputs within bounds explain the target (χ² of 99.9 %), there is no reading to explain and
    nothing to weigh: the sum of squared counts is minimised, as in the paper, so that what can be reached of it is.

    Parameters
    ----------
    line : Regression
        Of the targets' outputs on the inputs.
    targets : ndarray, shape (n_targets, n_outputs)
    seen : ndarray, shape (n_rows, n_inputs)
        Inputs of the readings.
    """
    design, wanted = _whitened(line, targets, seen)
    precision = design.T @ design
    free: Array = np.asarray(np.linalg.solve(precision, design.T @ wanted.T).T, np.float64)
    outside = ((free < 0) | (free > 1)).any(axis=1)
    best = free.copy()
    for i in np.flatnonzero(outside):
        if wish and _unexplained(design, wanted[i], targets.shape[1]):
            best[i] = _nearest(line, targets[i], seen)
        else:
            best[i] = lsq_linear(design, wanted[i], bounds=(0, 1), method="bvls").x
    held = np.diag(_unit(seen) ** -2.0) if targets.shape[1] < seen.shape[1] else 0.0
    share = (1 + line.leverage(best)) * _estimated(line)
    posterior = student(best, share[:, None, None] * np.linalg.inv(precision + held), line.dof)
    return bounded(replace(posterior, mean=best))


def draw_within_bounds(line: Regression, target: Array, seen: Array, n: int, seed: int) -> Array:
    """Return draws of the inputs in [0, 1] that give a target within the scatter, all alike beforehand.

    Those of the normal distribution that :func:`solve_within_bounds` has the maximum of, cut to the bounds; of a target
    out of reach they lie where it is nearest. Shape (n, n_inputs).
    """
    design, wanted = _whitened(line, target[None], seen)
    _, sharp, axes = np.linalg.svd(design, full_matrices=False)
    sharp = np.minimum(sharp, _SHARPEST * sharp.min())  # readings without noise leave no width across the others
    covariance = np.asarray((axes.T / sharp**2) @ axes, dtype=np.float64)
    posterior = CutNormal(np.linalg.lstsq(design, wanted[0])[0], covariance)
    return posterior.draw(n, np.random.default_rng(seed))


def derivative_within_bounds(line: Regression, target: Array, inputs: Array, seen: Array) -> Array:
    """Return how the answer of :func:`solve_within_bounds` moves with its target, shape (n_inputs, n_outputs).

    Inputs at 0 or 1 are held there, and the others follow by the same least squares.

    Parameters
    ----------
    target : ndarray, shape (n_outputs,)
    inputs : ndarray, shape (n_inputs,)
        The answer.
    """
    n, free = len(target), moving(inputs)
    design, wanted = _whitened(line, target[None], seen)
    unit = np.diag(1 / np.sqrt(np.diag(line.covariance)))
    factor: Array = np.linalg.inv(np.linalg.cholesky(unit @ line.covariance @ unit)) @ unit
    if not free.all() and _unexplained(design, wanted[0], n):  # then the answer is the nearest in counts
        design, factor = np.vstack([line.slopes.T, _hold(line, seen)]), np.eye(n)
    out = np.zeros((len(inputs), n))
    out[free] = np.linalg.pinv(design[:, free])[:, :n] @ factor
    return out


def _unexplained(design: Array, wanted: Array, n_outputs: int) -> bool:
    """Return whether no inputs within the bounds explain a target."""
    weighed = lsq_linear(design, wanted, bounds=(0, 1), method="bvls")
    return bool(2 * weighed.cost > stats.chi2.ppf(_EXPLAINED, n_outputs))


def _nearest(line: Regression, target: Array, seen: Array) -> Array:
    """Return the inputs within bounds that come nearest in counts; what they leave open stays amid the readings."""
    held = _hold(line, seen)
    wanted = np.concatenate([target - line.intercept, held @ seen.mean(axis=0)])
    return np.asarray(lsq_linear(np.vstack([line.slopes.T, held]), wanted, bounds=(0, 1), method="bvls").x)


def _hold(line: Regression, seen: Array) -> Array:
    """Return the weight that holds what a target leaves open: next to nothing beside the outputs' own."""
    return np.asarray(1e-6 * np.abs(line.slopes).max() * np.eye(seen.shape[1]))


def _whitened(line: Regression, targets: Array, seen: Array) -> tuple[Array, Array]:
    unit = np.sqrt(np.diag(line.covariance))
    factor = np.linalg.inv(np.linalg.cholesky(line.covariance / np.outer(unit, unit))) / unit
    prior = np.diag(0.1 / _unit(seen))
    wanted = np.hstack([(targets - line.intercept) @ factor.T, np.tile(prior @ seen.mean(axis=0), (len(targets), 1))])
    return np.vstack([factor @ line.slopes.T, prior]), wanted


def _estimated(line: Regression) -> float:
    """Return by how much the variance grows because S is itself an estimate (C. R. Rao, 1967).

    With r outputs beyond the number of inputs and f degrees of freedom: f/(f − r) because the plug-in variance is too
    small, times 1 + r/(f − r − 1) because the weights are not quite the best.
    """
    extra = max(len(line.intercept) - len(line.centre), 0)
    left = max(line.dof - extra, 2.0)
    return line.dof / left * (1 + extra / max(left - 1, 1.0)) if extra else 1.0


def _unit(columns: Array) -> Array:
    spread: Array = columns.std(axis=0)
    return np.where(spread > 0, spread, 1.0)
