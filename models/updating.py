"""Methods that take in a reading at a time: what they learn of readings is their moments."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from retrolux.models import readings, storage
from retrolux.models.conditional import Fit
from retrolux.models.dataset import Dataset, latest_time
from retrolux.models.following import Following
from retrolux.models.ledger import MOST, Ledger, Scattered, Told
from retrolux.models.method import Method, Names
from retrolux.models.model import Array, Progress
from retrolux.models.moments import Moments
from retrolux.models.priors import DESIGN
from retrolux.models.state_space import StateSpace, latest

GROWTH = 1.1
"""Times the readings have to grow until what is not updated is found anew."""


class Updating(Method):
    """A method whose fits follow from moments, which a further reading changes in a time that does not grow.

    At each reading: moments, and with them coefficients, covariance, leverage and number of readings of every fit,
    which is made again when it is next asked. When readings have grown by a tenth: how far intervals are stretched, the
    design's density, and what says whether targets can be met and are like the readings. By a fit alone: which
    outputs are part of the model, the number of a mixture's components, the response and ambient light. The light
    alone learns from each reading less the ambient light as it is known then; a fit knows it better, afterwards.

    Up to 5,000 readings are kept beside the moments, later ones by chance (Vitter's algorithm R, 1985).
    """

    updates: ClassVar[bool] = True
    n_folds: ClassVar[int] = 1
    """In how many parts the moments are kept."""

    def __init__(self, *, targets: Sequence[str] | None = None, prior: str = DESIGN) -> None:
        super().__init__(targets=targets, prior=prior)
        self._told: Told | None = None
        self._former: dict[tuple[Names, Names], Fit] = {}
        self._pending: list[Dataset] = []
        self._judged_at = 0
        self._following: Following | None = None

    @abstractmethod
    def _again(self, given: Names, wanted: Names) -> Fit:
        """Return the fit of a pattern by what is known now."""

    def _begin(self, data: Dataset, kept: Dataset) -> None:
        self._former, self._pending, self._following = {}, [], None
        self._judged_at = len(data)
        self._told = self._tell(data.select(kept.output_names))

    def _tell(self, data: Dataset) -> Told:
        cells, _ = readings.patterns(data.saturated)
        ledger = Ledger(data.input_names, data.output_names, self.n_folds)
        if len(cells) > MOST:
            return Scattered(self.data, self.n_folds)
        ledger.add(data)
        return ledger

    @property
    def _readings_told(self) -> Told:
        if self._told is None:  # of a witness, or a model that an earlier version saved
            self._told = self._tell(self.data)
        return self._told

    @property
    def data(self) -> Dataset:
        """See :attr:`Method.data`."""
        if self._pending:
            with self._lock:
                self._data, self._pending = self._with_pending(super().data), []
        return super().data

    def _with_pending(self, kept: Dataset) -> Dataset:
        """Return the readings that are kept, in the order of a fit; so many earlier ones make room by chance."""
        new = Dataset.stacked(self._pending)
        room = max(readings.MOST - len(new), 0)
        if len(kept) > room:
            stay = np.zeros(len(kept), dtype=bool)
            stay[np.random.default_rng(self.n_rows).permutation(len(kept))[:room]] = True
            kept = kept.take(stay)
        return readings.merged(kept, new)

    def update(self, data: Dataset) -> Self:
        """Learn from further readings; see :meth:`Model.update`. Raises BadData, UnknownColumn, NotFitted."""
        new = readings.alike(data, super().data, self.output_names)  # not yet with those that wait
        with self._lock:
            told = self._readings_told
            self.n_rows, self.data_hash = self.n_rows + len(new), readings.chained(self.data_hash, new)
            self._pending.append(new.take(self._chosen(len(new))))
            if len(self._pending) > readings.MOST // 10:
                self.data  # noqa: B018 - puts them among the others, so that they do not become many
            self._told = self._added(told, new)
            self._former |= self._fits
            self._fits, self._derived = {}, {}
            if self.n_rows >= GROWTH * self._judged_at:
                self._forget_calibrations()
        self.until = latest_time(data, self.until)
        if self._light is not None and self._following is not None:
            self._light.update(self._following.net(new))
        return self

    def _added(self, told: Told, new: Dataset) -> Told:
        if not isinstance(told, Ledger):
            return Scattered(self.data, self.n_folds)
        told.add(new)
        return Scattered(self.data, self.n_folds) if told.scattered else told

    def _chosen(self, n: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Return which of the latest n readings are kept: each as likely as it is that an earlier one still is."""
        number = np.arange(self.n_rows - n + 1, self.n_rows + 1)
        chance = np.random.default_rng([self.seed, self.n_rows]).random(n)
        return np.asarray(chance < readings.MOST / number)

    def _forget_calibrations(self) -> None:
        self._judged_at, self._factors, self._witnesses = self.n_rows, {}, {}
        self._judge = self._density = None

    def _learn_light(self, data: Dataset, state: StateSpace, report: Progress) -> None:
        recent = latest(data, readings.MOST)  # all would take minutes, and tell little more
        super()._learn_light(recent, state, report)
        self._following = Following.of(self.world, data)

    def _kept_fit(self, given: Names, wanted: Names) -> Fit:
        return self._kept(given, wanted, lambda: self._again(given, wanted))

    def _moments(self, names: Names, minimum: int) -> list[Moments]:
        """Return the moments of columns, fold by fold. Raises BadData where too few readings are unsaturated in all."""
        parts = self._readings_told.folds(names)
        readings.refuse_few(sum(part.n for part in parts), names, minimum)
        return parts

    @property
    def _seen(self) -> Array:
        """A few rows of the mean and scatter of all inputs."""
        return Moments.joined(self._readings_told.folds(self.input_names)).stand_in()

    def _groups(self) -> list[Names]:
        return self._once(("groups",), lambda: readings.grouped(self.output_names, *self._readings_told.patterns()))

    def _whole(self) -> None:
        """Make the fits again that readings have made old, so that they are saved."""
        for pattern in [pattern for pattern in self._former if pattern not in self._fits]:
            self._kept_fit(*pattern)
        if self._light is not None:
            self._light._whole()

    def _more(self) -> tuple[dict[str, Any], dict[str, bytes]]:
        told = self._readings_told
        manifest = {"judged_at": self._judged_at}
        return manifest, {"moments.npz": storage.pack(told.to_arrays())} if isinstance(told, Ledger) else {}

    def _take_more(self, manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
        self._judged_at = manifest.get("judged_at", self.n_rows)
        if "moments.npz" in files:
            empty = Ledger(self.input_names, self.output_names, self.n_folds)
            self._told = empty.take(storage.unpack(files["moments.npz"]))
        if self._world is not None:
            self._following = Following.of(self._world)
