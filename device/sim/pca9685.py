"""The PCA9685 at its registers, as its driver meets it (NXP PCA9685 rev. 4)."""

import errno

from retrolux.device.sim.pwm import EmulatedOutput

MODE1, MODE2, LED0_ON_L, PRE_SCALE = 0x00, 0x01, 0x06, 0xFE  # page 10
RESTART, AUTO_INCREMENT, SLEEP, ALL_CALL = 0x80, 0x20, 0x10, 0x01  # bits of MODE1 (page 14)
ALWAYS = 0x10  # bit of LEDn_ON_H and LEDn_OFF_H: fully on, fully off (page 16)
CHANNELS, STEPS, CLOCK = 16, 4096, 25e6
LAST_LED = LED0_ON_L + 4 * CHANNELS - 1


class Pca9685:
    """Registers, an oscillator and sixteen outputs.

    Parameters
    ----------
    clock : float
        True frequency of the oscillator over its nominal 25 MHz.

    Attributes
    ----------
    outputs : tuple of EmulatedOutput
        A broken one does not acknowledge its registers.
    """

    def __init__(self, clock: float = 1.0) -> None:
        self._clock = clock
        self.outputs = tuple(EmulatedOutput() for _ in range(CHANNELS))
        self.power_loss()

    def power_loss(self) -> None:
        """Forget everything: registers have their reset values, the oscillator sleeps, all is dark (page 10)."""
        self.registers = bytearray(256)
        self.registers[MODE1], self.registers[MODE2], self.registers[PRE_SCALE] = SLEEP | ALL_CALL, 0x04, 0x1E
        for channel in range(CHANNELS):
            self.registers[LED0_ON_L + 4 * channel + 3] = ALWAYS
        self._show(range(CHANNELS))

    def read(self, register: int) -> int:
        """Return a register's value."""
        return self.registers[register]

    def write(self, register: int, value: int) -> None:
        """Set a register; outputs follow when the last of their four is written."""
        if register == PRE_SCALE and not self.registers[MODE1] & SLEEP:
            return  # page 25: only while the oscillator sleeps
        channel, part = divmod(register - LED0_ON_L, 4)
        lights = LED0_ON_L <= register <= LAST_LED
        if lights and self.outputs[channel].broken:
            raise OSError(errno.EREMOTEIO, "Remote I/O error")
        self.registers[register] = value & ~RESTART if register == MODE1 else value
        if register == MODE1:
            self._show(range(CHANNELS))
        elif lights and part == 3:
            self._show([channel])

    def following(self, register: int) -> int:
        """Return the register after this one, where addresses count up at all (page 14)."""
        if not self.registers[MODE1] & AUTO_INCREMENT:
            return register
        return MODE1 if register == LAST_LED else (register + 1) & 0xFF

    def _show(self, channels: "range | list[int]") -> None:
        frequency = self._clock * CLOCK / STEPS / (self.registers[PRE_SCALE] + 1)
        for channel in channels:
            output = self.outputs[channel]
            output.frequency = frequency
            output.note(self._fraction(channel))

    def _fraction(self, channel: int) -> float:
        """Return the part of a period in which an output is on: full off goes before full on (page 16)."""
        first = LED0_ON_L + 4 * channel
        on, off = (int.from_bytes(self.registers[i : i + 2], "little") for i in (first, first + 2))
        if self.registers[MODE1] & SLEEP or off >> 8 & ALWAYS:
            return 0.0
        return 1.0 if on >> 8 & ALWAYS else ((off - on) % STEPS) / STEPS
