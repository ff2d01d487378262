"""From a design's prior to an even one: what is answered if all inputs were as likely beforehand.

Whoever chose the readings' inputs chose a prior: a method that learns inputs from outputs, or both together, answers as
if targets came of inputs that were chosen so again. Draws of such an answer are weighed by one over the design's
density (importance sampling): ``p(x | y) ∝ p(y | x) ≈ p_design(x | y) / p_design(x)``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from retrolux.models import readings
from retrolux.models.conditional import TAIL
from retrolux.models.posterior import Array, Posterior

DRAWS = 500  # of an answer, at least: weights leave fewer of them
MOST = 300  # readings that tell the density
LEAST = 0.02  # of an input: no kernel is narrower
FLOOR = 0.05
"""Share of an even design that is mixed into the density: no draw then weighs more than twenty even ones (defensive
importance sampling: Hesterberg 1995, *Technometrics* 37, 185)."""
FEW = 50
"""Effective draws (Kish 1965) below which an answer under the even prior is said to be rough."""

MOSTLY = 0.5
"""Share of an input's range that readings should cover, and of what they cover over which an answer is open."""


@dataclass(frozen=True, eq=False)
class Density:
    """How densely inputs were chosen: normal kernels about readings, mirrored at 0 and 1 (Silverman 1986, sec. 2.10).

    Attributes
    ----------
    readings : ndarray, shape (n_readings, n_inputs)
    width : ndarray, shape (n_inputs,)
        Standard deviation of the kernels, by Scott's rule.
    """

    readings: Array
    width: Array

    @classmethod
    def of(cls, inputs: Array) -> Self:
        """Return the density of inputs in [0, 1]."""
        rows = inputs[readings.spread(len(inputs), MOST)]
        n, d = rows.shape
        return cls(rows, np.maximum(rows.std(axis=0) * n ** (-1 / (d + 4)), LEAST))

    def at(self, points: Array) -> Array:
        """Return the density at points in [0, 1], which has an integral of 1, shape (n_points,)."""
        product = np.ones((len(points), len(self.readings)))
        for x, seen, width in zip(points.T, self.readings.T, self.width, strict=True):
            kernel = sum(np.exp(-0.5 * ((x[:, None] - image) / width) ** 2) for image in (seen, -seen, 2 - seen))
            product *= kernel / (width * np.sqrt(2 * np.pi))
        return np.asarray((1 - FLOOR) * product.mean(axis=1) + FLOOR)

    def weights(self, draws: Array) -> Array:
        """Return how much each draw counts under an even prior, shape (n_draws,); they add up to 1.

        Draws outside [0, 1] do not, unless nearly all are.
        """
        inside = ((draws >= 0) & (draws <= 1)).all(axis=1)
        counts = inside if inside.mean() > 0.1 else np.ones_like(inside)
        weights = counts / self.at(np.clip(draws, 0, 1))
        return np.asarray(weights / weights.sum())

    def redrawn(self, rows: Array, draws: Array, n: int, seed: int) -> Array:
        """Return n of the rows, each as often as its inputs count under an even prior."""
        chosen = np.random.default_rng(seed).choice(len(rows), n, p=self.weights(draws))
        return np.asarray(rows[chosen])


def effective(weights: Array) -> float:
    """Return as many even draws as tell as much as these."""
    return float(1 / (weights**2).sum())


def rough(weights: Array) -> list[str]:
    """Return, in words, that too few draws count under the even prior; nothing where enough do."""
    n = effective(weights)
    if n >= FEW:
        return []
    return [
        f"Under the even prior only {n:.0f} of {len(weights)} draws count: measure more where inputs were seldom set."
    ]


def narrow(names: Sequence[str], seen: Array, answer: Posterior) -> list[str]:
    """Return, in words, which inputs the readings cover too little of to tell what an even prior would.

    Where a target leaves an input open over most of what was tried, draws end there, and so does the answer.

    Parameters
    ----------
    seen : ndarray, shape (n_rows, n_inputs)
        Inputs of the readings.
    answer : Posterior
        One row.
    """
    low, high = np.quantile(seen, (TAIL, 1 - TAIL), axis=0)
    open_over = (answer.high[0] - answer.low[0]) > MOSTLY * (high - low)
    few = (high - low < MOSTLY) & open_over
    told = ", ".join(name for name, is_narrow in zip(names, few, strict=True) if is_narrow)
    return (
        [f"The readings leave most of the range of {told} untried: the even prior ends where they do."] if told else []
    )


def weighed(draws: Array, weights: Array) -> Posterior:
    """Return moments and quantiles of weighed draws of one target, shapes (n_draws, n_inputs) and (n_draws,)."""
    mean = weights @ draws
    away = draws - mean
    covariance = (away * weights[:, None]).T @ away
    low, high = (np.array([_quantile(column, weights, q) for column in draws.T]) for q in (TAIL, 1 - TAIL))
    return Posterior(mean[None], np.sqrt(np.diag(covariance))[None], low[None], high[None], covariance[None])


def _quantile(column: Array, weights: Array, q: float) -> float:
    order = np.argsort(column)
    middle = np.cumsum(weights[order]) - weights[order] / 2
    return float(np.interp(q, middle, column[order]))
