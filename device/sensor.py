"""The AS7341 through its Adafruit driver: wrapped, not rewritten.

What the wrapping adds: every wait ends, saturation is kept, each reading is of an integration that began after it was
asked for, and clear and NIR come with the eight bands.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from retrolux.device.clock import Clock
from retrolux.device.errors import SensorMissing, SensorTimeout
from retrolux.device.measurement import Exposure
from retrolux.device.settings import GAINS

LOW = ("415nm", "445nm", "480nm", "515nm")
HIGH = ("555nm", "590nm", "630nm", "680nm")
BOTH = ("clear", "nir")  # converted in either pass; taken from the later one, as Claude-Light does
SATURATED = 1 << 7  # of ASTATUS (datasheet page 49)
SMUX_SECONDS = 0.1  # the command takes well under a millisecond
SPARE_SECONDS = 0.5  # beyond integration and autozero
POLL_SECONDS = 0.001

CHECK_WIRING = (
    "Check the wiring (3V3, GND, SDA on pin 3, SCL on pin 5), that I2C is on (sudo raspi-config nonint do_i2c 0), "
    "and that `i2cdetect -y 1` shows 39."
)


@dataclass(frozen=True, slots=True)
class Counts:
    """Raw counts of the channels that were read, and those at their ceiling."""

    outputs: Mapping[str, int]
    saturated: tuple[str, ...]


class Sensor:
    """An AS7341 at one exposure.

    Parameters
    ----------
    driver_module : module
        ``adafruit_as7341``, or a copy of it with a clock of its own.
    bus : object
        With the interface of ``busio.I2C``.
    clock : Clock
        Deadlines are measured by it.
    exposure : Exposure
        Gain and integration time.

    Raises
    ------
    SensorMissing
        When no AS7341 answers at 0x39.
    """

    def __init__(self, driver_module: ModuleType, bus: Any, clock: Clock, exposure: Exposure) -> None:  # noqa: ANN401
        self.exposure = exposure
        with _in_words():
            self._driver = _bounded(driver_module, clock, exposure)(bus)
            self._configure()

    def read(self, channels: tuple[str, ...]) -> Counts:
        """Integrate and return raw counts, 0 … 65535, of these channels.

        Two integrations for all ten; one where the channels are of one pass.

        Raises
        ------
        SensorMissing, SensorTimeout
        """
        outputs: dict[str, int] = {}
        saturated: set[str] = set()
        with _in_words():
            for names in _passes(channels):
                status, *counts = self._driver.convert(names)
                converted = dict(zip((*names, *BOTH), counts, strict=True))
                outputs |= converted
                saturated = (saturated - set(BOTH)) | _saturated(converted, status, self.exposure.ceiling)
        return Counts({c: outputs[c] for c in channels}, tuple(c for c in channels if c in saturated))

    def _configure(self) -> None:
        """Stop, then change; the first integration after a change is one that we start (datasheet page 28)."""
        self._driver.stop()
        self._driver.atime, self._driver.astep = self.exposure.atime, self.exposure.astep
        self._driver.gain = GAINS.index(self.exposure.gain)


def _passes(channels: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Return the passes that these channels need; clear and NIR alone need either."""
    return [names for names in (LOW, HIGH) if set(names) & set(channels)] or [HIGH]


def _saturated(converted: Mapping[str, int], status: int, ceiling: int) -> set[str]:
    """Return a pass's channels at the ceiling; where only the chip's flag tells (analogue), its brightest."""
    full = {c for c, v in converted.items() if v >= ceiling}
    if not full and status & SATURATED:
        return {max(converted, key=lambda c: converted[c])}
    return full


class _Deadlines:
    """Put before the driver's class, it bounds the driver's waits and starts each pass anew.

    ``clock`` and ``integration`` (seconds) are given when the two are joined; the other names are the driver's.
    """

    clock: Clock
    integration: float
    _low_bank_active: bool
    _smux_enable_bit: bool
    _data_ready_bit: bool
    _color_meas_enabled: bool
    _all_channels: tuple[int, ...]
    _configure_f1_f4: Callable[[], None]
    _configure_f5_f8: Callable[[], None]

    @property
    def _smux_enabled(self) -> bool:
        return bool(self._smux_enable_bit)

    @_smux_enabled.setter
    def _smux_enabled(self, enable: bool) -> None:
        self._low_bank_active = False
        self._smux_enable_bit = enable
        self._until(lambda: not self._smux_enable_bit, SMUX_SECONDS, "its multiplexer's command")

    def _wait_for_data(self, timeout: float = 1.0) -> None:  # noqa: ARG002 - the driver's second is too short
        self._until(lambda: self._data_ready_bit, 2 * self.integration + SPARE_SECONDS, "an integration")

    def _until(self, done: Callable[[], bool], seconds: float, what: str) -> None:
        deadline = self.clock.monotonic() + seconds
        while not done():
            if self.clock.monotonic() > deadline:
                remedy = f"Switch its power off and on. {CHECK_WIRING}"
                raise SensorTimeout(f"The sensor did not finish {what} in {seconds:.2f} s.", remedy)
            self.clock.sleep(POLL_SECONDS)

    def convert(self, names: tuple[str, ...]) -> tuple[int, ...]:
        """Integrate one pass from its beginning; return ASTATUS and the six converters' counts."""
        # told that nothing is configured, the driver starts anew; else it would hand out the running frame
        self._low_channels_configured = self._high_channels_configured = False
        (self._configure_f1_f4 if names == LOW else self._configure_f5_f8)()
        return tuple(self._all_channels)

    def stop(self) -> None:
        """End a running integration."""
        self._color_meas_enabled = False


def _bounded(module: ModuleType, clock: Clock, exposure: Exposure) -> Any:  # noqa: ANN401 - the driver has no types
    """Return the driver's class with deadlines round its waits."""
    return type("BoundedAS7341", (_Deadlines, module.AS7341), {"clock": clock, "integration": exposure.seconds})


@contextmanager
def _in_words() -> Iterator[None]:
    """Turn what the driver and the bus raise into errors with cause and remedy."""
    try:
        yield
    except (SensorTimeout, SensorMissing):
        raise
    except ValueError as error:
        raise SensorMissing("No sensor answers at address 0x39 of the I2C bus.", CHECK_WIRING) from error
    except OSError as error:
        raise SensorMissing(f"The sensor stopped answering: {error.strerror or error}.", CHECK_WIRING) from error
    except RuntimeError as error:
        raise SensorMissing(f"What answers at 0x39 is no AS7341: {error}.", CHECK_WIRING) from error
