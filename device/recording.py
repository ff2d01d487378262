"""An instrument and its log as one: a reading is on disk before it is acknowledged."""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace

from retrolux.device.ambient import KEPT, AmbientTracker
from retrolux.device.automatic import Automatic
from retrolux.device.instrument import Instrument
from retrolux.device.log import MeasurementLog, latest_records
from retrolux.device.measurement import Exposure, Measurement

WRITING = 10.0  # seconds that a worn card may take to have a line on it


class Recorder:
    """Measures and logs.

    Parameters
    ----------
    instrument : Instrument
    log : MeasurementLog
        Both are owned by the recorder and closed with it.
    """

    def __init__(self, instrument: Instrument, log: MeasurementLog) -> None:
        self.instrument = instrument
        self.log = log
        self._one_at_a_time = threading.Lock()
        self._ambient = AmbientTracker()
        name = instrument.name
        own = (r for r in latest_records(log.path, KEPT) if str(r.get("device", "")).split(" (")[0] == name)
        self._ambient.recall(own)

    def measure(
        self,
        inputs: Sequence[float],
        channels: Iterable[str] | None = None,
        exposure: Exposure | Automatic | None = None,
        dark: str | None = None,
        **extra: object,
    ) -> Measurement:
        """Measure and append; the reading is on disk when this returns.

        What is known of the ambient light, from dark frames or the latest readings, rides along with it.

        Parameters
        ----------
        dark : str, optional
            ``before`` or ``after``: a dark frame then; see :meth:`Instrument.measure`.
        extra
            Further keys of the record, such as the run that the reading belongs to.

        Raises
        ------
        BadInput, UnknownChannel
            Before anything moves.
        DeviceError
            When instrument or log fails; the light is dark then, and nothing was acknowledged.
        """
        with self._one_at_a_time:
            self.log.check()
            reading = self.instrument.measure(inputs, channels, exposure, dark)
            reading = replace(reading, ambient=self._ambient.see(reading))
            self.instrument.heartbeat.beat(WRITING)
            self.log.add(reading, extra)
            self.instrument.heartbeat.beat()
            return reading

    def answers(self, seconds: float) -> bool:
        """Return whether the instrument answers, by the way that a measurement goes; see :meth:`Instrument.answers`."""
        if not self._one_at_a_time.acquire(timeout=seconds):
            return False
        try:
            return self.instrument.answers(seconds)
        finally:
            self._one_at_a_time.release()

    def check(self) -> None:
        """Raise where no reading could be made or logged."""
        self.log.check()
        self.instrument.status()

    def close(self) -> None:
        """Make the light dark, let go of the hardware, close the log."""
        with self._one_at_a_time:
            try:
                self.instrument.close()
            finally:
                self.log.close()
