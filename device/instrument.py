"""The contract that every instrument keeps, whatever is behind it."""

import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from retrolux.device.automatic import Automatic
from retrolux.device.errors import BadInput, InstrumentClosed, UnknownChannel
from retrolux.device.heartbeat import Heartbeat
from retrolux.device.measurement import CHANNELS, INPUTS, Exposure, Measurement
from retrolux.device.settings import check_exposure


class Instrument(ABC):
    """A light with three duties and a ten-channel sensor that looks at it.

    The public methods guard; the abstract ``_do_…`` act. Calls are serialised: one at a time, whoever calls. The
    light is dark whenever nobody measures, and after any exception.

    Parameters
    ----------
    name : str
        As it stands in the record.
    heartbeat : Heartbeat, optional
        Beats while it measures.
    """

    inputs: tuple[str, ...] = INPUTS
    channels: tuple[str, ...] = CHANNELS

    def __init__(self, name: str, heartbeat: Heartbeat | None = None) -> None:
        self.name = name
        self.heartbeat = heartbeat or Heartbeat()
        self._one_at_a_time = threading.RLock()
        self._closed = False

    def measure(
        self,
        inputs: Sequence[float],
        channels: Iterable[str] | None = None,
        exposure: Exposure | Automatic | None = None,
        dark: str | None = None,
    ) -> Measurement:
        """Set the light, read the sensor, make the light dark.

        Parameters
        ----------
        inputs : sequence of 3 float
            Duties R, G, B in [0, 1].
        channels : iterable of str, optional
            Which channels to read; all ten by default.
        exposure : Exposure, optional
            Gain and integration time of this reading alone, or :data:`~retrolux.device.automatic.AUTO`, by which each
            channel gets its own; the instrument's own by default.
        dark : str, optional
            ``before`` or ``after``: also read with the light off then, each channel at the same exposure.

        Returns
        -------
        Measurement
            Raw counts 0 … 65535 with the settings they were read at.

        Raises
        ------
        BadInput, UnknownChannel
            Before anything moves.
        FixedExposure
            When another exposure is asked of an instrument that has none to choose.
        DeviceError
            When the hardware fails; the light is dark then.
        """
        duties = self.checked_inputs(inputs)
        wanted = self.checked_channels(channels)
        if isinstance(exposure, Exposure):
            check_exposure(exposure)
        self._check_dark(dark, exposure)
        with self._one_at_a_time:
            self._refuse_if_closed()
            self.heartbeat.beat()
            try:
                return self._with_dark(duties, wanted, exposure, dark)
            finally:
                self._do_dark()
                self.heartbeat.beat()

    def _check_dark(self, dark: str | None, exposure: Exposure | Automatic | None) -> None:
        if dark not in {None, "before", "after"}:
            raise BadInput(f"There is no dark frame {dark!r}.", "Ask for one before or after.")
        if dark == "before" and not self._knows_exposure(exposure):
            raise BadInput(
                "The exposure is not known before the reading is made, and a dark frame needs the same.",
                "Ask for the dark frame after it.",
            )

    def _with_dark(
        self,
        inputs: tuple[float, ...],
        channels: tuple[str, ...],
        exposure: Exposure | Automatic | None,
        dark: str | None,
    ) -> Measurement:
        """Measure, with the dark frame that is asked for; the light is off in it by its duties."""
        night = (0.0,) * len(self.inputs)
        before = self._do_measure(night, channels, exposure) if dark == "before" else None
        reading = self._do_measure(inputs, channels, exposure)
        if before is not None:
            return replace(reading, dark=before.outputs)
        if dark == "after" and self._knows_exposure(exposure):
            return replace(reading, dark=self._do_measure(night, channels, exposure).outputs)
        if dark == "after":
            return replace(reading, dark=self._dark_like(reading))
        return reading

    def _dark_like(self, reading: Measurement) -> dict[str, int]:
        """Return counts in the dark, each channel at the exposure that it has in a reading."""
        night, out = (0.0,) * len(self.inputs), dict[str, int]()
        for exposure in dict.fromkeys(reading.exposure_of(c) for c in reading.outputs):
            group = tuple(c for c in reading.outputs if reading.exposure_of(c) == exposure)
            out |= self._do_measure(night, group, exposure).outputs
        return {c: out[c] for c in reading.outputs}

    def _knows_exposure(self, exposure: Exposure | Automatic | None) -> bool:
        """Return whether the exposure of a reading is known before it is made."""
        return not isinstance(exposure, Automatic)

    def checked_inputs(self, inputs: Sequence[float]) -> tuple[float, ...]:
        """Return the duties as floats, or raise BadInput; nothing moves."""
        if not _is_row(inputs, len(self.inputs)):
            raise BadInput(
                f"{len(self.inputs)} inputs are needed, {', '.join(self.inputs)}; got {inputs!r}.",
                "Give one duty from 0 to 1 for each.",
            )
        return tuple(_duty(name, value) for name, value in zip(self.inputs, inputs, strict=True))

    def checked_channels(self, channels: Iterable[str] | None) -> tuple[str, ...]:
        """Return the wanted channels in the instrument's order, or raise UnknownChannel; nothing moves."""
        if channels is None:
            return self.channels
        wanted = set(channels)
        unknown = sorted(str(c) for c in wanted if c not in self.channels)
        if unknown or not wanted:
            what = f"There is no channel {', '.join(unknown)}." if unknown else "No channel was asked for."
            raise UnknownChannel(what, f"The channels are {', '.join(self.channels)}.")
        return tuple(c for c in self.channels if c in wanted)

    def dark(self) -> None:
        """Switch the light off; harmless at any time."""
        with self._one_at_a_time:
            if not self._closed:
                self._do_dark()

    def answers(self, seconds: float) -> bool:
        """Let the instrument give its lightest sign of life, by the way that a measurement goes.

        Parameters
        ----------
        seconds : float
            That it may be taken by somebody else.

        Returns
        -------
        bool
            False where somebody else had it for so long.

        Raises
        ------
        DeviceError
            Where it fails; that it did is a sign of life, too.
        """
        if not self._one_at_a_time.acquire(timeout=seconds):
            return False
        try:
            self._refuse_if_closed()
            self._do_answer()
        finally:
            self._one_at_a_time.release()
        return True

    def time(self) -> float:
        """Return the instrument's own time, seconds since the epoch: a simulator's passes only while it works."""
        return self._do_time()

    def synchronised(self) -> bool | None:
        """Return whether that time is set by somebody who knows it; None where nobody says."""
        return self._do_synchronised()

    def wait_until(self, when: float) -> None:
        """Let time pass until the instrument's own shows this (seconds since the epoch); simulated time does at once.

        Nobody is kept from measuring meanwhile.
        """
        self._do_wait(when - self.time())

    def status(self) -> dict[str, Any]:
        """Return what the instrument says of itself, JSON-ready: at least ``device`` and ``exposure``."""
        return {"device": self.name} | self._do_status()

    def close(self) -> None:
        """Make the light dark and let go of the hardware; a second call does nothing."""
        with self._one_at_a_time:
            if self._closed:
                return
            self._closed = True
            try:
                self._do_dark()
            finally:
                self._do_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise InstrumentClosed(f"The instrument {self.name} is closed.", "Open it again.")

    @abstractmethod
    def _do_measure(
        self, inputs: tuple[float, ...], channels: tuple[str, ...], exposure: Exposure | Automatic | None
    ) -> Measurement: ...

    @abstractmethod
    def _do_dark(self) -> None: ...

    @abstractmethod
    def _do_answer(self) -> None: ...

    @abstractmethod
    def _do_status(self) -> dict[str, Any]: ...

    @abstractmethod
    def _do_time(self) -> float: ...

    @abstractmethod
    def _do_synchronised(self) -> bool | None: ...

    @abstractmethod
    def _do_wait(self, seconds: float) -> None: ...

    @abstractmethod
    def _do_close(self) -> None: ...


def _is_row(values: object, length: int) -> bool:
    return isinstance(values, Sequence) and not isinstance(values, (str, bytes)) and len(values) == length


def _duty(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < math.inf:
        raise BadInput(f"{name} is {value!r}, which is no finite number.", "Give a duty from 0 to 1.")
    if not 0 <= value <= 1:
        raise BadInput(f"{name} is {value}, outside 0 to 1.", "Give a duty from 0 to 1.")
    return float(value)
