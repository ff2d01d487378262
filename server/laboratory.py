"""The application: one instrument, its log and its models, behind the words that both fronts use."""

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from retrolux.device.automatic import Automatic
from retrolux.device.errors import InstrumentClosed
from retrolux.device.factory import open_instrument
from retrolux.device.instrument import Instrument
from retrolux.device.log import MeasurementLog
from retrolux.device.measurement import REFERENCE, Exposure, Measurement
from retrolux.device.recording import Recorder
from retrolux.device.settings import InstrumentSettings
from retrolux.device.tuning import Report, Tuning
from retrolux.device.tuning import tune as run_tuning
from retrolux.models import registry
from retrolux.models.ambient import Ambient
from retrolux.models.dataset import Dataset
from retrolux.models.model import Model, Progress
from retrolux.models.posterior import Array
from retrolux.models.solution import Solution
from retrolux.models.solutions import Solutions
from retrolux.server.calibrations import Calibrations
from retrolux.server.config import Config
from retrolux.server.errors import BadArgument, MixedDevices
from retrolux.server.journal import Journal
from retrolux.server.latest import Latest
from retrolux.server.readings import load_dataset, mean_counts
from retrolux.server.store import ModelStore
from retrolux.server.surroundings import Surroundings
from retrolux.server.tables import Columns, load_table, refuse_table

_logger = logging.getLogger(__name__)

FitReport = Callable[[str, float], None]
"""Called with the method and the fraction done, 0 … 1, while it is fitted."""

Options = Mapping[str, Mapping[str, Any]]
"""What methods are created with, by their names."""


class Laboratory:
    """Instrument, log and models of one configuration.

    The instrument is opened when it is first needed, so that questions to models touch no hardware.

    Parameters
    ----------
    config : Config
        Names the device and the folder of log, models and journal.
    log_path : Path, optional
        A log other than the configuration's.
    models : Path, optional
        A folder of models other than the configuration's.
    """

    def __init__(self, config: Config, log_path: Path | None = None, models: Path | None = None) -> None:
        self.config = config
        self.log_path = log_path or config.log_path
        self.store = ModelStore(models or config.state / "models")
        self.journal = Journal(config.state / "journal.jsonl")
        self.calibrations = Calibrations(config.state / "calibration.json")
        self._surroundings, self._latest = Surroundings(), Latest()
        self._recorder: Recorder | None = None
        self._opening = threading.Lock()
        self._closed = False
        self.began = time.monotonic()

    @property
    def recorder(self) -> Recorder:
        """The instrument with its log; opened at the first use. Raises DeviceError."""
        with self._opening:
            if self._closed:
                raise InstrumentClosed("The instrument was closed: the program is ending.", "Start it again.")
            if self._recorder is None:
                self._recorder = self._open()
            return self._recorder

    def _open(self) -> Recorder:
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        log = MeasurementLog(self.log_path)
        if log.repair is not None:
            _logger.warning("%s: %s", self.log_path, log.repair)
        try:
            return Recorder(open_instrument(self.config.device, self.settings), log)
        except BaseException:
            log.close()
            raise

    @property
    def instrument(self) -> Instrument:
        """The instrument itself; opened at the first use."""
        return self.recorder.instrument

    def close(self) -> None:
        """Make the light dark and let go of instrument and log; they are not opened again."""
        with self._opening:
            self._closed = True
            if self._recorder is not None:
                self._recorder.close()
                self._recorder = None

    def __enter__(self) -> "Laboratory":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def measure(
        self,
        inputs: Sequence[float],
        channels: Sequence[str] | None = None,
        exposure: Exposure | Automatic | None = None,
        dark: str | None = None,
        **extra: Any,  # noqa: ANN401 - JSON values
    ) -> Measurement:
        """Measure and log; the reading is on disk when this returns. See :meth:`Recorder.measure`."""
        return self.recorder.measure(inputs, channels, exposure, dark, **extra)

    @property
    def gain_ratios(self) -> dict[float, float] | None:
        """The configuration's gain ratios, else those that ``retrolux tune`` found on this instrument."""
        return self.config.calibration.gain_ratios or self.calibrations.gain_ratios(self.config.device)

    @property
    def settings(self) -> InstrumentSettings:
        """The configuration's settings; where it says nothing of the exposure, with the window that tuning found."""
        settings, tuned = self.config.instrument_settings, self.calibrations.exposure(self.config.device)
        return replace(settings, exposure=tuned) if tuned and settings.exposure == REFERENCE else settings

    def tune(self, report: Report | None = None) -> Tuning:
        """Find clock ratio and gain steps of the instrument and store them; readings are made so from its next opening.

        Raises
        ------
        TuningFailed, DeviceError
        """
        found = run_tuning(self.instrument, self._pulses, report=report)
        self.calibrations.store(self.config.device, found.to_json())
        return found

    @property
    def _pulses(self) -> float:
        """Frequency of the light's pulses in Hz, as its backend makes it; a remote one does not say."""
        light: Mapping[str, float] = self.instrument.status().get("light", {})
        return light.get("frequency", self.config.light.frequency)

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
        try:
            return self.dataset(self.log_path)
        except MixedDevices:
            return self.dataset(self.log_path, self.config.device)

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
        chosen, state = methods or registry.available(), self._surroundings.state(data)
        made = {m: registry.create(m, **(options or {}).get(m, {})) for m in chosen}
        return [made[m].fit(data, seed=seed, progress=_progress(m, report), state=state) for m in chosen]

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
        """Return the instrument's time where it is open: a simulated one's has its own."""
        return time.time() if self._recorder is None else self._recorder.instrument.time()

    def strangers(self, method: str) -> list[str]:
        """Return, in words, that the method's saved model describes another instrument than this one, if it does."""
        learnt, here = self.store.device(method), self.config.device
        if learnt in {"unknown", here} or learnt.startswith(f"{here} ("):
            return []
        return [f"This model was fitted to readings of {learnt}, and {here} is another instrument: fit its own."]

    def play_back(
        self, solution: Solution, playbacks: int, report: Callable[[int], None] = lambda _done: None
    ) -> dict[str, Any]:
        """Measure a solution's inputs some times and compare with its target.

        Parameters
        ----------
        report : callable
            Called with the number of playbacks done, after each.

        Returns
        -------
        dict
            ``measured``: mean counts of each channel; ``error_percent``: 100 (measured − target) / target for each
            channel of the target (None where the target is 0); both at the reference exposure.
        """
        if set(solution.inputs) != set(self.instrument.inputs):
            raise BadArgument(
                f"{self.config.device} has the inputs {', '.join(self.instrument.inputs)}.",
                f"Play back answers of models of these inputs, not {', '.join(solution.inputs)}.",
            )
        inputs = [solution.inputs[name] for name in self.instrument.inputs]
        readings = []
        for done in range(1, playbacks + 1):
            readings.append(self.measure(inputs, origin="playback"))
            report(done)
        measured = mean_counts(readings, self.gain_ratios)
        return {"measured": measured, "error_percent": error_percent(solution.target, measured)}


def error_percent(target: Mapping[str, float], measured: Mapping[str, float]) -> dict[str, float | None]:
    """Return 100 (measured − target) / target of each channel that was measured; None of a target that is next to 0."""
    shares = {c: (measured[c] - t) / t if t else math.inf for c, t in target.items() if c in measured}
    return {c: 100 * share if math.isfinite(100 * share) else None for c, share in shares.items()}


def _progress(method: str, report: FitReport | None) -> Progress | None:
    return None if report is None else lambda fraction: report(method, fraction)
