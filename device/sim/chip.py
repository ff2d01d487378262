"""The AS7341 at its registers, as its driver meets it (ams DS000504 v3-00)."""

import struct
from collections.abc import Mapping

from retrolux.device.clock import Clock
from retrolux.device.measurement import FULL_SCALE
from retrolux.device.settings import GAINS
from retrolux.device.sim.optics import Optics
from retrolux.device.sim.smux import RAM_SIZE, routed
from retrolux.device.sim.unit import Unit

ENABLE, ATIME, WHOAMI, ASTATUS, DATA, STATUS2 = 0x80, 0x81, 0x92, 0x94, 0x95, 0xA3
CFG0, CFG1, CFG6, ASTEP = 0xA9, 0xAA, 0xAF, 0xCA
POWER, MEASURE, SMUX = 1 << 0, 1 << 1, 1 << 4  # bits of ENABLE
LOW_BANK = 1 << 4  # bit of CFG0: 0x60 to 0x74 are registers and no RAM
SYND_DATA, CONFIG, EDGE, GPIO2 = 0x60, 0x70, 0x72, 0xBE  # the first three in the low bank
SYND, GPIO_IN = 3, 1 << 2  # INT_MODE of CONFIG (page 20), input enable of GPIO2
WRITE_SMUX = 2  # command in bits 4:3 of CFG6
VALID, SATURATED_ANALOGUE, SATURATED_DIGITAL = 1 << 6, 1 << 3, 1 << 4  # bits of STATUS2
AUTOZERO = 0.015  # seconds after each start (page 39)
SMUX_TIME = 0.0002  # seconds that the command takes
STEP = 2.78e-6  # seconds of one count of ASTEP (page 32)
OVERLOAD = 2.0  # counts per step beyond which the analogue part gives up, here: the datasheet gives no number
SHORT = 0.97  # of its ceiling, where an overloaded converter stops


class Chip:
    """Registers, banked RAM, the multiplexer and six converters.

    Parameters
    ----------
    unit : Unit
        Gives gain steps and oscillator.
    optics : Optics
        Gives the light.
    clock : Clock
        Integrations take their time of it.

    Attributes
    ----------
    valid_clears_on_read : bool
        Whether reading the data clears data-valid; the datasheet does not say.
    stuck_smux, stuck_data : bool
        Faults: the command never ends, the integration never ends.
    wired_to : int or None
        The colour whose pin the GPIO pin hears.
    """

    def __init__(self, unit: Unit, optics: Optics, clock: Clock) -> None:
        self._unit, self._optics, self._clock = unit, optics, clock
        self.power_loss()
        self.valid_clears_on_read = True
        self.stuck_smux = self.stuck_data = False
        self.wired_to: int | None = None

    def power_loss(self) -> None:
        """Forget everything, as a brown-out does, also in mid-integration; registers have their reset values then."""
        self.registers = bytearray(256)
        self.registers[WHOAMI], self.registers[CFG1] = 0x09 << 2, 9
        self.registers[ASTEP : ASTEP + 2] = (999).to_bytes(2, "little")
        self._ram = bytearray(128)
        self._low_bank = bytearray(128)
        self._routes: dict[int, list[str]] = {}
        self._smux_until = 0.0
        self._started: float | None = None
        self._frames = 0
        self._latched = bytes(13)
        self._frame = bytes(13)
        self._synchronised = bytes(16)
        self._window: tuple[float, float] | None = None

    def write(self, register: int, value: int) -> None:
        """Write one register."""
        if register < 0x80:
            self._bank()[register] = value
        elif register == ENABLE:
            self._write_enable(value)
        else:
            self.registers[register] = value

    def read(self, register: int) -> int:
        """Read one register, with what reading does to the chip."""
        self._advance()
        if SYND_DATA <= register < SYND_DATA + 16 and self.registers[CFG0] & LOW_BANK:
            return self._synchronised[register - SYND_DATA]
        if register < 0x80:
            return self._bank()[register]
        if register == ASTATUS:
            self._latched = self._frame
            if self.valid_clears_on_read:
                self.registers[STATUS2] &= ~VALID
        if ASTATUS <= register < DATA + 12:
            return self._latched[register - ASTATUS]
        return self.registers[register]

    def following(self, register: int) -> int:
        """Return the register after this one: the address counts up."""
        return (register + 1) & 0xFF

    @property
    def integration(self) -> float:
        """Seconds of one integration, of this unit's oscillator."""
        atime = self.registers[ATIME]
        return (atime + 1) * (self._astep() + 1) * STEP * self._unit.clock

    def _astep(self) -> int:
        return int.from_bytes(self.registers[ASTEP : ASTEP + 2], "little")

    def _bank(self) -> bytearray:
        return self._low_bank if self.registers[CFG0] & LOW_BANK else self._ram

    def _write_enable(self, value: int) -> None:
        before = self.registers[ENABLE]
        self.registers[ENABLE] = value
        if value & SMUX and not before & SMUX and (self.registers[CFG6] >> 3) & 3 == WRITE_SMUX:
            self._routes = routed(bytes(self._ram[:RAM_SIZE]))
            self._smux_until = self._clock.monotonic() + SMUX_TIME
        measuring = value & MEASURE and value & POWER
        if not measuring:
            self._started = None
        elif self._started is None:
            self._started, self._frames, self._window = self._clock.monotonic(), 0, None
            self.registers[STATUS2] &= ~(VALID | SATURATED_ANALOGUE | SATURATED_DIGITAL)

    def _advance(self) -> None:
        """Bring the chip to the time it is: end the multiplexer's command, end integrations."""
        now = self._clock.monotonic()
        if not self.stuck_smux and now >= self._smux_until:
            self.registers[ENABLE] &= ~SMUX
        if self._started is None or self.stuck_data:
            return
        if self._low_bank[CONFIG] & 3 == SYND:
            self._advance_synchronised(self._started, now)
            return
        done = int((now - self._started) // (AUTOZERO + self.integration))
        if done > self._frames:
            first, self._frames = not self._frames, done
            self._integrate(self._started + done * (AUTOZERO + self.integration) - self.integration)
            if first:  # the driver's single channels read a new start's data without ASTATUS
                self._latched = self._frame

    def _advance_synchronised(self, started: float, now: float) -> None:
        """Integrate once, from the first falling edge after the autozero over as many as EDGE says (page 21)."""
        heard = self.wired_to if self.registers[GPIO2] & GPIO_IN else None
        if self._frames or heard is None or now < started + AUTOZERO:
            return
        if self._window is None:
            self._window = self._optics.falls(heard, started + AUTOZERO, self._low_bank[EDGE])
        if self._window is not None and now >= self._window[1]:
            begun, ended = self._window
            self._frames = 1
            self._integrate(begun, ended - begun)
            steps = round((ended - begun) / (STEP * self._unit.clock)).to_bytes(3, "little")
            self._synchronised = self._frame[:3] + steps + self._frame[3:]

    def _integrate(self, begun: float, seconds: float | None = None) -> None:
        flux = self._optics.flux(begun, seconds or self.integration)
        step = self.registers[CFG1] & 0x1F
        gain = self._unit.gains[GAINS[min(step, len(GAINS) - 1)]]
        steps = (self.registers[ATIME] + 1) * (self._astep() + 1)
        if seconds is not None:
            steps = round(seconds / (STEP * self._unit.clock))
        counts = [self._convert(adc, flux, gain) for adc in range(6)]
        analogue = any(c > OVERLOAD * steps for c in counts)
        digital = any(steps <= c <= OVERLOAD * steps or c >= FULL_SCALE for c in counts)
        read = (min(FULL_SCALE, round(SHORT * steps) if c > OVERLOAD * steps else min(c, steps)) for c in counts)
        self._frame = struct.pack("<B6H", ((analogue or digital) << 7) | (step & 0xF), *read)
        self.registers[STATUS2] = VALID | digital * SATURATED_DIGITAL | analogue * SATURATED_ANALOGUE

    def _convert(self, adc: int, flux: Mapping[str, float], gain: float) -> int:
        halves = self._routes.get(adc, [])
        light = sum(flux[half] for half in halves) / 2
        return self._optics.read_out(gain * light, 128 * gain)
