"""What the four methods have in common: questions are checked, answered by a fit for their columns, and judged."""

import threading
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import numpy as np

from retrolux.models import (
    answering,
    branches,
    derivatives,
    honesty,
    many,
    packing,
    priors,
    readings,
    reweighting,
    sampling,
    storage,
    verdict,
)
from retrolux.models.ambient import Ambient
from retrolux.models.conditional import Conditional, Fit, bounded
from retrolux.models.dataset import Dataset, latest_time
from retrolux.models.derivatives import Sensitivity
from retrolux.models.drift import Drift
from retrolux.models.errors import BadData, BadTarget, ModelUnreadable, NotFitted
from retrolux.models.judge import Judge
from retrolux.models.model import Array, Model, Posterior, Progress
from retrolux.models.novelty import Ranked
from retrolux.models.progress import part, silent
from retrolux.models.scale import Scale
from retrolux.models.setting import Setting
from retrolux.models.settling import Wish
from retrolux.models.solution import Solution
from retrolux.models.solutions import Solutions
from retrolux.models.state_space import StateSpace
from retrolux.models.targets import check_array, check_names, check_target, check_targets

Names = tuple[str, ...]
Kept = TypeVar("Kept")
_DRAWS = 100  # that tell how widely readings are spread about a prediction


class Method(Model):
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

    fit_class: ClassVar[type[Fit]]
    spare: ClassVar[int] = 2
    """Readings needed beyond the number of given columns."""
    calibrates: ClassVar[bool] = True
    """Whether the spread of its answers is stretched to hold readings left out, where there are many of them."""
    in_ambient = False
    """Whether it is asked about readings whose ambient light is known; only ``bayes`` tells the two apart."""
    straight: ClassVar[bool] = False
    """Whether outputs are a straight line of the inputs, or nearly one."""
    nearest_in_counts: ClassVar[bool] = False
    """Whether its own answer to counts out of reach is the nearest already."""
    libraries: ClassVar[Names] = ()
    """Packages, beside those that all methods use, whose versions a saved model records."""

    def __init__(self, *, targets: Sequence[str] | None = None, prior: str = priors.DESIGN) -> None:
        if prior not in priors.PRIORS:
            raise BadTarget(f"There is no prior {prior!r}.", f"Choose {' or '.join(priors.PRIORS)}.")
        self.prior = prior
        self._density: reweighting.Density | None = None
        self.targets = None if targets is None else tuple(targets)
        self._data: Dataset | None = None
        self._fits: dict[tuple[Names, Names], Fit] = {}
        self._factors: dict[tuple[bool, Names], Array] = {}
        self._witnesses: dict[int, Method] = {}
        self._derived: dict[tuple[object, ...], Any] = {}
        self._light: Method | None = None
        self._world: StateSpace | None = None
        self._judge: Judge | None = None
        self._drift = Drift.none(0)
        self.until: float | None = None
        self._lock = threading.RLock()

    @abstractmethod
    def _conditional(self, given: Names, wanted: Names, progress: Progress | None = None) -> Conditional:
        """Return the distribution of wanted columns given others, both in the model's order."""

    def _options(self) -> dict[str, Any]:
        return {"targets": self.targets, "prior": self.prior}

    @property
    def usual(self) -> bool:
        """See :attr:`Model.usual`."""
        return self._options() | {"targets": None} == type(self)()._options()

    def fit(
        self, data: Dataset, *, seed: int = 0, progress: Progress | None = None, state: StateSpace | None = None
    ) -> Self:
        """Learn from readings; see :meth:`Model.fit`. Saturated cells are left out. Raises BadData, UnknownColumn."""
        report = progress or silent
        share = 1.0 if state is None else 0.5
        self._fit_readings(data, seed, lambda fraction: report(share * fraction))
        if state is not None:
            try:
                self._learn_light(data, state, lambda fraction: report(0.5 + 0.5 * fraction))
            except BaseException:
                self._data = None  # half a fit is none
                raise
        return self

    def _learn_light(self, data: Dataset, state: StateSpace, report: Progress) -> None:
        """Learn the same of the readings less their ambient light."""
        names = [name for name in self.output_names if name in state.names]
        own = state.of(names)
        net = replace(own.net(data.select(names)), times=None)
        self._world, self._judge = own, None
        self._light = type(self)(**self._options()).fit(net, seed=self.seed, progress=report)

    def _fit_readings(self, data: Dataset, seed: int, progress: Progress) -> None:
        chosen = readings.usable(readings.thinned(data), len(data.input_names) + self.spare)
        self.input_names, self.output_names = chosen.input_names, chosen.output_names
        self.data_hash, self.n_rows, self.seed = data.hash, len(data), seed
        self.created = datetime.now(UTC)
        self._data, self._fits, self._factors, self._witnesses = chosen, {}, {}, {}
        self._light = self._world = self._judge = self._density = None
        self._derived = {}
        self._drift, self.until = Drift.none(len(self.output_names)), latest_time(data)
        self._begin(data, chosen)
        try:
            self._learn(progress)
        except BaseException:
            self._data = None  # half a fit is none
            raise

    def _begin(self, data: Dataset, kept: Dataset) -> None:
        """Take in what is told by all readings, of which some are kept."""

    def update(self, data: Dataset) -> Self:
        """Watch whether further readings are as this model says; see :meth:`Model.update`. Raises BadData."""
        new = readings.alike(data, self.data, self.output_names)
        self._drift.see(self._standard(new))
        self.until = latest_time(data, self.until)
        return self

    def _standard(self, new: Dataset) -> Array:
        """Return how far readings lie off their predictions, in the predictions' own standard deviations."""
        off = np.full(new.outputs.shape, np.nan)
        for group in self._groups():
            columns = new.columns(group)
            told = self._conditional(self.input_names, group).posterior(new.inputs, samples=_DRAWS, seed=self.seed)
            off[:, columns] = (new.outputs[:, columns] - told.mean) / np.maximum(told.std, 1e-300)
        return np.where(new.saturated, np.nan, off)

    @property
    def stale(self) -> str | None:
        """See :attr:`Model.stale`."""
        drifted = [self.output_names[i] for i in sorted(self._drift.alarms)]
        if not drifted:
            return None
        return f"Of the latest {self._drift.n} readings {', '.join(drifted)} drifted from what {self.method} learnt."

    def _groups(self) -> list[Names]:
        """Return the outputs in groups that are saturated in the same readings."""
        return self._once(("groups",), lambda: readings.groups(self.data))

    def prepare(self, names: Sequence[str], *, progress: Progress | None = None) -> None:
        """Fit what targets of these outputs need, so that the first question is answered as fast as the next.

        Raises
        ------
        UnknownColumn
        BadData
            When too few readings are unsaturated in all of them.
        """
        ordered = self._ordered(names)
        self._prepare(ordered, progress)
        self._calibrate(ordered)

    def _prepare(self, names: Names, progress: Progress | None = None) -> None:
        self._conditional(names, self.input_names, progress)

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
        witness = type(self)(**self._options())
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

    def copy(self) -> Self:
        """Return one that answers the same; see :meth:`Model.copy`. Raises NotFitted."""
        return packing.restored(type(self), *self.packed())

    def save(self, folder: Path) -> None:
        """Write the model with its readings and every fit made so far; see :meth:`Model.save`. Raises NotFitted."""
        storage.write(folder, *self.packed())

    def packed(self) -> tuple[dict[str, Any], dict[str, bytes]]:
        """Return what :meth:`save` writes, see :meth:`Model.packed`. Raises NotFitted."""
        self._whole()
        return packing.packed(self)

    def _whole(self) -> None:
        """Make what is to be saved, where it is not made yet."""

    def _more(self) -> tuple[dict[str, Any], dict[str, bytes]]:
        """Return what a method has to save beside readings and fits, for the manifest and as files."""
        return {}, {}

    def _take_more(self, manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
        """Take what :meth:`_more` saved. Raises ModelUnreadable, KeyError, ValueError."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a saved model; nothing is fitted again. Raises ModelUnreadable."""
        manifest, files = storage.read(folder)
        try:
            return packing.restored(cls, manifest, files)
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, ModelUnreadable):
                raise
            raise ModelUnreadable(f"The model in {folder} is incomplete: {error!r}.", "Fit it again.") from error

    @property
    def data(self) -> Dataset:
        """The readings that the model learnt from, without outputs it could not use. Raises NotFitted."""
        if self._data is None:
            raise NotFitted(f"The {self.method} model has not been fitted.", "Fit it to readings first.")
        return self._data

    @property
    def parameters(self) -> int | None:
        """How many numbers describe the way forward; None where they are not counted. Of a line intercepts, slopes."""
        return len(self.output_names) * (len(self.input_names) + 1)

    @property
    def scale(self) -> Scale:
        """See :attr:`Model.scale`. Raises NotFitted."""
        return self.data.scale

    @property
    def light(self) -> "Method":
        """The same method, of the light alone. Raises NotFitted."""
        if self._light is None:
            raise NotFitted(
                f"The {self.method} model does not know the light alone: its readings did not tell the ambient light.",
                "Fit it to readings with times, and ask it with the ambient light unknown.",
            )
        return self._light

    @property
    def world(self) -> StateSpace:
        """Response, ambient light and scatter that the readings tell of. Raises NotFitted."""
        self.data  # noqa: B018 - raises where nothing was fitted
        if self._world is None:
            raise NotFitted(
                f"The {self.method} model was fitted without the ambient light.", "Fit it to readings with times."
            )
        return self._world

    def _learn(self, report: Progress) -> None:
        groups = self._groups()
        for i, group in enumerate(groups):
            self._conditional(self.input_names, group, part(report, i, len(groups) + 1))
        try:
            names = self._ordered(self.targets or readings.usual_targets(self.data))
            self._prepare(names, part(report, len(groups), len(groups) + 1))
            self._calibrate(names)
        except BadData:  # too few readings are unsaturated in all of them: matters only if it was asked for
            if self.targets:
                raise
        report(1.0)

    def _ordered(self, names: Sequence[str]) -> Names:
        check_names(names, self.data.output_names)
        if not names or len(set(names)) != len(names):
            raise BadTarget(f"The targets' columns are {list(names)}.", "Name each output once, at least one.")
        return tuple(name for name in self.output_names if name in names)

    def _kept(self, given: Names, wanted: Names, make: Callable[[], Fit]) -> Fit:
        with self._lock:
            if (given, wanted) not in self._fits:
                self._fits[given, wanted] = make()
            return self._fits[given, wanted]

    def _once(self, key: tuple[object, ...], make: Callable[[], Kept]) -> Kept:
        """Return what follows from the fit, made when it is first asked for."""
        derived = self._derived  # of the fits as they are: a model that learns meanwhile begins another
        found: Kept | None = derived.get(key)
        if found is None:
            found = derived[key] = make()
        return found

    def _residual_covariance(self, columns: list[int]) -> Array:
        return self._once(("residuals", *columns), lambda: self._scattered(columns))

    def _scattered(self, columns: list[int]) -> Array:
        left = self._once(("left",), lambda: self.data.outputs - self.predict(self.data.inputs))
        rows = ~self.data.saturated[:, columns].any(axis=1)
        size = verdict.SMALL * np.ptp(self.data.outputs[:, columns], axis=0)
        return verdict.covariance(left[rows][:, columns], len(self.input_names) + 1, size)

    @property
    def _span(self) -> tuple[Array, Array]:
        """Least and greatest inputs of the readings, in their own units."""
        return self._once(("span",), lambda: (self.data.own_inputs.min(axis=0), self.data.own_inputs.max(axis=0)))


def _asked(solution: Solution, target: Mapping[str, float]) -> Solution:
    """Return the answer with the target as it was asked, to the last digit."""
    return replace(solution, target=target, solutions=tuple(_asked(other, target) for other in solution.solutions))
