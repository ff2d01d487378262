"""The AS7341 through its Adafruit driver: wrapped, not rewritten.

What the wrapping adds: every wait ends, saturation is kept, each reading is of an integration that began after it was
asked for, clear and NIR come with the eight bands, and up to six channels take one integration.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from retrolux.device.clock import Clock
from retrolux.device.deadlines import CHECK_WIRING, bounded
from retrolux.device.errors import SensorMissing, SensorTimeout
from retrolux.device.measurement import Exposure
from retrolux.device.passes import Pass, passes_for
from retrolux.device.settings import GAINS

SATURATED = 1 << 7  # of ASTATUS (datasheet page 49)


@dataclass(frozen=True, slots=True)
class Counts:
    """Raw counts of the channels that were read, and those at their ceiling."""

    outputs: Mapping[str, int]
    saturated: tuple[str, ...]


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

    Attributes
    ----------
    exposure : Exposure

    Raises
    ------
    SensorMissing
        When no AS7341 answers at 0x39.
    """

    def __init__(self, driver_module: ModuleType, bus: Any, clock: Clock, exposure: Exposure) -> None:  # noqa: ANN401
        self.exposure = exposure
        with _in_words():
            self._driver = bounded(driver_module, clock)(bus)
            self._configure(exposure)

    def read(self, channels: tuple[str, ...], exposure: Exposure | None = None) -> Counts:
        """Integrate and return raw counts, 0 … 65535, of these channels.

        Up to six channels take one integration, more take two (:func:`~retrolux.device.passes.passes_for`).

        Parameters
        ----------
        channels : tuple of str
        exposure : Exposure, optional
            For this reading alone; :attr:`exposure` by default.

        Raises
        ------
        SensorMissing, SensorTimeout
        """
        wanted = exposure or self.exposure
        outputs: dict[str, int] = {}
        saturated: set[str] = set()
        with _in_words():
            if wanted != self._configured:
                self._configure(wanted)
            for one in passes_for(channels):
                converted, full = self._convert(one)
                outputs |= converted  # clear and NIR of the later pass, as Claude-Light does
                saturated = (saturated - set(converted)) | full
        return Counts({c: outputs[c] for c in channels}, tuple(c for c in channels if c in saturated))

    def _convert(self, one: Pass) -> tuple[dict[str, int], set[str]]:
        """Return the counts of a pass, and its channels at the ceiling."""
        status, *counts = self._driver.convert(one)
        converted = dict(zip(one.channels, counts, strict=False))  # converters beyond them are not connected
        return converted, _saturated(converted, status, self._configured.ceiling)

    def _configure(self, exposure: Exposure) -> None:
        """Stop, then change; the first integration after a change is one that we start (datasheet page 28)."""
        self._driver.stop()
        self._driver.atime, self._driver.astep = exposure.atime, exposure.astep
        self._driver.gain = GAINS.index(exposure.gain)
        self._driver.integration = exposure.seconds
        self._configured = exposure


def _saturated(converted: Mapping[str, int], status: int, ceiling: int) -> set[str]:
    """Return a pass's channels at the ceiling; where only the chip's flag tells (analogue), its brightest."""
    full = {c for c, v in converted.items() if v >= ceiling}
    if not full and status & SATURATED:
        return {max(converted, key=lambda c: converted[c])}
    return full


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
