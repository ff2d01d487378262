"""How unlike the readings a target is: a p-value that is right whatever their distribution."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.spatial import KDTree

from retrolux.models.posterior import Array
from retrolux.models.readings import spread

UNUSUAL = 0.01  # p-value below which a target lies outside the data
_MOST = 2000  # readings that it is compared with
_NEIGHBOUR = 3
_TAIL = 0.9  # quantile of the scores beyond which their tail is taken for exponential
_RIDGE = 1e-9
_FARTHEST = 300.0  # of a tail, in its own units: still a number

Score = Callable[[Array], Array]


@dataclass(frozen=True, eq=False)
class Ranked:
    """A score of unlikeness, and what it was for each reading when the others were all that was known.

    Attributes
    ----------
    score : callable
        Of targets, shape (…, n_columns); larger is less like the readings.
    left_out : ndarray, shape (n_rows,)
    """

    score: Score
    left_out: Array

    def p(self, values: Array) -> Array:
        """Return how often a score as large occurs, for each value: its rank; beyond them all, by the scores' tail."""
        n = len(self._ordered)
        rank = (1 + n - self._ordered.searchsorted(values)) / (n + 1)
        beyond = (values - self._ordered[-1]) / self._tail
        return np.asarray(rank * np.exp(-np.minimum(np.maximum(beyond, 0.0), _FARTHEST)))

    @cached_property
    def _ordered(self) -> Array:
        return np.sort(self.left_out)

    @cached_property
    def _tail(self) -> float:
        """By how much scores in the tail exceed its beginning, in the mean."""
        above = self._ordered[self._ordered >= np.quantile(self._ordered, _TAIL)]
        return max(float((above - above[0]).mean()), 1e-9 * max(abs(float(self._ordered[-1])), 1.0))


@dataclass(frozen=True, eq=False)
class Novelty:
    """A conformal p-value (Vovk, Gammerman & Shafer, 2005) of two scores: how likely, and how lonely.

    The first tells outputs that do not occur together; the second, the distance to the third nearest reading with each
    column in units of its own spread, tells gaps, which an ellipse does not see. Their p-values' smaller one is ranked
    once more among those of the readings, so that it is uniform for what is like them.

    Attributes
    ----------
    likely, lonely : Ranked
    smaller : ndarray, shape (n_rows,)
        The smaller p-value of each reading, in order.
    """

    likely: Ranked
    lonely: Ranked
    smaller: Array

    @classmethod
    def learn(cls, rows: Array, likely: Ranked | None = None) -> "Novelty":
        """Learn from the readings' columns, shape (n_rows, n_columns); by Mahalanobis distance by default."""
        scores = likely or mahalanobis(rows), _lonely(compared(rows))
        first, second = (one.p(one.left_out) for one in scores)
        return cls(*scores, np.sort(np.minimum(first, second)))

    def p(self, targets: Array) -> Array:
        """Return how often readings are as unlike the others as targets are, shape (…), for (…, n_columns)."""
        smaller = np.minimum(*(one.p(one.score(targets)) for one in (self.likely, self.lonely)))
        rank = (1 + self.smaller.searchsorted(smaller, side="right")) / (len(self.smaller) + 1)
        return np.asarray(rank * np.minimum(smaller / self.smaller[0], 1.0))


def compared(rows: Array) -> Array:
    """Return the readings that a target is compared with: all, or so many spread over them."""
    return rows[spread(len(rows), _MOST)]


def mahalanobis(rows: Array) -> Ranked:
    """Return squared Mahalanobis distances to the readings' middle, each left-out one in closed form."""
    kept = compared(rows)
    n, centre, unit = len(kept), kept.mean(axis=0), _unit(kept)
    z = (kept - centre) / unit
    inverse = np.linalg.inv(z.T @ z / max(n - 1, 1) + _RIDGE * np.eye(len(unit)))
    inside = np.einsum("ri,ij,rj->r", z, inverse, z)
    shrunk = np.maximum(1 - n * inside / max(n - 1, 1) ** 2, 1e-6)
    left_out = inside * (n / max(n - 1, 1)) ** 2 * max(n - 2, 1) / max(n - 1, 1) / shrunk

    def score(targets: Array) -> Array:
        away = (targets - centre) / unit
        return np.asarray(((away @ inverse) * away).sum(axis=-1))

    return Ranked(score, left_out)


def _lonely(rows: Array) -> Ranked:
    unit = _unit(rows)
    tree, k = KDTree(rows / unit), max(min(_NEIGHBOUR, len(rows) - 1), 1)
    left_out = tree.query(rows / unit, k=[k + 1])[0][:, 0]  # the nearest is the reading itself

    def score(targets: Array) -> Array:
        return np.asarray(tree.query(targets / unit, k=[k])[0][..., 0])

    return Ranked(score, np.where(np.isfinite(left_out), left_out, 0.0))


def _unit(rows: Array) -> Array:
    size = rows.std(axis=0)
    return np.where(size > 0, size, 1.0)
