"""Wanted columns given others: a line, and ForestDiffusion's flow for what the line leaves."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import KFold

from retrolux.models import partial_least_squares, storage
from retrolux.models.conditional import TAIL, Conditional, Fit, summarise
from retrolux.models.errors import NoDerivative
from retrolux.models.flow import Flow
from retrolux.models.flow_settings import FlowSettings
from retrolux.models.honesty import INSIDE
from retrolux.models.model import Array, Posterior, Progress
from retrolux.models.progress import silent
from retrolux.models.regression import Regression
from retrolux.models.spreading import elsewhere, spread

_MEAN_DRAWS = 100
_FEW_DRAWS = 20
"""From which a mean is taken where it is only what a single draw's distance from it is widened about."""
_MOST_ROWS = 2000
_FOLDS = 4
_FEW = 20  # readings inside that tell a quantile of their own

Cells = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class FlowGiven(Conditional, Fit):
    """A line and a flow about it.

    The flow learns the line's cross-validated residuals, so that its spread is that of readings the line has not seen.
    It is conditioned on the given columns, or on the line's own values where these are fewer, in units of their
    scatter. Trees that know so few readings promise too much: the spread about the flow's own mean is multiplied by the
    factor with which the 90 % intervals of flows of three quarters of the readings hold 90 % of the last quarter.

    Attributes
    ----------
    line : Regression
    flow : Flow
    widening : ndarray, shape (n_wanted,)
        Factor of the spread.
    centre, unit : ndarray, shape (n_conditions,)
        Of what the flow is conditioned on.
    by_line : bool
        Whether it is conditioned on the line's values.
    """

    line: Regression
    flow: Flow
    widening: Array
    centre: Array
    unit: Array
    by_line: bool

    @classmethod
    def learn(  # noqa: PLR0913 - what a fit has
        cls,
        given: Array,
        wanted: Array,
        settings: FlowSettings,
        *,
        seed: int,
        inside: Cells | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Fit line and flow to readings, shapes (n_rows, n_given) and (n_rows, n_wanted).

        Parameters
        ----------
        inside : ndarray of bool, shape (n_rows, n_wanted), optional
            Which wanted cells are at neither end of their range; all by default. Where most are at an end, the others
            are held by themselves, as in :mod:`honesty`.
        """
        line, residuals = _no_line(given, wanted) if settings.plain else _line(given, wanted, seed)
        by_line = given.shape[1] > wanted.shape[1] and not settings.plain
        conditions = line.mean(given) if by_line else given
        centre, spread = conditions.mean(axis=0), conditions.std(axis=0)
        unit = np.where(spread > 0, spread, 1.0)
        standard = (conditions - centre) / unit
        report = progress or silent
        if settings.plain:
            flow = Flow.learn(residuals, standard, settings, seed=seed, progress=report)
            return cls(line, flow, np.ones(wanted.shape[1]), centre, unit, by_line)
        between = np.ones(wanted.shape, dtype=bool) if inside is None else inside
        flow, widening = _flow(_Table(residuals, standard, settings, seed), between, report)
        return cls(line, flow, widening, centre, unit, by_line)

    def mean(self, given: Array) -> Array:
        """Return the mean of a hundred draws for each row, always the same ones."""
        return np.asarray(self._draws(given, _MEAN_DRAWS, 0).mean(axis=1))

    def derivative(self, given: Array) -> Array:
        """Return the slopes of the line: the trees about it are steps, without a derivative. Raises NoDerivative."""
        if not self.line.slopes.any():
            raise NoDerivative(
                "This forest is made of trees alone: its answers go in steps, which have no derivative.",
                "Ask linear, pls, gmm or bayes; or a forest about a line, the preset small.",
            )
        return self.line.derivative(given)

    def posterior(self, given: Array, *, samples: int, seed: int) -> Posterior:
        """Return moments and quantiles of draws."""
        return summarise(self._draws(given, samples, seed))

    def draw(self, given: Array, *, seed: int) -> Array:
        """Return one draw for each row."""
        rows, which = np.unique(given, axis=0, return_inverse=True)
        n = min(_MEAN_DRAWS, max(_FEW_DRAWS, _MOST_ROWS // max(len(rows), 1)))
        noise = np.vstack([self.flow.noise(len(rows) * n, 0), self.flow.noise(len(given), seed)])
        about, own = np.repeat(self._conditions(rows), n, axis=0), self._conditions(given)
        drawn = self.flow.carried(noise, np.vstack([about, own]))
        middle = drawn[: len(about)].reshape(len(rows), n, -1).mean(axis=1)[which.reshape(-1)]
        return np.asarray(self.line.mean(given) + middle + self.widening * (drawn[len(about) :] - middle))

    def _draws(self, given: Array, n: int, seed: int) -> Array:
        """Return n draws for each row, shape (n_rows, n, n_wanted)."""
        conditions = np.repeat(self._conditions(given), n, axis=0)
        drawn = self.flow.draw(conditions, seed=seed).reshape(len(given), n, -1)
        middle = drawn.mean(axis=1, keepdims=True)
        return np.asarray(self.line.mean(given)[:, None] + middle + self.widening * (drawn - middle))

    def _conditions(self, given: Array) -> Array:
        return ((self.line.mean(given) if self.by_line else given) - self.centre) / self.unit

    def to_files(self) -> dict[str, bytes]:
        """Return the files of line and flow, and one npz file with the units."""
        units = {"widening": self.widening, "centre": self.centre, "unit": self.unit, "by_line": np.array(self.by_line)}
        return {**self.line.to_files(), **self.flow.to_files(), "units.npz": storage.pack(units)}

    @classmethod
    def from_files(cls, files: dict[str, bytes]) -> Self:
        """Rebuild line and flow. Raises ModelUnreadable, KeyError."""
        units = storage.unpack(files["units.npz"])
        by_line = bool(units.pop("by_line"))
        return cls(line=Regression.from_files(files), flow=Flow.from_files(files), by_line=by_line, **units)


def _no_line(given: Array, wanted: Array) -> tuple[Regression, Array]:
    """Return a line that says nothing, and the columns as what it leaves."""
    k, n = wanted.shape[1], given.shape[1]
    nothing, square = np.zeros((n, k)), np.zeros((n, n))
    flat = Regression(np.zeros(k), nothing, np.zeros((k, k)), np.zeros(n), square, square, len(given), len(given))
    return flat, wanted


def _line(given: Array, wanted: Array, seed: int) -> tuple[Regression, Array]:
    if given.shape[1]:
        return partial_least_squares.fit_line(given, wanted, seed=seed)
    centre, n = wanted.mean(axis=0), len(wanted)
    residuals, nothing = wanted - centre, np.empty((0, 0))
    scatter = residuals.T @ residuals / (n - 1)
    flat = Regression(centre, np.empty((0, len(centre))), scatter, np.empty(0), nothing, nothing, n, n - 1)
    return flat, residuals


Rows = NDArray[np.intp]
Tried = tuple[Flow | None, Array, Array]


@dataclass(frozen=True, eq=False)
class _Table:
    """What a flow learns from, shapes (n_rows, n_wanted) and (n_rows, n_conditions), and how."""

    residuals: Array
    given: Array
    settings: FlowSettings
    seed: int

    def learn(self, fold: tuple[Rows, Rows], report: Progress) -> Tried:
        """Return what :meth:`each` gives of one fold."""
        return next(self.each([fold], report))

    def each(self, folds: Sequence[tuple[Rows, Rows]], report: Progress) -> Iterator[Tried]:
        """Yield the flow of some rows where none is left, else by how much those left are missed, and the promise."""
        tables = [(self.residuals[kept], self.given[kept]) for kept, _ in folds]
        flows = Flow.each(tables, self.settings, seed=self.seed, progress=report)
        return (self._tried(flow, left) for flow, (_, left) in zip(flows, folds, strict=True))

    def _tried(self, flow: Flow, left: Rows) -> Tried:
        if not len(left):
            return flow, self.residuals[left], self.residuals[left]
        rows = np.repeat(self.given[left], _MEAN_DRAWS, axis=0)
        found = summarise(flow.draw(rows, seed=self.seed).reshape(len(left), _MEAN_DRAWS, -1))
        return None, np.abs(self.residuals[left] - found.mean), (found.high - found.low) / 2


def _flow(table: _Table, inside: Cells, report: Progress) -> tuple[Flow, Array]:
    """Return the flow of all rows, and the factor with which intervals would have held 90 % of those left out.

    And of those inside no less than 85 %. The factor, shape (n_wanted,), is of flows of three quarters of the rows;
    these and that of all do not wait for one another.
    """
    n = len(table.residuals)
    folds = list(KFold(_FOLDS, shuffle=True, random_state=table.seed).split(table.residuals))
    folds_and_all = [*folds, (np.arange(n), np.arange(0))]
    *tried, whole = spread(table.learn, folds_and_all, report) if elsewhere() else table.each(folds_and_all, report)
    missed, promised = np.empty_like(table.residuals), np.empty_like(table.residuals)
    for (_, left), (_, miss, promise) in zip(folds, tried, strict=True):
        missed[left], promised[left] = miss, promise
    scores = missed / np.maximum(promised, 1e-300)
    within = [_factor(s[i], INSIDE) if i.sum() >= _FEW else 0.0 for s, i in zip(scores.T, inside.T, strict=True)]
    flow, _, _ = whole
    assert flow is not None  # noqa: S101 - for the type checker
    return flow, np.maximum([_factor(s, 1 - 2 * TAIL) for s in scores.T], within)


def _factor(scores: Array, level: float) -> float:
    """Return the least score that holds so many; the next reading counts as one of them."""
    return float(np.quantile(scores, min(level * (1 + 1 / len(scores)), 1.0)))
