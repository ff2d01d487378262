"""From outputs back to inputs, when what makes them is known: a posterior with branches: off, pulsed, full on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from retrolux.models.cut_normal import CutNormal
from retrolux.models.model import Array
from retrolux.models.response import FEATURES, Response, features
from retrolux.models.scatter import Scatter

OFF, PULSED, FULL = 0, 1, 2
NEAR = 5.0  # standard deviations from an end within which it may be the truth
STEP = 0.02  # by which a step at an end may move an input
NEGLIGIBLE = 25.0  # logarithm of how much less likely than the likeliest a branch is that is left out
MOST_BRANCHES = 243
ROUNDS = 6
CLOSE = 2e-5  # of an input: what is no step any more
VAGUE = 10.0  # standard deviation of an input that nothing tells, before it is cut to [0, 1]: flat there

Kinds = NDArray[Any]
"""OFF, PULSED or FULL for each input."""


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

    def log(self, kinds: Kinds) -> float:
        """Return the logarithm of the probability that the inputs are of these kinds."""
        return float(np.log(self.shares[np.arange(len(kinds)), kinds]).sum())


@dataclass(frozen=True, eq=False)
class Branch:
    """One kind of answer: which inputs are off, between, fully on.

    Attributes
    ----------
    inputs : CutNormal
        Without variance where an input is known, off or fully on.
    weight : float
        Logarithm, up to a constant.
    """

    inputs: CutNormal
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
        first = self._branch(self._kinds, prior)
        found = [first, *(self._branch(np.array(kinds), prior) for kinds in self._others(first.inputs))]
        least = max(branch.weight for branch in found) - NEGLIGIBLE
        return sorted((b for b in found if b.weight > least), key=lambda branch: -branch.weight)

    @property
    def _kinds(self) -> Kinds:
        """Return what the inputs are as long as nothing speaks for an end."""
        known = np.where(self.fixed <= 0, OFF, np.where(self.fixed >= 1, FULL, PULSED))
        return np.where(np.isnan(self.fixed), PULSED, known)

    def _others(self, first: CutNormal) -> Iterator[tuple[int, ...]]:
        """Yield the further kinds of answer: those whose ends lie near."""
        near = NEAR * first.std + STEP
        ends = np.column_stack([first.mean < near, np.isnan(self.fixed), first.mean > 1 - near])
        choices = [
            [kind] if known else [PULSED, *(end for end in (OFF, FULL) if may[end])]
            for kind, known, may in zip(self._kinds.tolist(), ~np.isnan(self.fixed), ends, strict=True)
        ]
        return islice(product(*choices), 1, MOST_BRANCHES)

    def _branch(self, kinds: Kinds, prior: Prior) -> Branch:
        """Return one kind of answer, by Laplace's approximation: exact but for bends and a scatter that grows."""
        mean = np.where(np.isnan(self.fixed), np.array([0.0, 0.5, 1.0])[kinds], self.fixed)
        free = np.isnan(self.fixed) & (kinds == PULSED)
        for _ in range(ROUNDS):
            x = np.clip(mean, 0, 1)
            slopes, left, size = self._whitened(x, kinds)
            mean, covariance, misfit = _fitted(x, free, slopes, left)
            if np.abs(np.clip(mean, 0, 1) - x).max() < CLOSE:
                break
        inputs = CutNormal(mean, covariance)
        volume = np.linalg.slogdet(2 * np.pi * covariance[np.ix_(free, free)])[1] / 2 + inputs.log_share()
        return Branch(inputs, float(volume - (misfit + size) / 2 + prior.log(kinds)))

    def _whitened(self, x: Array, kinds: Kinds) -> tuple[Array, Array, float]:
        """Return slopes and what is left unexplained, in units of their scatter, and the scatter's log determinant."""
        there, root = ~np.isnan(self.outputs), self._root(x, kinds)
        left = self.outputs - self.ambient - self.response.coefficients @ _features(x, kinds)
        both = np.column_stack([self.response.slopes(x[None])[0], left])[there]
        whitened = np.linalg.solve(root, both)
        return whitened[:, :-1], whitened[:, -1], 2 * float(np.log(np.diag(root)).sum())

    def _root(self, x: Array, kinds: Kinds) -> Array:
        """Return a root of the covariance of the outputs that are there."""
        there = ~np.isnan(self.outputs)
        inside = np.where(kinds == PULSED, np.clip(x, 1e-9, 1 - 1e-9), x)  # whatever is pulsed has a pulse's scatter
        total = self.uncertainty + self.scatter.quickly(inside[None], self.response.gains)[0]
        return np.asarray(np.linalg.cholesky(total[np.ix_(there, there)]))

    def derivative(self, branch: Branch) -> Array:
        """Return the derivative of a branch's mean in the outputs, shape (n_inputs, n_outputs).

        That of weighted least squares, ``(Jᵀ S⁻¹ J + prior)⁻¹ Jᵀ S⁻¹``; how the scatter itself depends on the inputs is
        left out. Inputs that are known, off or fully on do not move; outputs that are unknown move nothing.
        """
        x, free, there = np.clip(branch.inputs.mean, 0, 1), branch.inputs.std > 0, ~np.isnan(self.outputs)
        kinds = np.where(free, PULSED, np.where(x <= 0, OFF, np.where(x >= 1, FULL, PULSED)))
        slopes, _, _ = self._whitened(x, kinds)
        moves = np.linalg.solve(self._root(x, kinds).T, slopes[:, free]).T
        out = np.zeros((len(x), len(self.outputs)))
        out[np.ix_(free, there)] = branch.inputs.covariance[np.ix_(free, free)] @ moves
        return out


def _fitted(x: Array, free: Kinds, slopes: Array, left: Array) -> tuple[Array, Array, float]:
    """Return mean and covariance of the inputs by a line through x, and the misfit that remains at the mean."""
    jacobian, vague = slopes[:, free], 1 / VAGUE**2
    precision = jacobian.T @ jacobian + vague * np.eye(jacobian.shape[1])
    step = np.linalg.solve(precision, jacobian.T @ left + vague * (0.5 - x[free]))
    mean, covariance = x.copy(), np.zeros((len(x), len(x)))
    mean[free] += step
    covariance[np.ix_(free, free)] = np.linalg.inv(precision)
    return mean, covariance, float(((left - jacobian @ step) ** 2).sum() + vague * ((mean[free] - 0.5) ** 2).sum())


def _features(x: Array, kinds: Array) -> Array:
    """Return the features of inputs whose kinds are given: an input of 0 may be the limit of ever shorter pulses."""
    out = features(x[None])[0].reshape(FEATURES, -1)
    out[1], out[2] = kinds != OFF, kinds == FULL
    return np.asarray(out.ravel())


def draws(branches: Sequence[Branch], n: int, rng: np.random.Generator) -> Array:
    """Return n draws of the inputs, shape (n, n_inputs), within [0, 1]."""
    which = rng.choice(len(branches), n, p=special.softmax([branch.weight for branch in branches]))
    out = np.empty((n, len(branches[0].inputs.mean)))
    for i in np.unique(which):
        rows = which == i
        out[rows] = branches[i].inputs.draw(int(rows.sum()), rng)
    return out
