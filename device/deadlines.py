"""The Adafruit driver's class with an end to each of its waits, and with multiplexer maps beside its own two."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

from retrolux.device.clock import Clock
from retrolux.device.errors import SensorTimeout
from retrolux.device.passes import HIGH, LOW, Pass

AUTOZERO = 0.015  # seconds after each start (datasheet page 39)
SMUX_SECONDS = 0.1  # the command takes well under a millisecond
WRITE_SMUX = 2  # the command: connect as the RAM says
EARLIEST, LATEST = 0.9, 1.25  # of an integration's nominal length; oscillators are a few per cent off
SPARE_SECONDS = 0.1  # for a machine that is busy
POLL_SECONDS = 0.001

CHECK_WIRING = (
    "Check the wiring (3V3, GND, SDA on pin 3, SCL on pin 5), that I2C is on (sudo raspi-config nonint do_i2c 0), "
    "and that `i2cdetect -y 1` shows 39."
)


class Deadlines:
    """Put before the driver's class, it bounds the driver's waits and starts each pass anew.

    ``clock`` is given when the two are joined, ``integration`` (seconds, nominal) when settings are made; the other
    names are the driver's.
    """

    clock: Clock
    integration: float = 0.0
    _low_bank_active: bool
    _smux_command: int
    _smux_enable_bit: bool
    _data_ready_bit: bool
    _color_meas_enabled: bool
    _all_channels: tuple[int, ...]
    _configure_f1_f4: Callable[[], None]
    _configure_f5_f8: Callable[[], None]
    _set_smux: Callable[[int, int, int], None]

    @property
    def _smux_enabled(self) -> bool:
        return bool(self._smux_enable_bit)

    @_smux_enabled.setter
    def _smux_enabled(self, enable: bool) -> None:
        self._low_bank_active = False
        self._smux_enable_bit = enable
        self._until(lambda: not self._smux_enable_bit, SMUX_SECONDS, "its multiplexer's command")

    def _wait_for_data(self, timeout: float = 1.0) -> None:  # noqa: ARG002 - the driver's second is too short
        """Sleep for as long as no frame can be there, then ask every millisecond: an idle bus is a quiet one."""
        nominal = AUTOZERO + self.integration
        # where data-valid outlives a restart, as the datasheet does not forbid, only time tells old from new
        stale = self._data_ready_bit
        self.clock.sleep((LATEST if stale else EARLIEST) * nominal)
        latest = (LATEST - EARLIEST) * nominal + SPARE_SECONDS
        self._until(lambda: self._data_ready_bit, latest, "an integration")

    def _until(self, done: Callable[[], bool], seconds: float, what: str) -> None:
        deadline = self.clock.monotonic() + seconds
        while not done():
            if self.clock.monotonic() > deadline:
                remedy = f"Switch its power off and on. {CHECK_WIRING}"
                raise SensorTimeout(f"The sensor did not finish {what} in time.", remedy)
            self.clock.sleep(POLL_SECONDS)

    def convert(self, one: Pass) -> tuple[int, ...]:
        """Integrate one pass from its beginning; return ASTATUS and the six converters' counts."""
        # told that nothing is configured, the driver starts anew; else it would hand out the running frame
        self._low_channels_configured = self._high_channels_configured = False
        if one == LOW:
            self._configure_f1_f4()
        elif one == HIGH:
            self._configure_f5_f8()
        else:
            self._configure(one.ram)
        return tuple(self._all_channels)

    def stop(self) -> None:
        """End a running integration."""
        self._color_meas_enabled = False

    def _configure(self, ram: bytes) -> None:
        """Do with a map of our own what the driver's ``_configure_f1_f4`` does with its own."""
        self._color_meas_enabled = False
        self._smux_command = WRITE_SMUX
        for address, value in enumerate(ram):
            self._set_smux(address, value & 0xF, value >> 4)
        self._smux_enabled = True
        self._color_meas_enabled = True
        self._wait_for_data()


def bounded(module: ModuleType, clock: Clock) -> Any:  # noqa: ANN401 - the driver has no types
    """Return the driver's class with deadlines round its waits."""
    return type("BoundedAS7341", (Deadlines, module.AS7341), {"clock": clock})
