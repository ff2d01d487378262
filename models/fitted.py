"""What a method keeps: the readings it learnt from, a fit for each pattern of columns, and what follows from these."""

import threading
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

import numpy as np

from retrolux.models import packing, priors, readings, storage, verdict
from retrolux.models.conditional import Conditional, Fit
from retrolux.models.dataset import Dataset, latest_time
from retrolux.models.drift import Drift
from retrolux.models.errors import BadData, BadTarget, ModelUnreadable, NotFitted
from retrolux.models.model import Array, Model, Progress
from retrolux.models.progress import part, silent
from retrolux.models.scale import Scale
from retrolux.models.state_space import StateSpace
from retrolux.models.targets import check_names

if TYPE_CHECKING:
    from retrolux.models.judge import Judge
    from retrolux.models.reweighting import Density

Names = tuple[str, ...]
Kept = TypeVar("Kept")
_DRAWS = 100  # that tell how widely readings are spread about a prediction


class Fitted(Model):
    """A method as far as it is fitted, brought up to date, saved and loaded; :class:`Method` adds how it answers.

    Parameters
    ----------
    targets, prior
        As of :class:`~retrolux.models.method.Method`.
    """

    fit_class: ClassVar[type[Fit]]
    spare: ClassVar[int] = 2
    """Readings needed beyond the number of given columns."""
    libraries: ClassVar[Names] = ()
    """Packages, beside those that all methods use, whose versions a saved model records."""

    def __init__(self, *, targets: Sequence[str] | None = None, prior: str = priors.DESIGN) -> None:
        if prior not in priors.PRIORS:
            raise BadTarget(f"There is no prior {prior!r}.", f"Choose {' or '.join(priors.PRIORS)}.")
        self.prior = prior
        self._density: Density | None = None
        self.targets = None if targets is None else tuple(targets)
        self._data: Dataset | None = None
        self._fits: dict[tuple[Names, Names], Fit] = {}
        self._factors: dict[tuple[bool, Names], Array] = {}
        self._witnesses: dict[int, Self] = {}
        self._derived: dict[tuple[object, ...], Any] = {}
        self._light: Fitted | None = None
        self._world: StateSpace | None = None
        self._judge: Judge | None = None
        self._drift = Drift.none(0)
        self.until: float | None = None
        self._lock = threading.RLock()

    @abstractmethod
    def _conditional(self, given: Names, wanted: Names, progress: Progress | None = None) -> Conditional:
        """Return the distribution of wanted columns given others, both in the model's order."""

    def _another(self) -> Self:
        """Return one with the same options that has learnt nothing."""
        return type(self)(**self._options())

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
        self._light = self._another().fit(net, seed=self.seed, progress=report)

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
        """Find out by how much answers to these outputs have to be stretched."""

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
        rows = np.flatnonzero(~self.data.saturated[:, columns].any(axis=1))
        size = verdict.SMALL * np.ptp(self.data.outputs[:, columns], axis=0)
        return verdict.covariance(left.take(rows, axis=0)[:, columns], len(self.input_names) + 1, size)

    @property
    def _span(self) -> tuple[Array, Array]:
        """Least and greatest inputs of the readings, in their own units."""
        return self._once(("span",), self._spanned)

    def _spanned(self) -> tuple[Array, Array]:
        columns = np.ascontiguousarray(self.data.inputs.T)
        return self.scale.own(columns.min(axis=1)), self.scale.own(columns.max(axis=1))

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
    def light(self) -> Self:
        """The same method, of the light alone. Raises NotFitted."""
        if not isinstance(self._light, type(self)):
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
