"""``bayes``: the posterior of a linear state-space model, near exact for an instrument like this one."""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Self

import numpy as np
from scipy import stats

from retrolux.models import answering, honesty, priors, readings
from retrolux.models.ambient import Ambient
from retrolux.models.conditional import TAIL, Conditional, Fit, Resampled, summarise
from retrolux.models.dataset import Dataset
from retrolux.models.derivatives import Sensitivity
from retrolux.models.errors import NoDerivative
from retrolux.models.inverse import Branch, Prior, Question, draws
from retrolux.models.kalman import Walk
from retrolux.models.method import Method, Names
from retrolux.models.model import Array, Posterior, Progress
from retrolux.models.regression import root
from retrolux.models.setting import Setting
from retrolux.models.solution import Solution
from retrolux.models.solutions import Solutions
from retrolux.models.state_space import StateSpace, waits
from retrolux.models.targets import check_array, check_names

QUANTILE = float(stats.norm.ppf(1 - TAIL))


class BayesModel(Method):
    """Outputs are the light's response, ambient light that wanders, and noise; inputs are asked of their posterior.

    Of a reading alone the ambient light is unknown, within what it was in the readings; outputs that see little of the
    light then tell of it. Where it is known, as from the readings just before, :meth:`recover_in` takes it.

    Parameters
    ----------
    targets : sequence of str, optional
        See :class:`Method`.
    prior : {"design", "uniform"}
        How likely inputs of exactly 0 and 1 are beforehand: as often as in the readings, or no more than others.
        Between them all inputs are alike.
    """

    method: ClassVar[str] = "bayes"
    straight: ClassVar[bool] = True
    fit_class: ClassVar[type[Fit]] = StateSpace

    def __init__(self, *, targets: Sequence[str] | None = None, prior: str = priors.DESIGN) -> None:
        super().__init__(targets=targets, prior=prior)
        self._lacking: Array = np.zeros(1)  # counts of ambient light that readings usually have more

    @property
    def reweighs(self) -> bool:
        """Return False: its prior of the ends is its own, and in its posterior already."""
        return False

    @property
    def state(self) -> StateSpace:
        """Response, scatter and the ambient light's walk, as learnt. Raises NotFitted."""
        return self._state()

    def _state(self, progress: Progress | None = None) -> StateSpace:
        fit = self._kept((), self.output_names, lambda: StateSpace.learn(self.data, progress))
        assert isinstance(fit, StateSpace)  # noqa: S101 - for the type checker
        return fit

    def _conditional(self, given: Names, wanted: Names, progress: Progress | None = None) -> Conditional:
        state = self._state(progress)
        named = tuple(name for name in self.output_names if name in given)
        if not named and (not given or set(wanted) <= set(self.input_names)):  # inputs tell nothing of one another
            return Resampled(readings.complete(self.data, wanted, 1))
        if set(wanted) <= set(self.input_names):
            inputs = tuple(name for name in self.input_names if name in given)
            known = [given.index(name) for name in inputs]
            return Inputs(state, named, given, self.input_names, wanted, tuple(known), self._prior())
        return Outputs(state, named, given, self.input_names, wanted)

    def _learn_light(self, data: Dataset, state: StateSpace, report: Progress) -> None:  # noqa: ARG002
        """Do nothing but say so: the light alone is part of this model."""
        report(1.0)

    def invert(
        self, target: Mapping[str, float], *, samples: int = 500, seed: int = 0, ambient: Ambient | None = None
    ) -> Solution:
        """Return inputs that give the target; see :meth:`Model.invert`."""
        if ambient is None:
            return super().invert(target, samples=samples, seed=seed)
        there = ambient.of(self.output_names)
        solution = self._under(there).invert(target, samples=samples, seed=seed)
        return replace(solution, ambient=dict(zip(there.names, there.mean.tolist(), strict=True)))

    def invert_many(
        self,
        names: Sequence[str],
        targets: Array,
        *,
        samples: int = 500,
        seed: int = 0,
        ambient: Ambient | None = None,
    ) -> Solutions:
        """Return inputs for many targets; see :meth:`Model.invert_many`."""
        asked = self if ambient is None else self._under(ambient.of(self.output_names))
        return super(BayesModel, asked).invert_many(names, targets, samples=samples, seed=seed)

    def sensitivity(self, solution: Solution, *, ambient: Ambient | None = None) -> Sensitivity:
        """Return how an answer moves with its target; see :meth:`Model.sensitivity`."""
        asked = self if ambient is None else self._under(ambient.of(self.output_names))
        return answering.sensitivity(asked, solution, np.zeros(len(self.output_names)))

    def _under(self, ambient: Ambient) -> Self:
        """Return this model for ambient light that is known."""
        self.judge  # noqa: B018 - which both share, for it judges by response, scatter and readings
        other, state = copy(self), self.state
        walk = Walk(ambient.mean, ambient.covariance, state.walk.rate)
        other._fits, other.in_ambient = {((), self.output_names): replace(state, walk=walk)}, True
        other._derived = {}
        other._lacking = state.walk.mean - ambient.mean
        return other

    def _calibrate(self, names: Names) -> None:
        self._honesty(names)
        if self.data.times is not None:
            self._in_ambient()._honesty(names)

    def _in_ambient(self) -> Self:
        other = copy(self)
        other.in_ambient = True
        return other

    def _excess(self, left: Dataset, names: Names) -> Array:
        """Return how far readings lie outside their intervals; each under the ambient light that those before tell."""
        if not self.in_ambient:
            return super()._excess(left, names)
        scores = np.full((len(left), len(self.input_names) + 1), np.nan)
        if left.times is None:
            return scores
        order = np.argsort(left.times, kind="stable")
        rows, columns = left.take(order), left.columns(names)
        told = np.flatnonzero(~np.isinf(waits(rows)) & ~rows.saturated[:, columns].any(axis=1))
        if not len(told):  # each is a sitting of its own: none has readings before it
            return scores
        ambient = self.state.follow(rows).before(self.state.names, told)
        found = self._recover_in(names, rows.outputs[told][:, columns], ambient, honesty.ENOUGH, self.seed)
        scores[order[told]] = found.stretches(rows.inputs[told])
        return scores

    def _described(self, setting: Setting | None) -> tuple[StateSpace, Ambient]:  # noqa: ARG002 - it is all its own
        return self.state, self.state.ever()

    def _comparable(self, names: Names, values: Array) -> Array:
        """Return a target under known ambient light as it would be in that of the readings."""
        return np.asarray(values + np.broadcast_to(self._lacking, len(self.output_names))[self.data.columns(names)])

    def _scattered(self, columns: list[int]) -> Array:
        """Return the covariance of readings at half of each input, under the model's ambient light."""
        state = self.state
        half = np.full((1, len(self.input_names)), 0.5)
        total = state.walk.covariance + state.scatter.covariance(half, state.response.gains)[0]
        return np.asarray(total[np.ix_(columns, columns)])

    @property
    def light(self) -> Self:
        """The model itself, which asks with the ambient light of the moment. Raises NotFitted."""
        self.data  # noqa: B018 - raises where nothing was fitted
        return self

    @property
    def world(self) -> StateSpace:
        """See :attr:`state`."""
        return self.state

    @property
    def parameters(self) -> int:
        """Those of the response, and the ambient light's mean."""
        return int(self.state.response.coefficients.size + len(self.output_names))

    def _prior(self) -> Prior:
        if self.prior == priors.UNIFORM:
            return Prior.uniform(len(self.input_names))
        return Prior.of_design(self.data.inputs)

    def recover_in(
        self, names: Sequence[str], targets: Array, ambient: Sequence[Ambient], *, samples: int = 500, seed: int = 0
    ) -> Posterior:
        """Return the inputs for targets, each under ambient light that is known so far; see :meth:`Model.recover`."""
        check_names(names, self.data.output_names)
        rows = check_array(targets, len(names), "targets")
        factor = self._in_ambient()._honesty(self._ordered(names))
        return self._recover_in(tuple(names), rows, ambient, samples, seed).scaled(factor)

    def _recover_in(self, names: Names, rows: Array, ambient: Sequence[Ambient], samples: int, seed: int) -> Posterior:
        asked = Inputs(self._state(), names, names, self.input_names, self.input_names, (), self._prior())
        return asked.under(rows, ambient, samples=samples, seed=seed)


@dataclass(frozen=True, eq=False)
class Inputs(Conditional):
    """Distribution of inputs given outputs, and perhaps other inputs.

    Attributes
    ----------
    state : StateSpace
    named : tuple of str
        The outputs that are given.
    given : tuple of str
        All that is given, in the order of its columns.
    inputs, wanted : tuple of str
        The model's inputs, and those that are asked for.
    known : tuple of int
        Where the given inputs stand in ``given``.
    prior : Prior
    """

    state: StateSpace
    named: Names
    given: Names
    inputs: Names
    wanted: Names
    known: tuple[int, ...]
    prior: Prior

    def mean(self, given: Array) -> Array:
        """Return the posterior mean for each row."""
        return self.posterior(given, samples=500, seed=0).mean

    def posterior(self, given: Array, *, samples: int, seed: int) -> Posterior:
        """Return the posterior for each row, the ambient light being as it ever was."""
        ambient = self.state.ever().of(self.named)
        return self._summary(given, [ambient] * len(given), samples, seed)

    def under(self, given: Array, ambient: Sequence[Ambient], *, samples: int, seed: int) -> Posterior:
        """Return the posterior for each row under the ambient light of each."""
        return self._summary(given, [one.of(self.named) for one in ambient], samples, seed)

    def draw(self, given: Array, *, seed: int) -> Array:
        """Return one draw for each row."""
        rng, ambient = np.random.default_rng(seed), self.state.ever().of(self.named)
        rows, which = np.unique(given, axis=0, return_inverse=True)
        out = np.empty((len(given), len(self.wanted)))
        for i, row in enumerate(rows):
            mine = which.reshape(-1) == i
            out[mine] = draws(self._branches(row, ambient), int(mine.sum()), rng)[:, self._asked]
        return out

    @property
    def _asked(self) -> list[int]:
        return [self.inputs.index(name) for name in self.wanted]

    @cached_property
    def _part(self) -> StateSpace:
        return self.state.of(self.named)

    def _branches(self, row: Array, ambient: Ambient) -> list[Branch]:
        return self._question(row, ambient).branches(self.prior)

    def _question(self, row: Array, ambient: Ambient) -> Question:
        fixed = np.full(len(self.inputs), np.nan)
        for i in self.known:
            fixed[self.inputs.index(self.given[i])] = row[i]
        outputs = np.array([row[self.given.index(name)] for name in self.named])
        light = self._part.response, self._part.scatter
        return Question(*light, outputs, ambient.mean, ambient.covariance, fixed)

    def derivative(self, given: Array) -> Array:
        """Return the derivative of the likeliest branch's mean, shape (n_wanted, n_given)."""
        if self.known:
            raise NoDerivative("Inputs are among what is given.", "Give outputs alone.")
        ambient = self.state.ever().of(self.named)
        question = self._question(given, ambient)
        slopes = question.derivative(question.branches(self.prior)[0])
        return np.asarray(slopes[self._asked][:, [self.named.index(name) for name in self.given]])

    def _summary(self, given: Array, ambient: Sequence[Ambient], samples: int, seed: int) -> Posterior:
        rows = zip(given, ambient, strict=True)
        found = Posterior.joined([_summarised(self._branches(row, there), samples, seed) for row, there in rows])
        covariance = found.together[:, self._asked][:, :, self._asked]
        mean, std, low, high = (part[:, self._asked] for part in found.parts)
        return Posterior(mean, std, low, high, covariance)


def _summarised(branches: list[Branch], samples: int, seed: int) -> Posterior:
    """Return moments and quantiles, one row: in closed form where one normal distribution is far from the bounds."""
    first = branches[0].inputs
    if len(branches) == 1 and not len(first.cut):
        mean, std = first.mean[None], first.std[None]
        half = QUANTILE * std
        return Posterior(mean, std, mean - half, mean + half, first.covariance[None])
    return summarise(draws(branches, samples, np.random.default_rng(seed))[None])


@dataclass(frozen=True, eq=False)
class Outputs(Conditional):
    """Distribution of outputs given all inputs, and perhaps other outputs.

    Attributes
    ----------
    state, named, given, inputs, wanted
        See :class:`Inputs`.
    """

    state: StateSpace
    named: Names
    given: Names
    inputs: Names
    wanted: Names

    def mean(self, given: Array) -> Array:
        """Return the expected outputs for each row."""
        return self._normal(given)[0]

    def posterior(self, given: Array, *, samples: int, seed: int) -> Posterior:  # noqa: ARG002 - needs no draws
        """Return the normal distribution's interval in closed form."""
        mean, covariance = self._normal(given)
        std = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
        half = QUANTILE * std
        return Posterior(mean, std, mean - half, mean + half)

    def draw(self, given: Array, *, seed: int) -> Array:
        """Return one draw for each row."""
        mean, covariance = self._normal(given)
        noise = np.random.default_rng(seed).standard_normal(mean.shape)
        return np.asarray(mean + np.array([root(c) @ z for c, z in zip(covariance, noise, strict=True)]))

    def derivative(self, given: Array) -> Array:
        """Return the derivative of the expected outputs between the steps, shape (n_wanted, n_given)."""
        if self.named:
            raise NoDerivative("Outputs are among what is given.", "Give the inputs alone.")
        x = given[[self.given.index(name) for name in self.inputs]]
        slopes = self.state.of(self.wanted).response.slopes(x[None])[0]
        return np.asarray(slopes[:, [self.inputs.index(name) for name in self.given]])

    def _normal(self, given: Array) -> tuple[Array, Array]:
        names = self.named + self.wanted
        part, ambient = self.state.of(names), self.state.ever().of(names)
        x = given[:, [self.given.index(name) for name in self.inputs]]
        middle = part.response.predict(x) + ambient.mean
        total = ambient.covariance + part.scatter.covariance(x, part.response.gains)
        n = len(self.named)
        if not n:
            return middle, total
        weights = np.linalg.solve(total[:, :n, :n], total[:, :n, n:]).transpose(0, 2, 1)
        left = given[:, [self.given.index(name) for name in self.named]] - middle[:, :n]
        mean = middle[:, n:] + (weights @ left[:, :, None])[:, :, 0]
        return mean, total[:, n:, n:] - weights @ total[:, :n, n:]
