"""The Adafruit driver's class, with three things more.

An end to each of its waits, multiplexer maps beside its own two, and proof that a frame is of the settings it was
asked at. The proof is a mark in a register that nothing else uses: a reset of the sensor wipes it, and a reset in
the middle of a pass may leave no other trace, for the driver reads, changes and writes back registers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from retrolux.device.clock import Clock
from retrolux.device.errors import SensorReset, SensorTimeout
from retrolux.device.measurement import Exposure
from retrolux.device.passes import HIGH, LOW, Pass
from retrolux.device.settings import GAINS

AUTOZERO = 0.015  # seconds after each start (datasheet page 39)
SMUX_SECONDS = 0.1  # the command takes well under a millisecond
WRITE_SMUX = 2  # the command: connect as the RAM says
EARLIEST, LATEST = 0.9, 1.25  # of an integration's nominal length; oscillators are a few per cent off
SPARE_SECONDS = 0.1  # for a machine that is busy
POLL_SECONDS = 0.001

ENABLE, MARK, ID, STATUS2, CFG0, CFG1 = 0x80, 0x84, 0x92, 0xA3, 0xA9, 0xAA  # registers (datasheet pages 32 to 53)
SYND_DATA, CONFIG, EDGE, GPIO2 = 0x60, 0x70, 0x72, 0xBE  # registers of the synchronised mode (pages 20, 21, 25)
SYND, GPIO_IN = 3, 1 << 2  # INT_MODE of CONFIG; input enable of GPIO2
VALID, OVERLOADED = 1 << 6, 1 << 3  # of STATUS2 (page 46)
SATURATED = 1 << 7  # of ASTATUS (page 49)
MEASURING, OF_ENABLE = 0b0000_0011, 0b0101_0011  # power and measurement on; multiplexer and flicker detection off
LOW_BANK, GAIN_BITS, STATUS_GAIN_BITS = 1 << 4, 0x1F, 0x0F  # of CFG0, CFG1, ASTATUS
MARK_VALUE = 0xA5  # the low byte of a threshold for interrupts that are never on; 0 after a reset

CHECK_WIRING = (
    "Check the wiring (3V3, GND, SDA on pin 3, SCL on pin 5), that I2C is on (sudo raspi-config nonint do_i2c 0), "
    "and that `i2cdetect -y 1` shows 39."
)


@dataclass(frozen=True, slots=True)
class Sync:
    """A synchronised integration (SYND, datasheet pages 20 and 21).

    Attributes
    ----------
    edges : int
        Falling edges on the sensor's GPIO pin from its beginning to its end, 1 … 255.
    longest : float
        Seconds from the end of the autozero that it takes at most.
    """

    edges: int
    longest: float


@dataclass(frozen=True, slots=True)
class Frame:
    """What one integration gave.

    Attributes
    ----------
    counts : mapping of str to int
        By channel.
    saturated, overloaded : bool
        The sensor's flags: a converter at its ceiling or overloaded; one whose analogue part is overloaded, so that
        it stops short of the ceiling. They do not say which.
    steps : int or None
        Length of a synchronised integration, in the sensor's steps of 2.78 µs.
    """

    counts: Mapping[str, int]
    saturated: bool
    overloaded: bool
    steps: int | None = None


class Deadlines:
    """Put before the driver's class, it bounds the driver's waits and starts each pass anew.

    ``clock`` is given when the two are joined; the other names without a docstring are the driver's.
    """

    clock: Clock
    i2c_device: Any
    atime: int
    astep: int
    gain: int
    _low_bank_active: bool
    _smux_command: int
    _smux_enable_bit: bool
    _color_meas_enabled: bool
    _all_channels: tuple[int, ...]
    _configure_f1_f4: Callable[[], None]
    _configure_f5_f8: Callable[[], None]
    _set_smux: Callable[[int, int, int], None]
    _write_register: Callable[[int, int], None]
    _sync: Sync | None = None
    _sync_known = False

    @property
    def _smux_enabled(self) -> bool:
        return bool(self._smux_enable_bit)

    @_smux_enabled.setter
    def _smux_enabled(self, enable: bool) -> None:
        # the driver sets the bank right after it has written the map, and so hides that it went to another bank
        if self._low_bank_active:
            raise _reset("its register bank")
        self._smux_enable_bit = enable
        self._until(lambda: not self._smux_enable_bit, SMUX_SECONDS, "its multiplexer's command")

    def _wait_for_data(self, timeout: float = 1.0) -> None:  # noqa: ARG002 - the driver's second is too short
        """Sleep for as long as no frame can be there, then ask every millisecond: an idle bus is a quiet one."""
        nominal = AUTOZERO + (self._sync.longest if self._sync else self._exposure.seconds)
        # where data-valid outlives a restart, as the datasheet does not forbid, only time tells old from new
        stale = self._valid()
        self.clock.sleep((LATEST if stale else EARLIEST) * nominal)
        latest = (LATEST - EARLIEST) * nominal + SPARE_SECONDS
        self._until(self._valid, latest, "an integration")

    def _valid(self) -> bool:
        self._status2 = self.registers(STATUS2, 1)[0]
        return bool(self._status2 & VALID)

    def _until(self, done: Callable[[], bool], seconds: float, what: str) -> None:
        deadline = self.clock.monotonic() + seconds
        while not done():
            if self.clock.monotonic() > deadline:
                remedy = f"Switch its power off and on. {CHECK_WIRING}"
                raise SensorTimeout(f"The sensor did not finish {what} in time.", remedy)
            self.clock.sleep(POLL_SECONDS)

    def synchronise(self, sync: Sync | None) -> None:
        """Integrate between falling edges on the GPIO pin from now on, or for the exposure's own time where None."""
        if self._sync_known and sync == self._sync:
            return
        self._sync_known = False
        self._color_meas_enabled = False
        self._low_bank_active = True
        self._write_register(EDGE, sync.edges if sync else 0)
        self._write_register(CONFIG, SYND if sync else 0)
        self._low_bank_active = False
        self._write_register(GPIO2, GPIO_IN if sync else 0)
        self._sync, self._sync_known = sync, True

    def configure(self, exposure: Exposure) -> None:
        """Stop, then change; the first integration after a change is one that we start (datasheet page 28)."""
        self._color_meas_enabled = False
        self._low_bank_active = False  # a set-up that failed may have left it on
        self.atime, self.astep, self.gain = exposure.atime, exposure.astep, GAINS.index(exposure.gain)
        self._write_register(MARK, MARK_VALUE)
        self._exposure = exposure

    def convert(self, one: Pass) -> Frame:
        """Integrate one pass from its beginning.

        Raises
        ------
        SensorTimeout
        SensorReset
            When the frame says that it is of another gain.
        """
        # told that nothing is configured, the driver starts anew; else it would hand out the running frame
        self._low_channels_configured = self._high_channels_configured = False
        if one == LOW:
            self._configure_f1_f4()
        elif one == HIGH:
            self._configure_f5_f8()
        else:
            self._configure_map(one.ram)
        status, steps, counts = self._data()
        if status & STATUS_GAIN_BITS != GAINS.index(self._exposure.gain):
            raise _reset("its gain")
        converted = dict(zip(one.channels, counts, strict=False))  # converters beyond them are not connected
        return Frame(converted, bool(status & SATURATED), bool(self._status2 & OVERLOADED), steps)

    def _data(self) -> tuple[int, int | None, list[int]]:
        """Return ASTATUS, the steps that a synchronised integration took, and the converters' counts."""
        if not self._sync:
            status, *counts = self._all_channels
            return status, None, counts
        self._low_bank_active = True
        block = self.registers(SYND_DATA, 16)
        self._low_bank_active = False
        words = [block[1:3], *(block[i : i + 2] for i in range(6, 16, 2))]
        return block[0], int.from_bytes(block[3:6], "little"), [int.from_bytes(w, "little") for w in words]

    def check_mark(self) -> None:
        """Raise SensorReset where the sensor was reset since it was configured."""
        if self.registers(MARK, 1)[0] != MARK_VALUE:
            raise _reset("the mark that it was given")

    def check(self) -> None:
        """Raise SensorReset unless all that gives frames meaning is as it was configured, and was all the time since.

        Once after the last pass is enough: the mark comes back for nobody but :meth:`configure`.
        """
        enable, atime, *_, mark = self.registers(ENABLE, MARK - ENABLE + 1)
        cfg0, cfg1 = self.registers(CFG0, CFG1 - CFG0 + 1)
        wanted = self._exposure
        as_set = {
            "the mark that it was given": mark == MARK_VALUE,
            "its mode": enable & OF_ENABLE == MEASURING and not cfg0 & LOW_BANK,
            "its integration time": (atime, self.astep) == (wanted.atime, wanted.astep),
            "its gain": cfg1 & GAIN_BITS == GAINS.index(wanted.gain),
        }
        lost = [what for what, kept in as_set.items() if not kept]
        if lost:
            raise _reset(", ".join(lost))

    def registers(self, first: int, n: int) -> bytes:
        """Return the values of n registers from this one on. Raises OSError."""
        values = bytearray(n)
        with self.i2c_device as i2c:
            i2c.write_then_readinto(bytes([first]), values)
        return bytes(values)

    def _configure_map(self, ram: bytes) -> None:
        """Do with a map of our own what the driver's ``_configure_f1_f4`` does with its own."""
        self._color_meas_enabled = False
        self._smux_command = WRITE_SMUX
        for address, value in enumerate(ram):
            self._set_smux(address, value & 0xF, value >> 4)
        self._smux_enabled = True
        self._color_meas_enabled = True
        self._wait_for_data()


def _reset(lost: str) -> SensorReset:
    remedy = f"Check its supply: 3.3 V that does not dip when the light comes on. {CHECK_WIRING}"
    return SensorReset(f"The sensor was reset during a reading: it lost {lost}.", remedy)


def bounded(module: ModuleType, clock: Clock) -> Any:  # noqa: ANN401 - the driver has no types
    """Return the driver's class with deadlines round its waits."""
    return type("BoundedAS7341", (Deadlines, module.AS7341), {"clock": clock})
