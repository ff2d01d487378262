"""The measuring station: one instrument with its log, its calibration and its journal. Nothing here asks a model."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from retrolux.device.automatic import Automatic
from retrolux.device.disk import make_folder
from retrolux.device.errors import DeviceError, InstrumentClosed
from retrolux.device.factory import open_instrument
from retrolux.device.instrument import Instrument
from retrolux.device.log import MeasurementLog
from retrolux.device.measurement import REFERENCE, Exposure, Measurement
from retrolux.device.recording import Recorder
from retrolux.device.settings import InstrumentSettings
from retrolux.device.timekeeping import Synchronisation
from retrolux.device.tuning import Report, Tuning
from retrolux.device.tuning import tune as run_tuning
from retrolux.server.activity import Activity
from retrolux.server.calibrations import Calibrations
from retrolux.server.config import Config
from retrolux.server.journal import Journal
from retrolux.server.lines import WARNING

_logger = logging.getLogger(__name__)

FAILURE = 500  # status from which an error is the instrument's, and not of who asked


class Station:
    """Instrument and log of one configuration.

    The instrument is opened when it is first needed, so that questions to models touch no hardware.

    Parameters
    ----------
    config : Config
        Names the device and the folder of log, models and journal.
    log_path : Path, optional
        A log other than the configuration's.
    models : Path, optional
        A folder of models other than the configuration's.

    Attributes
    ----------
    activity : Activity
        What is being done with it.
    heard : callable
        Called at each step of a measurement, by the thread that measures.
    measuring : callable
        Returns what each measurement is made within, by which it is timed and counted.
    """

    def __init__(self, config: Config, log_path: Path | None = None, models: Path | None = None) -> None:
        self.config = config
        self.log_path = log_path or config.log_path
        self.models_path = models or config.state / "models"
        self.journal = Journal(config.state / "journal.jsonl")
        self.calibrations = Calibrations(config.state / "calibration.json")
        self._recorder: Recorder | None = None
        self._opening = threading.Lock()
        self._closed = False
        self.began = time.monotonic()
        self.activity = Activity()
        self.heard: Callable[[], None] = lambda: None
        self.measuring: Callable[[], AbstractContextManager[None]] = nullcontext
        self._failing: str | None = None
        self._synchronisation = Synchronisation()

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
        make_folder(self.log_path.parent)
        log = MeasurementLog(self.log_path, self.config.log.rotation)
        if log.repair is not None:
            _logger.warning("%s: %s", self.log_path, log.repair)
        try:
            instrument = open_instrument(self.config.device, self.settings)
            instrument.heartbeat.heard = self._beat
            return Recorder(instrument, log)
        except BaseException:
            log.close()
            raise

    def _beat(self) -> None:
        self.heard()

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

    def __enter__(self) -> Self:
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
        with self.activity.doing("measuring"), self._told(), self.measuring():
            return self.recorder.measure(inputs, channels, exposure, dark, **extra)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Log when measurements begin to fail for another reason, and when they succeed again."""
        try:
            yield
        except DeviceError as error:
            if error.status >= FAILURE and error.type != self._failing:
                self._failing = error.type
                fields = {"event": "fault", "error": error.type, "detail": error.cause}
                _logger.info("no reading: %s", error.cause, extra={"fields": fields, "priority": WARNING})
            raise
        if self._failing is not None:
            _logger.info("recovered", extra={"fields": {"error": self._failing}})
            self._failing = None

    def answers(self, seconds: float) -> bool:
        """Return whether the way that a measurement goes is free, or a measurement is at a step that may take longer.

        The instrument is opened where it is not, and is touched as lightly as it can be.

        Parameters
        ----------
        seconds : float
            That somebody else may have it.

        Raises
        ------
        DeviceError
        """
        recorder = self.recorder
        return recorder.answers(seconds) or recorder.instrument.heartbeat.expected

    def check_log(self) -> None:
        """Raise LogUnwritable where the log is open and no line could be added; the instrument is left alone."""
        if (recorder := self._recorder) is not None:
            recorder.log.check()

    @property
    def opened(self) -> Instrument | None:
        """The instrument where it is open; never waits for whoever opens it."""
        return None if (recorder := self._recorder) is None else recorder.instrument

    @property
    def elsewhere(self) -> bool:
        """Whether the instrument is another machine's, which nobody asks for a sign of life."""
        return self.config.device.startswith(("http://", "https://"))

    def synchronised(self) -> bool | None:
        """Return whether readings are dated by a clock that is set; None where nobody says.

        An open instrument tells of the clock that it goes by, which a simulator has of its own.
        """
        return self._synchronisation.known() if (open_one := self.opened) is None else open_one.synchronised()

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

    def now(self) -> float:
        """Return the instrument's time where it is open, seconds since the epoch: a simulated one's has its own."""
        return time.time() if self._recorder is None else self._recorder.instrument.time()
