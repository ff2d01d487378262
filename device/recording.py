"""An instrument and its log as one: a reading is on disk before it is acknowledged."""

import threading
from collections.abc import Iterable, Sequence

from retrolux.device.automatic import Automatic
from retrolux.device.instrument import Instrument
from retrolux.device.log import MeasurementLog
from retrolux.device.measurement import Exposure, Measurement


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

    def measure(
        self,
        inputs: Sequence[float],
        channels: Iterable[str] | None = None,
        exposure: Exposure | Automatic | None = None,
        **extra: object,
    ) -> Measurement:
        """Measure and append; the reading is on disk when this returns.

        Parameters
        ----------
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
            reading = self.instrument.measure(inputs, channels, exposure)
            self.log.add(reading, extra)
            return reading

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
