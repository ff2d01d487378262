"""From a design's prior to an even one: what is answered if all inputs were as likely beforehand.

Whoever chose the readings' inputs chose a prior: a method that learns inputs from outputs, or both together, answers as
if targets came of inputs that were chosen so again. Draws of such an answer are weighed by one over the design's
density (importance sampling): ``p(x | y) ∝ p(y | x) ≈ p_design(x | y) / p_design(x)``.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy import special

from retrolux.models import readings
from retrolux.models.conditional import TAIL
from retrolux.models.posterior import Array, Posterior

DESIGN, UNIFORM = "design", "uniform"
PRIORS = (DESIGN, UNIFORM)
DRAWS = 500  # of an answer, at least: weights leave fewer of them
MOST = 300  # readings that tell the density
LEAST = 0.02  # of an input: no kernel is narrower


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

    def log(self, points: Array) -> Array:
        """Return the logarithm of the density at points in [0, 1], up to a constant, shape (n_points,)."""
        logs = np.zeros((len(points), len(self.readings)))
        for x, seen, width in zip(points.T, self.readings.T, self.width, strict=True):
            images = np.stack([seen, -seen, 2 - seen])
            logs += special.logsumexp(-0.5 * ((x[:, None, None] - images) / width) ** 2, axis=1)
        return np.asarray(special.logsumexp(logs, axis=1))

    def weights(self, draws: Array) -> Array:
        """Return how much each draw counts under an even prior, shape (n_draws,); they add up to 1."""
        return np.asarray(special.softmax(-self.log(np.clip(draws, 0, 1))))

    def redrawn(self, draws: Array, seed: int) -> Array:
        """Return as many of the draws, each as often as it counts under an even prior."""
        chosen = np.random.default_rng(seed).choice(len(draws), len(draws), p=self.weights(draws))
        return np.asarray(draws[chosen])


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
