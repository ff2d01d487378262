"""Ordinary least squares forward, generalised least squares within bounds backward."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf

from retrolux.models import quantiles
from retrolux.models.boxed import boxed
from retrolux.models.conditional import bounded
from retrolux.models.cut_normal import CutNormal
from retrolux.models.derivatives import moving
from retrolux.models.model import Array, Posterior
from retrolux.models.moments import Moments
from retrolux.models.regression import Regression, student

_FLOOR = 1e-6  # smallest scatter, relative to a column's own variation: readings without noise stay solvable
_EXPLAINED = 0.999
_SHARPEST = 1e6  # times a posterior's widest direction is its narrowest, at most: a covariance that has a root
_RANK = 1e-10  # singular values below this share of the largest are rounding


def fit_line(told: Moments, n_given: int, rows: Array | None = None) -> Regression:
    """Return the least-squares line of wanted columns on given ones, with their residuals' covariance.

    Parameters
    ----------
    told : Moments
        Of given columns, then wanted ones.
    n_given : int
    rows : ndarray, shape (n, n_given + n_wanted), optional
        The readings, needed where they are few; see :func:`few`.
    """
    given, wanted, centre = told.root[:, :n_given], told.root[:, n_given:], told.mean[:n_given]
    unit, size = _or_one(told.deviations[:n_given]), _or_one(told.deviations[n_given:])
    shape, _, rank, _ = np.linalg.lstsq(given / unit, wanted, rcond=_RANK)
    slopes = np.asarray(shape / unit[:, None], dtype=np.float64)
    intercept, dof = told.mean[n_given:] - centre @ slopes, max(told.n - int(rank) - 1, 1)
    left = wanted - given @ slopes if rows is None else rows[:, n_given:] - intercept - rows[:, :n_given] @ slopes
    products = (given / unit).T @ (given / unit)
    gram = np.asarray(np.linalg.pinv(products, rcond=_RANK**2, hermitian=True), dtype=np.float64)
    scatter = residual_covariance(left, size, dof)
    return Regression(intercept, slopes, scatter, centre, np.diag(1 / unit), gram, told.n, dof)


def few(n: int, n_given: int, n_wanted: int) -> bool:
    """Return whether so many readings leave fewer than two degrees of freedom to a column of the scatter."""
    return n - n_given - 1 < 2 * n_wanted


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


@dataclass(frozen=True, eq=False)
class Programme:
    """The bounded programme of a line, with what does not depend on the target.

    Minimises ``(y − b₀ − xB) S⁻¹ (y − b₀ − xB)ᵀ`` over 0 ≤ x ≤ 1: every channel weighs by the inverse of the residual
    covariance S, so that channels which see mostly ambient light cancel it. Inputs that a target leaves open are held
    by a normal prior of ten times the readings' own scatter, and intervals of targets with fewer outputs than inputs
    by one of that scatter itself.

    Attributes
    ----------
    line : Regression
        Of the targets' outputs on the inputs.
    seen : ndarray, shape (n_rows, n_inputs)
        Inputs of the readings, or rows of the same mean and scatter.
    """

    line: Regression
    seen: Array

    def solve(self, targets: Array, *, wish: bool = False) -> Posterior:
        """Return the inputs in [0, 1] that give the targets best, in the metric of the scatter.

        With ``wish``, where no inputs within bounds explain the target (χ² of 99.9 %), there is no reading to explain
        and nothing to weigh: the sum of squared counts is minimised, as in the paper, so that what can be reached of it
        is.

        Parameters
        ----------
        targets : ndarray, shape (n_targets, n_outputs)
        """
        wanted = self._wanted(targets)
        best = self.within(wanted)
        if wish:
            # an answer that no bound holds is the best explanation there is: only the others are asked
            held = np.flatnonzero(((best <= 0) | (best >= 1)).any(axis=1))
            far = held[_unexplained(self.design, wanted[held], best[held], targets.shape[1])]
            if len(far):
                best[far] = _nearest(self.line, targets[far], self.seen)
        share = (1 + self.line.leverage(best)) * self._grown
        posterior = student(best, share[:, None, None] * self._covariance, self.line.dof)
        return bounded(replace(posterior, mean=best))

    def within(self, wanted: Array) -> Array:
        """Return the inputs in [0, 1] of least squares, shape (n_targets, n_inputs)."""
        free: Array = np.asarray(np.linalg.solve(self._precision, self.design.T @ wanted.T).T, np.float64)
        outside = np.flatnonzero(((free < 0) | (free > 1)).any(axis=1))
        if len(outside):
            ends = np.zeros((len(outside), free.shape[1])), np.ones((len(outside), free.shape[1]))
            free[outside] = boxed(self.design[None], wanted[outside], *ends)
        return free

    def derivative(self, target: Array, inputs: Array) -> Array:
        """Return how an answer moves with its target, shape (n_inputs, n_outputs).

        Inputs at 0 or 1 are held there, and the others follow by the same least squares.

        Parameters
        ----------
        target : ndarray, shape (n_outputs,)
        inputs : ndarray, shape (n_inputs,)
            The answer.
        """
        free = moving(inputs)
        by_counts = not free.all() and self._by_counts(target[None])
        key = free.tobytes(), by_counts
        if key not in self._derivatives:
            self._derivatives[key] = self._derivative(free, by_counts=by_counts)
        return self._derivatives[key]

    def _by_counts(self, target: Array) -> bool:
        """Return whether the answer is the nearest in counts."""
        wanted = self._wanted(target)
        return bool(_unexplained(self.design, wanted, self.within(wanted), target.shape[1])[0])

    def _derivative(self, free: NDArray[np.bool_], *, by_counts: bool) -> Array:
        n = len(self.line.intercept)
        design, factor = self.design, self._factor
        if by_counts:
            design, factor = np.vstack([self.line.slopes.T, _hold(self.line, self.seen)]), np.eye(n)
        out = np.zeros((len(free), n))
        out[free] = np.linalg.pinv(design[:, free])[:, :n] @ factor
        return out

    @cached_property
    def _derivatives(self) -> dict[tuple[bytes, bool], Array]:
        """Those that were asked for, by which inputs were free."""
        return {}

    @cached_property
    def design(self) -> Array:
        """The slopes in units of the scatter, and the prior's rows."""
        return np.vstack([self._factor @ self.line.slopes.T, self._prior])

    def _wanted(self, targets: Array) -> Array:
        held = self._prior @ self.seen.mean(axis=0)
        return np.hstack([(targets - self.line.intercept) @ self._factor.T, np.tile(held, (len(targets), 1))])

    @cached_property
    def _factor(self) -> Array:
        unit = np.sqrt(np.diag(self.line.covariance))
        return np.asarray(np.linalg.inv(np.linalg.cholesky(self.line.covariance / np.outer(unit, unit))) / unit)

    @cached_property
    def _prior(self) -> Array:
        return np.diag(0.1 / _unit(self.seen))

    @cached_property
    def _precision(self) -> Array:
        return np.asarray(self.design.T @ self.design)

    @cached_property
    def _covariance(self) -> Array:
        held = np.diag(_unit(self.seen) ** -2.0) if len(self.line.intercept) < self.seen.shape[1] else 0.0
        return np.asarray(np.linalg.inv(self._precision + held))

    @cached_property
    def _grown(self) -> float:
        return _estimated(self.line)


def draw_within_bounds(line: Regression, target: Array, seen: Array, n: int, seed: int) -> Array:
    """Return draws of the inputs in [0, 1] that give a target within the scatter, all alike beforehand.

    Those of the normal distribution that :class:`Programme` has the maximum of, cut to the bounds; of a target
    out of reach they lie where it is nearest. Shape (n, n_inputs).
    """
    programme = Programme(line, seen)
    design, wanted = programme.design, programme._wanted(target[None])
    _, sharp, axes = np.linalg.svd(design, full_matrices=False)
    sharp = np.minimum(sharp, _SHARPEST * sharp.min())  # readings without noise leave no width across the others
    covariance = np.asarray((axes.T / sharp**2) @ axes, dtype=np.float64)
    posterior = CutNormal(np.linalg.lstsq(design, wanted[0])[0], covariance)
    return posterior.draw(n, np.random.default_rng(seed))


def _unexplained(design: Array, wanted: Array, best: Array, n_outputs: int) -> NDArray[np.bool_]:
    """Return which targets no inputs within the bounds explain, given the best of them."""
    squared = ((best @ design.T - wanted) ** 2).sum(axis=1)
    return np.asarray(squared > quantiles.chi2(_EXPLAINED, n_outputs))


def _nearest(line: Regression, targets: Array, seen: Array) -> Array:
    """Return the inputs within bounds that come nearest in counts; what they leave open stays amid the readings."""
    held = _hold(line, seen)
    wanted = np.hstack([targets - line.intercept, np.tile(held @ seen.mean(axis=0), (len(targets), 1))])
    ends = np.zeros((len(targets), seen.shape[1])), np.ones((len(targets), seen.shape[1]))
    return boxed(np.vstack([line.slopes.T, held])[None], wanted, *ends)


def _hold(line: Regression, seen: Array) -> Array:
    """Return the weight that holds what a target leaves open: next to nothing beside the outputs' own."""
    return np.asarray(1e-6 * np.abs(line.slopes).max() * np.eye(seen.shape[1]))


def _estimated(line: Regression) -> float:
    """Return by how much the variance grows because S is itself an estimate (C. R. Rao, 1967).

    With r outputs beyond the number of inputs and f degrees of freedom: f/(f − r) because the plug-in variance is too
    small, times 1 + r/(f − r − 1) because the weights are not quite the best.
    """
    extra = max(len(line.intercept) - len(line.centre), 0)
    left = max(line.dof - extra, 2.0)
    return line.dof / left * (1 + extra / max(left - 1, 1.0)) if extra else 1.0


def _unit(columns: Array) -> Array:
    return _or_one(columns.std(axis=0))


def _or_one(spread: Array) -> Array:
    return np.where(spread > 0, spread, 1.0)
