"""From outputs back to inputs, when what makes them is known: a posterior with branches: off, pulsed, full on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, product

import numpy as np
from scipy import stats
from scipy.optimize import lsq_linear

from retrolux.models.model import Array
from retrolux.models.response import FEATURES, Response, features
from retrolux.models.scatter import Scatter

OFF, PULSED, FULL = 0, 1, 2
NEAR = 5.0  # standard deviations from an end within which it may be the truth
MOST_BRANCHES = 243
ROUNDS = 4
VAGUE = 0.29  # standard deviation of an input that nothing tells: of a uniform distribution


@dataclass(frozen=True, eq=False)
class Prior:
    """How often inputs are off, between, and fully on.

    Attributes
    ----------
    shares : ndarray, shape (n_inputs, 3)
        Off, between 0 and 1 (evenly), fully on; each row's sum is 1.
    """

    shares: Array

    @classmethod
    def of_design(cls, inputs: Array) -> "Prior":
        """Return the prior that a design states: its shares of 0 and 1, each as if seen once more in ten readings."""
        n = len(inputs)
        off, full = (inputs <= 0).sum(axis=0) + 0.1, (inputs >= 1).sum(axis=0) + 0.1
        between = n - (inputs <= 0).sum(axis=0) - (inputs >= 1).sum(axis=0) + 1.0
        counts = np.column_stack([off, between, full])
        return cls(counts / counts.sum(axis=1, keepdims=True))

    @classmethod
    def uniform(cls, n_inputs: int) -> "Prior":
        """Return the prior by which the ends are as likely as any other point."""
        return cls(np.tile([1e-6, 1.0, 1e-6], (n_inputs, 1)))


@dataclass(frozen=True, eq=False)
class Branch:
    """One kind of answer: which inputs are off, between, fully on.

    Attributes
    ----------
    mean : ndarray, shape (n_inputs,)
    covariance : ndarray, shape (n_inputs, n_inputs)
        0 where an input is off or fully on.
    weight : float
        Logarithm, up to a constant.
    """

    mean: Array
    covariance: Array
    weight: float


@dataclass(frozen=True, eq=False)
class Question:
    """Outputs that were seen, or are wanted, of a light in ambient light that is known so far.

    Attributes
    ----------
    response : Response
        Of these outputs.
    scatter : Scatter
        Of these outputs.
    outputs : ndarray, shape (n_outputs,)
        NaN where unknown.
    ambient : ndarray, shape (n_outputs,)
    uncertainty : ndarray, shape (n_outputs, n_outputs)
        Covariance of the ambient light.
    fixed : ndarray, shape (n_inputs,)
        Inputs that are known; NaN where not.
    """

    response: Response
    scatter: Scatter
    outputs: Array
    ambient: Array
    uncertainty: Array
    fixed: Array

    def branches(self, prior: Prior) -> list[Branch]:
        """Return the branches that may be the truth, the likeliest first."""
        first = self._branch(self._kinds(np.full(len(self.fixed), PULSED)), prior)
        found = [first, *(self._branch(np.array(kinds), prior) for kinds in self._others(first))]
        return sorted(found, key=lambda branch: -branch.weight)

    def _others(self, first: Branch) -> Iterator[tuple[int, ...]]:
        """Yield the further kinds of answer: those whose ends lie near."""
        spread = NEAR * np.sqrt(np.diag(first.covariance)) + 0.02
        known = self._kinds(np.full(len(self.fixed), PULSED)).astype(int)
        choices: list[list[int]] = [
            [PULSED, *([OFF] if x < s else []), *([FULL] if x > 1 - s else [])] if np.isnan(fixed) else [kind]
            for x, s, fixed, kind in zip(first.mean, spread, self.fixed, known.tolist(), strict=True)
        ]
        return islice(product(*choices), 1, MOST_BRANCHES)

    def _kinds(self, wanted: Array) -> Array:
        known = np.where(self.fixed <= 0, OFF, np.where(self.fixed >= 1, FULL, PULSED))
        return np.where(np.isnan(self.fixed), wanted, known)

    def _branch(self, kinds: Array, prior: Prior) -> Branch:
        """Fit the inputs that are neither fixed nor at an end, by Gauss and Newton within bounds."""
        there = ~np.isnan(self.outputs)
        held = np.where(np.isnan(self.fixed), np.array([0.0, 0.5, 1.0])[kinds.astype(int)], self.fixed)
        free = np.isnan(self.fixed) & (kinds == PULSED)
        x = held
        for _ in range(ROUNDS):
            whitened, left = self._whitened(x, kinds, there)
            x, misfit, jacobian = _step(x, free, whitened, left)
        precision = jacobian.T @ jacobian + np.eye(int(free.sum())) / VAGUE**2
        covariance = np.zeros((len(x), len(x)))
        covariance[np.ix_(free, free)] = np.linalg.inv(precision)
        weight = self._weight(x, kinds, free, misfit, covariance, prior) - self._size(x, kinds, there)
        return Branch(x, covariance, weight)

    def _whitened(self, x: Array, kinds: Array, there: Array) -> tuple[Array, Array]:
        """Return slopes and what is left unexplained, in units of their scatter."""
        root = np.linalg.cholesky(self._total(x, kinds)[np.ix_(there, there)])
        left = self.outputs - self.ambient - self.response.coefficients @ _features(x, kinds)
        slopes = self.response.slopes(x[None])[0]
        return np.linalg.solve(root, slopes[there]), np.linalg.solve(root, left[there])

    def _total(self, x: Array, kinds: Array) -> Array:
        inside = np.where(kinds == PULSED, np.clip(x, 1e-9, 1 - 1e-9), x)
        return np.asarray(self.uncertainty + self.scatter.covariance(inside[None], self.response.gains)[0])

    def _size(self, x: Array, kinds: Array, there: Array) -> float:
        return float(0.5 * np.linalg.slogdet(self._total(x, kinds)[np.ix_(there, there)])[1])

    def _weight(  # noqa: PLR0913, PLR0917 - what a branch is weighed by
        self, x: Array, kinds: Array, free: Array, misfit: float, covariance: Array, prior: Prior
    ) -> float:
        """Return the logarithm of prior times likelihood, integrated over what is free."""
        spread = np.sqrt(np.diag(covariance)[free])
        inside = stats.norm.cdf((1 - x[free]) / spread) - stats.norm.cdf(-x[free] / spread)
        volume = np.linalg.slogdet(2 * np.pi * covariance[np.ix_(free, free)])[1] / 2 + np.log(inside).sum()
        shares = prior.shares[np.arange(len(x)), kinds.astype(int)]
        return float(volume - misfit / 2 + np.log(shares).sum())


def _step(x: Array, free: Array, slopes: Array, left: Array) -> tuple[Array, float, Array]:
    jacobian = slopes[:, free]
    if not free.any():
        return x, float(left @ left), jacobian
    held = np.eye(jacobian.shape[1]) / VAGUE
    wanted = np.concatenate([left + jacobian @ x[free], held @ np.full(jacobian.shape[1], 0.5)])
    found = lsq_linear(np.vstack([jacobian, held]), wanted, bounds=(0, 1), method="bvls")
    stepped: Array = x.copy()
    stepped[free] = found.x
    return stepped, 2 * float(found.cost), jacobian


def _features(x: Array, kinds: Array) -> Array:
    """Return the features of inputs whose kinds are given: an input of 0 may be the limit of ever shorter pulses."""
    out = features(x[None])[0].reshape(FEATURES, -1)
    out[1], out[2] = kinds != OFF, kinds == FULL
    return np.asarray(out.ravel())


def draws(branches: Sequence[Branch], n: int, rng: np.random.Generator) -> Array:
    """Return n draws of the inputs, shape (n, n_inputs), within [0, 1]."""
    weights = np.array([branch.weight for branch in branches])
    shares = np.exp(weights - weights.max())
    which = rng.choice(len(branches), n, p=shares / shares.sum())
    out = np.empty((n, len(branches[0].mean)))
    for i in np.unique(which):
        rows = which == i
        out[rows] = _inside(branches[i], int(rows.sum()), rng)
    return out


def _inside(branch: Branch, n: int, rng: np.random.Generator, tries: int = 20) -> Array:
    """Return draws of one branch within bounds; what is outside after many tries is set to the bound."""
    values, vectors = np.linalg.eigh(branch.covariance)
    root = vectors * np.sqrt(np.clip(values, 0, None))
    out = branch.mean + rng.standard_normal((n, len(values))) @ root.T
    for _ in range(tries):
        outside = ((out < 0) | (out > 1)).any(axis=1)
        if not outside.any():
            break
        out[outside] = branch.mean + rng.standard_normal((int(outside.sum()), len(values))) @ root.T
    return np.asarray(np.clip(out, 0, 1))
