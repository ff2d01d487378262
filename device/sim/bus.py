"""The emulated I2C bus, with the interface of ``busio.I2C``, its time, and its faults."""

import errno

from retrolux.device.clock import Clock
from retrolux.device.sim.chip import Chip

ADDRESS = 0x39
BIT = 1e-5  # seconds at 100 kHz


class EmulatedBus:
    """A bus with one AS7341 on it.

    Parameters
    ----------
    chip : Chip
    clock : Clock
        Each byte takes nine bits of 10 µs of it.
    overhead : float
        Seconds that the machine adds to each transaction: system call, kernel, interpreter.

    Attributes
    ----------
    present : bool
        Whether the sensor answers at all; set it to False to unplug it.
    fail_after : int or None
        How many more transactions succeed before every one fails, as a loose wire does.
    """

    def __init__(self, chip: Chip, clock: Clock, overhead: float = 0.0) -> None:
        self.chip = chip
        self._overhead = overhead
        self._clock = clock
        self._locked = False
        self.present = True
        self.fail_after: int | None = None

    def try_lock(self) -> bool:
        """Take the bus; False where it is taken."""
        taken, self._locked = self._locked, True
        return not taken

    def unlock(self) -> None:
        """Give the bus back."""
        self._locked = False

    def writeto(self, address: int, buffer: bytes, *, start: int = 0, end: int | None = None) -> None:
        """Write a register's address and values; the address counts up."""
        data = bytes(buffer)[start:end]
        self._transact(address, len(data))
        for i, value in enumerate(data[1:]):
            self.chip.write((data[0] + i) & 0xFF, value)

    def readfrom_into(self, address: int, buffer: bytearray, *, start: int = 0, end: int | None = None) -> None:
        """Read from register 0 on; only ever used to see whether the sensor is there."""
        self._read(address, 0, buffer, start, end)

    def writeto_then_readfrom(  # noqa: PLR0913 - busio's interface
        self,
        address: int,
        out_buffer: bytes,
        in_buffer: bytearray,
        *,
        out_start: int = 0,
        out_end: int | None = None,
        in_start: int = 0,
        in_end: int | None = None,
    ) -> None:
        """Write a register's address, then read from it on; the address counts up."""
        self._read(address, bytes(out_buffer)[out_start:out_end][0], in_buffer, in_start, in_end)

    def deinit(self) -> None:
        """Let go of the bus."""

    def _read(self, address: int, register: int, buffer: bytearray, start: int, end: int | None) -> None:
        stop = len(buffer) if end is None else end
        self._transact(address, 2 + stop - start)
        for i in range(start, stop):
            buffer[i] = self.chip.read((register + i - start) & 0xFF)

    def _transact(self, address: int, n_bytes: int) -> None:
        self._clock.sleep(9 * BIT * (1 + n_bytes) + self._overhead)
        if self.fail_after is not None:
            self.fail_after -= 1
        if address != ADDRESS or not self.present or (self.fail_after is not None and self.fail_after < 0):
            raise OSError(errno.EREMOTEIO, "Remote I/O error")
