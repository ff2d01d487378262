"""The AS7341 through its Adafruit driver: wrapped, not rewritten.

What the wrapping adds: every wait ends, saturation is kept, each reading is of an integration that began after it was
asked for, clear and NIR come with the eight bands, up to six channels take one integration, and a fault on the bus or
in the sensor's supply ends in a reading that is right or in an error, never in a wrong number.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from types import ModuleType
from typing import Any

from retrolux.device.clock import Clock
from retrolux.device.deadlines import CHECK_WIRING, ID, Frame, Sync, bounded
from retrolux.device.errors import DeviceError, SensorMissing
from retrolux.device.measurement import STEP, Exposure
from retrolux.device.passes import Pass, passes_for
from retrolux.device.periods import of_length
from retrolux.device.recovery import Ladder, Rung

NEAR = 0.9  # of its ceiling: where a converter may have been stopped by an overload


@dataclass(frozen=True, slots=True)
class Counts:
    """Raw counts of the channels that were read, those at their ceiling, and the exposure of each."""

    outputs: Mapping[str, int]
    saturated: tuple[str, ...]
    exposures: Mapping[str, Exposure] = field(default_factory=dict)


class Sensor:
    """An AS7341.

    Parameters
    ----------
    driver_module : module
        ``adafruit_as7341``, or a copy of it with a clock of its own.
    bus : object
        With the interface of ``busio.I2C``.
    clock : Clock
        Deadlines are measured by it.
    exposure : Exposure
        Gain and integration time of its readings, where a reading is not given its own.
    reopen : callable, optional
        Opens the bus anew, the last means against a stuck one.

    Attributes
    ----------
    exposure : Exposure
    recovery : Ladder
        Counts which means made its readings.

    Raises
    ------
    SensorMissing
        When no AS7341 answers at 0x39; at once.
    """

    def __init__(
        self,
        driver_module: ModuleType,
        bus: Any,  # noqa: ANN401 - as the libraries have it
        clock: Clock,
        exposure: Exposure,
        reopen: Callable[[], None] = lambda: None,
    ) -> None:
        self.exposure = exposure
        self._driver: Any
        self._configured: Exposure | None = None
        self._bus = bus
        self._new_driver = partial(bounded(driver_module, clock), bus)
        self._reopen = reopen
        self.recovery = Ladder(
            clock,
            (
                Rung("first attempt", 0, lambda: None),
                Rung("retried", 0.005, self._look),
                Rung("set up anew", 0.02, self._set_up),
                Rung("bus reopened", 0.1, self._open_again),
            ),
        )
        self._set_up()
        with _in_words():
            self._configure(exposure)
            self._driver.synchronise(None)  # a crash may have left it otherwise

    def read(
        self,
        channels: tuple[str, ...],
        exposure: Exposure | None = None,
        relight: Callable[[], None] = lambda: None,
        sync: Sync | None = None,
    ) -> Counts:
        """Integrate and return raw counts, 0 … 65535, of these channels.

        Up to six channels take one integration, more take two (:func:`~retrolux.device.passes.passes_for`).

        Parameters
        ----------
        channels : tuple of str
        exposure : Exposure, optional
            For this reading alone; :attr:`exposure` by default.
        relight : callable, optional
            Sets the light once more, before each attempt but the first: what reset the sensor may have reset a
            light's controller on the same supply.
        sync : Sync, optional
            Integrate between edges on the sensor's GPIO pin instead of for the exposure's own time.

        Raises
        ------
        SensorMissing, SensorTimeout, SensorReset
            After four attempts, each of which ends within 1.25 integrations and their autozeros, 0.2 s a pass for
            data and multiplexer, and what the bus takes to fail.
        """
        wanted = exposure or self.exposure
        outputs: dict[str, int] = {}
        saturated: set[str] = set()
        exposures: dict[str, Exposure] = {}
        for frame in self.recovery.climb(partial(self._convert, passes_for(channels), wanted, sync), relight):
            made = _exposure_of(frame, wanted)
            outputs |= frame.counts  # clear and NIR of the later pass, as Claude-Light does
            saturated = (saturated - set(frame.counts)) | _saturated(frame, made.ceiling)
            exposures |= dict.fromkeys(frame.counts, made)
        return Counts(
            {c: outputs[c] for c in channels},
            tuple(c for c in channels if c in saturated),
            {c: exposures[c] for c in channels},
        )

    def answer(self) -> None:
        """Read the sensor's identity: one transaction, which changes nothing. Raises SensorMissing."""
        with _in_words():
            self._driver.registers(ID, 1)

    @contextmanager
    def probed(self) -> Iterator[Any]:
        """Lend the driver to who looks at the sensor's registers; the sensor is set up anew afterwards.

        Raises
        ------
        SensorMissing, SensorTimeout, SensorReset
        """
        self._configured = None
        try:
            with _in_words():
                yield self._driver
        finally:
            self._set_up()
            with _in_words():
                self._configure(self.exposure)

    def _convert(self, passes: tuple[Pass, ...], exposure: Exposure, sync: Sync | None) -> list[Frame]:
        with _in_words():
            if self._configured != exposure:
                self._configure(exposure)
            self._configured = None  # until the reading has shown that the settings are still there
            self._driver.synchronise(sync)
            frames = [self._driver.convert(one) for one in passes]
            self._driver.check()
            self._configured = exposure
        return frames

    def _configure(self, exposure: Exposure) -> None:
        self._configured = None
        self._driver.configure(exposure)
        self._configured = exposure

    def _look(self) -> None:
        """Find out at once whether trying again can help."""
        with _in_words():
            self._driver.check_mark()

    def _set_up(self) -> None:
        """Make a driver, which finds the sensor and switches it on."""
        self._configured = None
        try:
            with _in_words():
                self._driver = self._new_driver()
        except ValueError as error:
            raise self._absent() from error
        except RuntimeError as error:
            raise SensorMissing(f"What answers at 0x39 is no AS7341: {error}.", CHECK_WIRING) from error

    def _absent(self) -> SensorMissing:
        """Return the error that no sensor answers, with what answers instead."""
        others = _scan(self._bus)
        named = ", ".join(f"0x{address:02x}" for address in others or ())
        also = "" if others is None else f" Others do: {named}." if others else " Nothing else does."
        error = SensorMissing(f"No sensor answers at address 0x39 of the I2C bus.{also}", CHECK_WIRING)
        error.others = others
        return error

    def _open_again(self) -> None:
        self._reopen()
        self._set_up()


def _scan(bus: Any) -> tuple[int, ...] | None:  # noqa: ANN401
    """Return the addresses that answer; None where the bus cannot say, which is no matter beside what is said of it."""
    try:
        if not bus.try_lock():
            return None
        try:
            return tuple(bus.scan())
        finally:
            bus.unlock()
    except (OSError, AttributeError, NotImplementedError, RuntimeError, ValueError):
        return None


def _exposure_of(frame: Frame, asked: Exposure) -> Exposure:
    """Return the exposure that a frame was made with: of a synchronised one, the time that the sensor counted."""
    return asked if frame.steps is None else of_length(asked, frame.steps * STEP, near=1)


def _saturated(frame: Frame, ceiling: int) -> set[str]:
    """Return a pass's channels at the ceiling, or near it where one is overloaded; at least one where a flag is up."""
    lowest = NEAR * ceiling if frame.overloaded else ceiling
    full = {c for c, count in frame.counts.items() if count >= lowest}
    if not full and (frame.saturated or frame.overloaded):
        return {max(frame.counts, key=lambda c: frame.counts[c])}
    return full


@contextmanager
def _in_words() -> Iterator[None]:
    """Turn what the bus raises into an error with cause and remedy."""
    try:
        yield
    except DeviceError:
        raise
    except OSError as error:
        raise SensorMissing(f"The sensor stopped answering: {error.strerror or error}.", CHECK_WIRING) from error
