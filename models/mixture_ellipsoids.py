"""How large ellipsoids have to be to hold a part of normal mixtures.

Lines in many directions go through the middle of each component, evenly spread where the component is round. What an
ellipsoid cuts from a line is a chord, and the part of the component's distribution along the line that lies on it is
known; the mean over all lines is the part that the ellipsoid holds (Deák, 1980, *Numerische Mathematik* 35, 47; Genz &
Bretz, 2009, section 4.1.1). The lines are few at first, and more wherever more move the answer.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.integrate import lebedev_rule
from scipy.stats import qmc

from retrolux.models import quantiles
from retrolux.models.posterior import Array

_ALONE = 1e-9  # weight of all other components beside which one is taken to be alone
_ROUNDS = 60
_ROUGH = 3e-2  # of a squared radius: by the fewest lines it is found so well, as the next ones' step goes on from there
_NEAR = 3e-3  # of a squared radius: a step of Newton's method that leaves some millionths
_LEBEDEV = (5, 11, 23, 47, 95)  # degrees up to which directions in space are exact
_ANGLES = (8, 32, 128, 512)  # directions in a plane
_SOBOL = (64, 256, 1024)  # directions of more dimensions
_TOGETHER = 1 << 14  # chords at once, for the processor's cache
_GRAZED = 0.1  # half of a chord, in standard deviations, below which it grows too fast for Newton's method

Rows = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Ellipsoids:
    """Ellipsoids of mixtures that have these components' shapes, each with weights and means of its own.

    Attributes
    ----------
    covariances : ndarray, shape (n_components, n_columns, n_columns)
    """

    covariances: Array

    def holding(self, level: float, weights: Array, away: Array, whole: Array) -> Array:
        """Return by how much each whole covariance has to grow so that its ellipsoid holds this part, shape (n_rows,).

        One where a component is alone: the ellipsoid of a normal distribution is its own.

        Parameters
        ----------
        weights : ndarray, shape (n_rows, n_components)
        away : ndarray, shape (n_rows, n_components, n_columns)
            The components' means, from the whole mean.
        whole : ndarray, shape (n_rows, n_columns, n_columns)
        """
        share, alone = np.ones(len(weights)), quantiles.chi2(level, away.shape[2])
        mixed = np.flatnonzero(1 - weights.max(axis=1) > _ALONE)
        if len(mixed):
            inverse = np.asarray(np.linalg.inv(whole[mixed] / self._square), dtype=np.float64)
            asked = _Asked(self, level, weights[mixed], away[mixed] / self._unit, inverse)
            share[mixed] = asked.squared(alone) / alone
        return share

    def directions(self, rule: int) -> tuple[Array, Array, Array]:
        """Return lines of each component, their products, and shares.

        Shapes (n_components, n_columns, n_lines), (n_columns², n_components · n_lines) and (n_lines,).
        """
        if rule not in self._kept:
            even, shares = _even(len(self._unit), rule)
            lines = even @ np.linalg.cholesky(self.covariances / self._square).transpose(0, 2, 1)
            products = (lines[..., :, None] * lines[..., None, :]).reshape(-1, even.shape[1] ** 2)
            self._kept[rule] = lines.transpose(0, 2, 1), products.T, shares
        return self._kept[rule]

    @cached_property
    def _kept(self) -> dict[int, tuple[Array, Array, Array]]:
        return {}

    @cached_property
    def _unit(self) -> Array:
        """What each column is measured in."""
        return np.asarray(np.sqrt(np.diagonal(self.covariances, axis1=1, axis2=2).max(axis=0)))

    @cached_property
    def _square(self) -> Array:
        return np.outer(self._unit, self._unit)


@dataclass(frozen=True, eq=False)
class _Asked:
    """Mixtures, a row each, and inverses of the matrices of their ellipsoids."""

    shapes: Ellipsoids
    level: float
    weights: Array
    away: Array
    inverse: Array

    def squared(self, start: float) -> Array:
        """Return the squared radii that hold the part, shape (n_rows,)."""
        found = np.full(len(self.weights), start)
        every = np.arange(len(found))
        for rows in self._parts(every, 0):
            found[rows] = self._solved(self.chords(rows, 0), found[rows])
        left = every
        for rule in range(1, _rules(self.away.shape[2])):
            steps = np.empty(len(left))
            for at in self._parts(np.arange(len(left)), rule):
                steps[at] = self._step(self.chords(left[at], rule), found[left[at]])
            found[left] += steps
            left = left[np.abs(steps) > _NEAR * found[left]]
        return found

    def chords(self, rows: Rows, rule: int) -> "_Chords":
        """Return what each ellipsoid cuts from the lines of this rule."""
        lines, products, shares = self.shapes.directions(rule)
        away, inverse = self.away[rows], self.inverse[rows]
        n, k, d = away.shape
        steep = 1 / (inverse.reshape(n, d * d) @ products).reshape(n, k, -1)
        turned = away @ inverse
        middle = (turned.transpose(1, 0, 2) @ lines).transpose(1, 0, 2) * steep
        gap = (turned * away).sum(axis=2)[:, :, None] * steep - middle * middle
        return _Chords(self.weights[rows] / 2, shares, steep, middle, gap, d)

    def _solved(self, chords: "_Chords", start: Array) -> Array:
        """Return the squared radii by Newton's method, kept between its bounds by bisection."""
        squared, left = start.copy(), np.arange(len(start))
        near = _ROUGH if chords.n_columns > 1 else _NEAR**2
        low, high = np.zeros(len(start)), np.full(len(start), chords.n_columns / (1 - self.level))  # Markov
        for _ in range(_ROUNDS):
            held, density = chords.held(squared[left])
            at = squared[left]
            low[left], high[left] = (
                np.where(held < self.level, at, low[left]),
                np.where(held < self.level, high[left], at),
            )
            then = at + (self.level - held) / np.maximum(density, 1e-300)
            inside = (then > low[left]) & (then < high[left])
            squared[left] = then = np.where(inside, then, (low[left] + high[left]) / 2)
            moving = np.abs(then - at) > near * then
            if not moving.any():
                break
            if not moving.all():
                left, chords = left[moving], chords.take(moving)
        return squared

    def _step(self, chords: "_Chords", squared: Array) -> Array:
        held, density = chords.held(squared)
        return np.clip((self.level - held) / np.maximum(density, 1e-300), -squared / 2, squared)

    def _parts(self, rows: Rows, rule: int) -> Iterator[Rows]:
        """Yield rows in parts that have not too many chords at once."""
        some = max(_TOGETHER // (self.weights.shape[1] * len(self.shapes.directions(rule)[2])), 1)
        return (rows[i : i + some] for i in range(0, len(rows), some))


@dataclass(frozen=True, eq=False)
class _Chords:
    """Where lines are inside: between ``−middle ± √(squared · steep − gap)``, in the component's own measure.

    Shapes are (n_rows, n_components, n_lines); half the weights' (n_rows, n_components), the lines' shares' (n_lines,).
    """

    half: Array
    shares: Array
    steep: Array
    middle: Array
    gap: Array
    n_columns: int

    def take(self, rows: NDArray[np.bool_]) -> "_Chords":
        """Return those of some rows."""
        return _Chords(
            self.half[rows], self.shares, self.steep[rows], self.middle[rows], self.gap[rows], self.n_columns
        )

    def held(self, squared: Array) -> tuple[Array, Array]:
        """Return the parts inside ellipsoids of these squared radii, and their derivatives, shape (n_rows,) each."""
        room = squared[:, None, None] * self.steep - self.gap
        reach = np.sqrt(np.maximum(room, 0.0))
        part, density = _along(np.stack([reach - self.middle, reach + self.middle]), self.n_columns)
        growth = np.where(room > 0, self.steep / np.maximum(reach, _GRAZED), 0.0) * (density[0] + density[1])
        inside = (part[0] + part[1]) @ self.shares, growth @ self.shares / 2
        return (self.half * inside[0]).sum(axis=1), (self.half * inside[1]).sum(axis=1)


def _along(t: Array, n: int) -> tuple[Array, Array]:
    """Return the part of a normal distribution of n columns that lies between 0 and t on lines through its middle.

    Negative on their other halves; and its derivative. By the recurrence of the incomplete gamma function (NIST 8.8.5),
    which takes a quarter of the time of SciPy's.
    """
    tail = np.exp(-t * t / 2)
    if n % 2:
        part, term = special.erf(t * 0.5**0.5), t * tail * (2 / np.pi) ** 0.5
    else:
        part, term = np.sign(t), np.sign(t) * tail
    if n == 1:
        return part, tail * (2 / np.pi) ** 0.5
    part = part - term
    for i in range(2 + n % 2, n, 2):
        term = term * t * t / i
        part = part - term
    return part, t * term


def _rules(n: int) -> int:
    """Return with how many numbers of lines the part can be found; with any, of one column."""
    return len({1: (1,), 2: _ANGLES, 3: _LEBEDEV}.get(n, _SOBOL))


@lru_cache(maxsize=32)
def _even(n: int, rule: int) -> tuple[Array, Array]:
    """Return directions of lines that are spread evenly, shape (n_lines, n), and their shares."""
    if n == 1:
        return np.ones((1, 1)), np.ones(1)
    if n == 2:
        angles = np.pi * (np.arange(_ANGLES[rule]) + 0.5) / _ANGLES[rule]
        return np.column_stack([np.cos(angles), np.sin(angles)]), np.full(len(angles), 1 / len(angles))
    if n == 3:
        points, shares = lebedev_rule(_LEBEDEV[rule])
        one = points.T.round(9) @ [4, 2, 1] > 0  # of two opposite points
        return points.T[one], shares[one] / shares[one].sum()
    normal = special.ndtri(qmc.Sobol(n, rng=0).random(_SOBOL[rule]))
    return normal / np.linalg.norm(normal, axis=1)[:, None], np.full(len(normal), 1 / len(normal))
