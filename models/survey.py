"""What readings tell before any method is fitted: straight or bent, one-to-one or not, gaps, repeats, drift."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from scipy import stats
from scipy.spatial import cKDTree
from scipy.stats import qmc

from retrolux.models.dataset import Dataset
from retrolux.models.posterior import Array
from retrolux.models.state_space import in_order, waits

SURE = 1e-3
"""Probability below which a bend or a drift is not taken for chance."""

BENT = 0.01
"""Share of an output's range by which a line has to be off before it counts as bent."""

SPARE = 10  # readings beyond the coefficients of a curved surface, before it is fitted
SEEN = 3.0  # standard errors by which outputs have to move with a direction of the inputs
OPEN = 0.1  # mean share of an input's move that lies along directions which outputs do not see
FOLDED = 0.02  # share of the readings on the other side of a fold
PROBES = 4000
HOLE = 1.5  # times a Latin hypercube's widest gap
ENOUGH = 500  # readings of these hypercubes; gaps of more follow from theirs
REPEATED = 20  # hypercubes, whose gaps are the measure
STEP = 1e-4  # of an input, for differences
TINY = 1e-300


@dataclass(frozen=True, slots=True)
class Straightness:
    """How far one output is a straight line of the inputs.

    Attributes
    ----------
    output : str
    explained : float
        Share of its variance that the line explains, R².
    bend : float
        Root mean square of what squares and products of the inputs add to the line, over the output's range.
    p : float or None
        Of the F test for these; None where there are too few readings for it.
    """

    output: str
    explained: float
    bend: float
    p: float | None

    @property
    def bent(self) -> bool:
        """Whether it is no straight line: by more than chance, and by more than one would overlook."""
        return self.p is not None and self.p < SURE and self.bend > BENT


@dataclass(frozen=True, eq=False)
class _Surface:
    """Sums of terms of the inputs, by least squares.

    Attributes
    ----------
    terms : callable
        Returns them, shape (n_rows, n_terms), of inputs.
    weights : ndarray, shape (n_terms, n_outputs)
    left : ndarray, shape (n_rows, n_outputs)
        What is left of the readings.
    rank : int
        Terms that the readings tell apart.
    """

    terms: Callable[[Array], Array]
    weights: Array
    left: Array
    rank: int

    @classmethod
    def through(cls, terms: Callable[[Array], Array], data: Dataset) -> "_Surface":
        design = terms(data.inputs)
        weights, _, rank, _ = np.linalg.lstsq(design, data.outputs, rcond=None)
        return cls(terms, np.asarray(weights, dtype=np.float64), data.outputs - design @ weights, int(rank))

    def predict(self, inputs: Array) -> Array:
        return np.asarray(self.terms(inputs) @ self.weights)


@dataclass(frozen=True, eq=False)
class Survey:
    """Readings whose inputs all vary, looked at.

    Attributes
    ----------
    data : Dataset
        Readings that are complete in its outputs.
    """

    data: Dataset

    @cached_property
    def _line(self) -> "_Surface":
        return _Surface.through(_lines, self.data)

    @cached_property
    def _curve(self) -> "_Surface | None":
        """A curved surface; None where there are too few readings for one."""
        terms = _curves(self.data.inputs[:1]).shape[1]
        return _Surface.through(_curves, self.data) if len(self.data) >= terms + SPARE else None

    @cached_property
    def straightness(self) -> tuple[Straightness, ...]:
        """How straight each output is."""
        return tuple(self._straightness(i, name) for i, name in enumerate(self.data.output_names))

    def _straightness(self, i: int, name: str) -> Straightness:
        y, line, curve = self.data.outputs[:, i], self._line, self._curve
        left, whole = (line.left[:, i] ** 2).sum(), max(((y - y.mean()) ** 2).sum(), TINY)
        if curve is None:
            return Straightness(name, 1 - left / whole, 0.0, None)
        rest, few, more = (curve.left[:, i] ** 2).sum(), line.rank, curve.rank
        if more == few:  # inputs with two levels each: nothing to bend along
            return Straightness(name, 1 - left / whole, 0.0, None)
        f = ((left - rest) / (more - few)) / max(rest / (len(y) - more), TINY)
        bend = float(np.sqrt(np.mean((curve.left[:, i] - line.left[:, i]) ** 2)) / np.ptp(y))
        return Straightness(name, 1 - left / whole, bend, float(stats.f.sf(f, more - few, len(y) - more)))

    @property
    def _surface(self) -> "_Surface":
        """The line, or the curved surface where an output bends."""
        bent = any(one.bent for one in self.straightness)
        return self._curve if bent and self._curve is not None else self._line

    @cached_property
    def scatter(self) -> Array:
        """Standard deviation of readings about that line or surface, shape (n_outputs,)."""
        left, y = self._surface.left, self.data.outputs
        dof = max(len(y) - self._surface.rank, 1)
        return np.asarray(np.sqrt((left**2).sum(axis=0) / dof) + 1e-6 * y.std(axis=0) + TINY)

    @cached_property
    def slopes(self) -> Array:
        """d(outputs)/d(inputs) at each reading over the scatter, shape (n_rows, n_outputs, n_inputs)."""
        surface, x = self._surface, self.data.inputs
        here = surface.predict(x)
        change = np.stack([(surface.predict(x + h) - here) / STEP for h in STEP * np.eye(x.shape[1])])
        return np.asarray(change.transpose(1, 2, 0) / self.scatter[:, None])

    @cached_property
    def rank(self) -> int:
        """Directions of the inputs that outputs move with, at a reading, by more than chance."""
        seen = np.sqrt((np.linalg.svd(self._by_spread, compute_uv=False) ** 2).mean(axis=0))
        return int((seen > SEEN * np.sqrt(self.data.outputs.shape[1] / len(self.data))).sum())

    @property
    def _by_spread(self) -> Array:
        """The slopes for a standard deviation of the inputs along each direction, shape as ``slopes``.

        So each has the same standard error, that of a mean, also where inputs rise and fall together.
        """
        return np.asarray(self.slopes @ self._spread)

    @cached_property
    def _spread(self) -> Array:
        """The symmetric root of the inputs' covariance, shape (n_inputs, n_inputs)."""
        size, axes = np.linalg.eigh(np.atleast_2d(np.cov(self.data.inputs.T)))
        return np.asarray((axes * np.sqrt(np.maximum(size, 0.0))) @ axes.T)

    @property
    def sharpness(self) -> float:
        """How many scatters outputs move by along the direction of the inputs that they see least, over its whole."""
        return float(np.sqrt((np.linalg.svd(self.slopes, compute_uv=False)[:, -1] ** 2).mean()))

    @cached_property
    def free(self) -> tuple[str, ...]:
        """Inputs that the outputs leave open, at least in part: they move along directions beyond the rank."""
        axes = np.linalg.svd(self._by_spread, full_matrices=True)[2][:, self.rank :]
        ways = np.linalg.qr((axes @ self._spread).transpose(0, 2, 1))[0]  # of the inputs themselves
        share = (ways**2).sum(axis=2).mean(axis=0)
        return tuple(name for name, s in zip(self.data.input_names, share, strict=True) if s > OPEN)

    @cached_property
    def folded(self) -> float:
        """Share of the readings on the lesser side of a fold, where the derivative changes its sign; 0 without one.

        On both sides of a fold the same outputs are found: there are several answers.
        """
        if self.rank < len(self.data.input_names):
            return 0.0
        left = np.linalg.svd(np.hstack(list(self.slopes)), full_matrices=False)[0][:, : self.slopes.shape[2]]
        signs = np.sign(np.linalg.det(left.T @ self.slopes))
        return float(min((signs > 0).mean(), (signs < 0).mean()))

    @property
    def one_to_one(self) -> bool:
        """Whether outputs determine the inputs, as far as readings tell."""
        return not self.free and self.folded < FOLDED

    @cached_property
    def gap(self) -> tuple[float, Array]:
        """Widest gap over that of a Latin hypercube of as many readings, and its middle, in the inputs' own units."""
        distance, middle = _widest(self.data.inputs)
        n, d = self.data.inputs.shape
        few = min(n, ENOUGH)
        usual = np.median([_widest(qmc.LatinHypercube(d, seed=seed).random(few))[0] for seed in range(REPEATED)])
        return distance / float(usual) / (few / n) ** (1 / d), self.data.scale.own(middle)

    @cached_property
    def repeats(self) -> tuple[int, int]:
        """Readings of a setting that was read before, and those that are copies of an earlier one to the last digit."""
        settings = len(np.unique(self.data.inputs, axis=0))
        whole = len(np.unique(np.hstack([self.data.inputs, self.data.outputs]), axis=0))
        return len(self.data) - settings, len(self.data) - whole

    @cached_property
    def drift(self) -> float | None:
        """Greatest correlation of what is left of a reading with what was left just before; None without an order.

        Zero where chance makes one as large (of so many outputs).
        """
        rows = in_order(self.data)
        if rows.times is None:
            return None
        rest = _Surface.through(self._surface.terms, rows).left
        follows = np.isfinite(waits(rows))[1:]
        pairs = zip(rest[:-1][follows].T, rest[1:][follows].T, strict=True)
        known = [(a, b) for a, b in pairs if len(a) > 2 and a.std() > 0 and b.std() > 0]
        found = [(float(np.corrcoef(a, b)[0, 1]), len(a)) for a, b in known]
        return max((r for r, n in found if stats.norm.sf(r * np.sqrt(n)) < SURE / len(found)), default=0.0)

    def to_json(self) -> dict[str, Any]:
        """Return all of it."""
        ratio, middle = self.gap
        return {
            "n_rows": len(self.data),
            "straightness": [
                {"output": s.output, "explained": s.explained, "bend": s.bend, "p": s.p, "bent": s.bent}
                for s in self.straightness
            ],
            "rank": self.rank,
            "free": list(self.free),
            "folded": self.folded,
            "one_to_one": self.one_to_one,
            "gap": {"ratio": ratio, "at": dict(zip(self.data.input_names, middle.tolist(), strict=True))},
            "repeats": dict(zip(("settings", "copies"), self.repeats, strict=True)),
            "drift": self.drift,
        }


def _lines(x: Array) -> Array:
    return np.column_stack([np.ones(len(x)), x])


def _curves(x: Array) -> Array:
    """Return a constant, the inputs, their squares and products."""
    pairs: Sequence[tuple[int, int]] = list(combinations_with_replacement(range(x.shape[1]), 2))
    return np.column_stack([_lines(x), *(x[:, i] * x[:, j] for i, j in pairs)])


def _widest(x: Array) -> tuple[float, Array]:
    """Return how far from every reading the loneliest of many even points in [0, 1] lies, and the point."""
    probes = qmc.Sobol(x.shape[1], seed=0).random(4096)[:PROBES]
    distance = cKDTree(x).query(probes)[0]
    return float(distance.max()), np.asarray(probes[distance.argmax()])
