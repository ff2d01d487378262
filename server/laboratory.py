"""The application: one instrument, its log and its models, behind the words that both fronts use."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from retrolux.models import registry
from retrolux.models.ambient import Ambient
from retrolux.models.dataset import Dataset
from retrolux.models.model import Model, Progress
from retrolux.models.posterior import Array
from retrolux.models.solution import Solution
from retrolux.models.solutions import Solutions
from retrolux.models.state_space import StateSpace
from retrolux.server.config import Config
from retrolux.server.latest import Latest
from retrolux.server.playback import play_back
from retrolux.server.readings import load_dataset, load_own
from retrolux.server.station import Station
from retrolux.server.store import ModelStore
from retrolux.server.surroundings import Surroundings
from retrolux.server.tables import Columns, load_table, refuse_table

FitReport = Callable[[str, float], None]
"""Called with the method and the fraction done, 0 … 1, while it is fitted."""

Options = Mapping[str, Mapping[str, Any]]
"""What methods are created with, by their names."""


class Laboratory(Station):
    """Instrument, log and models of one configuration: a station whose readings are learnt from.

    Parameters
    ----------
    config : Config
        Names the device and the folder of log, models and journal.
    log_path : Path, optional
        A log other than the configuration's.
    models : Path, optional
        A folder of models other than the configuration's.
    clock : callable, optional
        Tells the instrument's time, seconds since the epoch, where another process has the instrument.
    """

    def __init__(
        self,
        config: Config,
        log_path: Path | None = None,
        models: Path | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        super().__init__(config, log_path, models)
        self.store = ModelStore(self.models_path)
        self._clock = clock
        self._surroundings, self._latest = Surroundings(), Latest()

    def dataset(self, path: Path, only: str | None = None, columns: Columns | None = None) -> tuple[Dataset, str]:
        """Return the columns of a log and the instrument that made it; see :func:`load_dataset`.

        With columns it is a table, of which no instrument is known; see :func:`load_table`.
        """
        if columns is not None:
            return load_table(path, columns), "unknown"
        refuse_table(path)
        return load_dataset(path, only=only, gain_ratios=self.gain_ratios)

    def own_dataset(self) -> tuple[Dataset, str]:
        """Return the columns of this laboratory's log: of its own instrument, where it holds those of several."""
        refuse_table(self.log_path)
        return load_own(self.log_path, self.config.device, gain_ratios=self.gain_ratios)

    def fit(
        self,
        data: Dataset,
        methods: Sequence[str] | None = None,
        *,
        seed: int = 0,
        report: FitReport | None = None,
        options: Options | None = None,
    ) -> list[Model]:
        """Fit methods to readings.

        Parameters
        ----------
        methods : sequence of str, optional
            All by default; a method whose library is not installed is then left out.
        options : mapping of str to mapping, optional
            Of a method by its name, such as ``{"forest": {"settings": {"preset": "paper"}}}``.

        Raises
        ------
        BadData, UnknownMethod
        MissingLibrary
            When a method was named whose library is not installed.
        """
        chosen, state = methods or registry.available(), self.state(data)
        made = {m: registry.create(m, **(options or {}).get(m, {})) for m in chosen}
        return [made[m].fit(data, seed=seed, progress=_progress(m, report), state=state) for m in chosen]

    def state(self, data: Dataset) -> StateSpace | None:
        """Return light and ambient light that readings tell of; None where they do not tell them apart."""
        return self._surroundings.state(data)

    def model(
        self, method: str, data: Dataset | None = None, *, seed: int = 0, report: FitReport | None = None
    ) -> Model:
        """Return a fitted model: the saved one, or one of the readings that are given.

        A saved model of the very same readings serves for these too, so that nothing is fitted twice, unless it was
        fitted with another prior, or a forest of another kind, than a new one would be.
        """
        if data is None:
            return self.store.get(method)
        if method in self.store.methods():
            saved = self.store.get(method)
            if saved.data_hash == data.hash and saved.usual:
                return saved
        (fitted,) = self.fit(data, [method], seed=seed, report=report)
        return fitted

    def invert(  # noqa: PLR0913 - what a question has
        self,
        model: Model,
        target: Mapping[str, float],
        *,
        net: bool = False,
        log: Path | None = None,
        samples: int = 500,
        seed: int = 0,
    ) -> Solution:
        """Return the inputs that give a target under the ambient light of now, as far as the log tells it.

        Parameters
        ----------
        net : bool
            Whether the target is of the light alone.
        log : Path, optional
            Whose latest readings tell the ambient light; the laboratory's own by default.

        Raises
        ------
        BadTarget, UnknownColumn
        NotFitted
            When a net target is asked of a model whose readings did not tell the light from the ambient light.
        """
        return model.invert(target, samples=samples, seed=seed, ambient=self._ambient_of(model, net=net, log=log))

    def invert_many(  # noqa: PLR0913 - what a question has
        self,
        model: Model,
        names: Sequence[str],
        targets: Array,
        *,
        net: bool = False,
        log: Path | None = None,
        samples: int = 500,
        seed: int = 0,
    ) -> Solutions:
        """Return the inputs that give many targets, shape (n_targets, len(names)), all in the light of now.

        See :meth:`invert`, and :meth:`Model.invert_many` for what is not told of many.
        """
        ambient = self._ambient_of(model, net=net, log=log)
        return model.invert_many(names, targets, samples=samples, seed=seed, ambient=ambient)

    def sensitivity(
        self, model: Model, solution: Solution, *, net: bool = False, log: Path | None = None
    ) -> dict[str, Any]:
        """Return how an answer of :meth:`invert`, asked in the same way, moves with its target; ``sensitivity``.

        Raises
        ------
        NoDerivative
            When the method's answers go in steps.
        """
        found = model.sensitivity(solution, ambient=self._ambient_of(model, net=net, log=log))
        return {"sensitivity": found.to_json()}

    def _ambient_of(self, model: Model, *, net: bool, log: Path | None) -> Ambient | None:
        if not model.scale.counts:  # a table knows of no ambient light
            return None
        return Ambient.none(model.world.names) if net else self._ambient(model, log or self.log_path)

    def ambient(self, model: Model) -> Ambient | None:
        """Return the ambient light of now as the laboratory's own log tells it; None where it does not."""
        return self._ambient(model, self.log_path)

    def _ambient(self, model: Model, log: Path) -> Ambient | None:
        return self._latest.ambient(model, log, self._now(), self.gain_ratios)

    def _now(self) -> float:
        return self.now() if self._clock is None else self._clock()

    def strangers(self, method: str) -> list[str]:
        """Return, in words, that the method's saved model describes another instrument than this one, if it does."""
        learnt, here = self.store.device(method), self.config.device
        if learnt in {"unknown", here} or learnt.startswith(f"{here} ("):
            return []
        return [f"This model was fitted to readings of {learnt}, and {here} is another instrument: fit its own."]

    def play_back(
        self, solution: Solution, playbacks: int, report: Callable[[int], None] = lambda _done: None
    ) -> dict[str, Any]:
        """Measure a solution's inputs some times and compare with its target; see :func:`play_back`."""
        return play_back(self, solution.inputs, solution.target, playbacks, report)


def _progress(method: str, report: FitReport | None) -> Progress | None:
    return None if report is None else lambda fraction: report(method, fraction)
