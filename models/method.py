"""What the four methods have in common: questions are checked, answered by a fit for their columns, and judged."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Self

import numpy as np

from retrolux.models import (
    answering,
    branches,
    derivatives,
    honesty,
    many,
    priors,
    reweighting,
    sampling,
)
from retrolux.models.ambient import Ambient
from retrolux.models.conditional import Conditional, bounded
from retrolux.models.dataset import Dataset
from retrolux.models.derivatives import Sensitivity
from retrolux.models.fitted import Fitted
from retrolux.models.judge import Judge
from retrolux.models.model import Array, Posterior
from retrolux.models.novelty import Ranked
from retrolux.models.setting import Setting
from retrolux.models.settling import Wish
from retrolux.models.solution import Solution
from retrolux.models.solutions import Solutions
from retrolux.models.state_space import StateSpace
from retrolux.models.targets import check_array, check_target, check_targets

Names = tuple[str, ...]


class Method(Fitted):
    """A method that answers by a distribution of some columns given others, one fit for each pattern of columns.

    Parameters
    ----------
    targets : sequence of str, optional
        Outputs for which ``fit`` prepares the inverse; others are prepared when first asked. By default those of the
        paper, or else the outputs that are least often saturated.
    prior : {"design", "uniform"}
        How likely inputs are beforehand: as the readings' design chose them, which methods learn with everything else,
        or all alike (see :mod:`retrolux.models.reweighting`). To ``linear`` they always are.
    """

    calibrates: ClassVar[bool] = True
    """Whether the spread of its answers is stretched to hold readings left out, where there are many of them."""
    in_ambient = False
    """Whether it is asked about readings whose ambient light is known; only ``bayes`` tells the two apart."""
    straight: ClassVar[bool] = False
    """Whether outputs are a straight line of the inputs, or nearly one."""
    nearest_in_counts: ClassVar[bool] = False
    """Whether its own answer to counts out of reach is the nearest already."""

    def _calibrate(self, names: Names) -> None:
        self._honesty(names)

    def predict(self, inputs: Array) -> Array:
        """Return expected outputs for inputs; see :meth:`Model.predict`. Raises BadTarget."""
        rows = check_array(inputs, len(self.data.input_names), "inputs")
        groups = self._groups()
        if len(groups) == 1:
            return np.asarray(self._conditional(self.input_names, self.output_names).mean(rows))
        predicted = np.empty((len(rows), len(self.output_names)))
        for group in groups:
            predicted[:, self.data.columns(group)] = self._conditional(self.input_names, group).mean(rows)
        return predicted

    def derivative(self, inputs: Array) -> Array:
        """Return d(outputs)/d(inputs) at one point; see :meth:`Model.derivative`. Raises BadTarget, NoDerivative."""
        (point,) = check_array(np.asarray(inputs, dtype=np.float64)[None], len(self.data.input_names), "inputs")
        out = np.empty((len(self.output_names), len(point)))
        for group in self._groups():
            out[self.data.columns(group)] = self._conditional(self.input_names, group).derivative(point)
        return out

    def sensitivity(self, solution: Solution, *, ambient: Ambient | None = None) -> Sensitivity:
        """Return how an answer moves with its target; see :meth:`Model.sensitivity`. Raises NoDerivative, NotFitted."""
        if ambient is None:
            return answering.sensitivity(self, solution, np.zeros(len(self.output_names)))
        return answering.sensitivity(self.light, solution, ambient.of(self.light.output_names).mean)

    moves_of: ClassVar[str] = derivatives.ANSWER
    """What :meth:`sensitivity` tells the derivative of, where there is one answer."""

    prior_moves: ClassVar[bool] = True
    """Whether the design's prior is in :meth:`_moves`."""

    def _moves(self, names: Names, values: Array, inputs: Array) -> Array:
        """Return d(inputs)/d(target) of the answer, shape (n_inputs, n_targets)."""
        conditional = self._conditional(names, self.input_names)
        return derivatives.held_at_the_ends(conditional.derivative(values), inputs)

    def noise(self, names: Sequence[str]) -> Array:
        """Return the standard deviation of readings about the predictions; see :meth:`Model.noise`."""
        return np.sqrt(np.diag(self._residual_covariance(self.data.columns(names))))

    def recover(self, names: Sequence[str], targets: Array, *, samples: int = 500, seed: int = 0) -> Posterior:
        """Return the inputs for many targets; see :meth:`Model.recover`. Raises BadTarget, UnknownColumn, BadData."""
        ordered = self._ordered(names)
        rows = check_array(targets, len(names), "targets")[:, [list(names).index(name) for name in ordered]]
        return self._unmixed(ordered, rows, samples, seed).scaled(self._honesty(ordered))

    def _unmixed(self, names: Names, rows: Array, samples: int, seed: int) -> Posterior:
        found = self._recover(names, rows, samples, seed)
        return answering.unmixed(self, names, rows, found, samples) if self._bends(names) else found

    def _honesty(self, names: Names) -> Array:
        """Return by how much answers to these outputs have to be stretched to hold nine of ten, see :mod:`honesty`."""
        with self._lock:
            if (self.in_ambient, names) not in self._factors:
                self._factors[self.in_ambient, names] = honesty.measured(self, names)
            return self._factors[self.in_ambient, names]

    def _witness(self, rest: Dataset) -> Self:
        """Return a model like this one of these readings only, which fits what it is asked for and keeps it."""
        witness = self._another()
        witness.input_names, witness.output_names, witness.seed = self.input_names, self.output_names, self.seed
        witness._data = rest
        return witness

    def _excess(self, left: Dataset, names: Names) -> Array:
        """Return how far readings lie outside their intervals, and ellipsoids; NaN where saturated in these outputs."""
        columns = left.columns(names)
        whole = ~left.saturated[:, columns].any(axis=1)
        scores = np.full((len(left), len(self.input_names) + 1), np.nan)
        if not whole.any():
            return scores
        rows = left.outputs[np.ix_(np.flatnonzero(whole), np.array(columns))]
        found = self._recover(names, rows, honesty.ENOUGH, self.seed)  # with all its branches
        scores[whole] = found.stretches(left.inputs[whole])
        return scores

    def _recover(self, names: Names, rows: Array, samples: int, seed: int) -> Posterior:
        conditional = self._conditional(names, self.input_names)
        if not self.reweighs:
            return bounded(conditional.posterior(rows, samples=samples, seed=seed))
        return bounded(Posterior.joined([self._weighed(conditional, row, samples, seed) for row in rows]))

    @property
    def reweighs(self) -> bool:
        """Whether the design's prior is taken out of the answers."""
        return self.prior == priors.UNIFORM

    def _weighed(self, conditional: Conditional, row: Array, samples: int, seed: int) -> Posterior:
        draws = self._drawn(conditional, row, samples, seed)
        return reweighting.weighed(draws, self.even.weights(draws))

    @staticmethod
    def _drawn(conditional: Conditional, row: Array, samples: int, seed: int) -> Array:
        """Return draws that are to be weighed, shape (n_draws, n_inputs)."""
        return conditional.draw(np.tile(row, (max(samples, reweighting.DRAWS), 1)), seed=seed)

    @property
    def even(self) -> reweighting.Density:
        """How densely the design chose inputs, by which draws are weighed for an even prior."""
        if self._density is None:
            self._density = reweighting.Density.of(self.data.inputs)
        return self._density

    def recover_in(
        self, names: Sequence[str], targets: Array, ambient: Sequence[Ambient], *, samples: int = 500, seed: int = 0
    ) -> Posterior:
        """Return the inputs for targets, each under ambient light that is known; see :meth:`Model.recover_in`."""
        there = [one.of(names) for one in ambient]
        net = check_array(targets, len(names), "targets") - np.array([one.mean for one in there])
        found = self.light.recover(names, net, samples=samples, seed=seed)
        return found.widened(np.array([self._shifts(one) for one in there]))

    def _shifts(self, ambient: Ambient) -> Array:
        """Return by how much ambient light of this uncertainty moves the inputs, covariance, (n_inputs, n_inputs)."""
        names = tuple(ambient.names)
        back = self._once(("back", names), lambda: np.linalg.pinv(self.world.of(names).response.gains))
        return np.asarray(back @ ambient.covariance @ back.T)

    def invert(
        self, target: Mapping[str, float], *, samples: int = 500, seed: int = 0, ambient: Ambient | None = None
    ) -> Solution:
        """Return inputs that give the target; see :meth:`Model.invert`. Raises BadTarget, UnknownColumn, BadData."""
        if ambient is None:
            names, values = check_target(target, self.data.output_names)
            return self._invert(names, values, samples, seed, None)
        names, values = check_target(target, self.light.output_names)
        there = ambient.of(self.light.output_names)
        setting = Setting(there, self._shifts, self.world)
        found = self.light._invert(names, values - there.of(names).mean, samples, seed, setting)
        return _asked(found, dict(zip(names, values.tolist(), strict=True)))

    def invert_many(
        self,
        names: Sequence[str],
        targets: Array,
        *,
        samples: int = 500,
        seed: int = 0,
        ambient: Ambient | None = None,
    ) -> Solutions:
        """Return inputs for many targets; see :meth:`Model.invert_many`. Raises BadTarget, UnknownColumn, BadData."""
        asked = self if ambient is None else self.light
        ordered = asked._ordered(names)
        rows = check_targets(names, targets)[:, [list(names).index(name) for name in ordered]]
        if ambient is None:
            return self._invert_many(ordered, rows, samples, seed, None)
        there = ambient.of(asked.output_names)
        setting = Setting(there, self._shifts, self.world)
        found = asked._invert_many(ordered, rows - there.of(ordered).mean, samples, seed, setting)
        return replace(found, targets=rows)

    def _invert_many(self, names: Names, rows: Array, samples: int, seed: int, setting: Setting | None) -> Solutions:
        return many.answered(self, names, rows, self._recover(names, rows, samples, seed), setting)

    def _invert(self, names: Names, values: Array, samples: int, seed: int, setting: Setting | None) -> Solution:
        posterior = self._recover(names, values[None], samples, seed)
        found = answering.answered(Wish(self, names, values), posterior, samples, seed, setting)
        if not self.reweighs:
            return found
        rough = reweighting.rough(
            self.even.weights(self._drawn(self._conditional(names, self.input_names), values, samples, seed))
        )
        narrow = reweighting.narrow(self.input_names, self.data.inputs, posterior)
        return replace(found, warnings=(*found.warnings, *rough, *narrow))

    def _bends(self, names: Names) -> bool:  # noqa: ARG002 - whatever is asked
        """Return whether outputs may be the same at inputs that lie apart, so that a question may have two answers."""
        return False

    def _possible(self, names: Names, values: Array, samples: int, seed: int) -> Array:
        """Return draws of the inputs that may give the target, within [0, 1], shape (n_draws, n_inputs)."""
        drawn = self._conditional(names, self.input_names).draw(np.tile(values, (samples, 1)), seed=seed)
        return branches.within(self.even.redrawn(drawn, drawn, len(drawn), seed) if self.reweighs else drawn)

    @property
    def judge(self) -> Judge:
        """What says whether targets can be met and are like the readings."""
        if self._judge is None:
            self._judge = Judge()
        return self._judge

    def _described(self, setting: Setting | None) -> tuple[StateSpace, Ambient] | None:
        """Return light and ambient light of the moment, or of all times, where the readings told them apart."""
        if setting is not None:
            return setting.world, setting.ambient
        return None if self._world is None else (self._world, self._world.ever())

    def _outlook(self, names: Names) -> Callable[[Array], Array]:
        """Return the forward prediction of these outputs alone, smooth and fast enough to be searched along."""
        groups = [group for group in self._groups() if set(group) & set(names)]
        parts = [(group, self._conditional(self.input_names, group)) for group in groups]
        order = [[n for group, _ in parts for n in group].index(name) for name in names]
        return lambda rows: np.hstack([part.mean(rows) for _, part in parts])[:, order]

    def _comparable(self, names: Names, values: Array) -> Array:  # noqa: ARG002 - for those that ask in other light
        """Return a target's values as they would be in the light of the readings."""
        return values

    def _likelihood(self, names: Names, rows: Array) -> Ranked | None:  # noqa: ARG002 - for those that have their own
        """Return the method's own score of how unlike its readings a target is; None for the usual one."""
        return None

    def sample(self, n: int, given: Mapping[str, float] | None = None, *, seed: int = 0) -> tuple[Names, Array]:
        """Draw joint samples, or of the rest where columns are given; see :meth:`Model.sample`."""
        return sampling.sample(self, n, given or {}, seed)


def _asked(solution: Solution, target: Mapping[str, float]) -> Solution:
    """Return the answer with the target as it was asked, to the last digit."""
    return replace(solution, target=target, solutions=tuple(_asked(other, target) for other in solution.solutions))
