"""The emulated I2C bus, with the interface of ``busio.I2C``, its time, and its faults."""

import errno
from typing import Protocol

from retrolux.device.clock import Clock
from retrolux.device.sim.chip import Chip

ADDRESS = 0x39
BIT = 1e-5  # seconds at 100 kHz


class Registers(Protocol):
    """A chip as the bus sees it: registers of one byte each."""

    def read(self, register: int) -> int:
        """Return a register's value."""

    def write(self, register: int, value: int) -> None:
        """Set a register's value."""

    def following(self, register: int) -> int:
        """Return the register that the next byte of a transaction is for."""


class EmulatedBus:
    """A bus with an AS7341 on it, and perhaps others.

    Parameters
    ----------
    chip : Chip
    clock : Clock
        Each byte takes nine bits of 10 µs of it.
    overhead : float
        Seconds that the machine adds to each transaction: system call, kernel, interpreter.

    Attributes
    ----------
    address : int
        Where the sensor answers.
    present : bool
        Whether it answers at all; set it to False to unplug it.
    others : dict of int to Registers
        What else is on the bus, by address.
    fail_after : int or None
        How many more transactions with the sensor succeed before every one fails, as a loose wire of it does.
    """

    def __init__(self, chip: Chip, clock: Clock, overhead: float = 0.0) -> None:
        self.chip = chip
        self._overhead = overhead
        self._clock = clock
        self._locked = False
        self.address = ADDRESS
        self.present = True
        self.others: dict[int, Registers] = {}
        self.fail_after: int | None = None

    def try_lock(self) -> bool:
        """Take the bus; False where it is taken."""
        taken, self._locked = self._locked, True
        return not taken

    def unlock(self) -> None:
        """Give the bus back."""
        self._locked = False

    def scan(self) -> list[int]:
        """Return the addresses that answer."""
        return [address for address in range(0x08, 0x78) if self._answers(address)]

    def writeto(self, address: int, buffer: bytes, *, start: int = 0, end: int | None = None) -> None:
        """Write a register's address and values; the address counts up."""
        data = bytes(buffer)[start:end]
        chip = self._transact(address, len(data))
        register = data[0] if data else 0
        for value in data[1:]:
            chip.write(register, value)
            register = chip.following(register)

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
        chip = self._transact(address, 2 + stop - start)
        for i in range(start, stop):
            buffer[i] = chip.read(register)
            register = chip.following(register)

    def _transact(self, address: int, n_bytes: int) -> Registers:
        """Let the time of a transaction pass; return the chip that it is with."""
        self._clock.sleep(9 * BIT * (1 + n_bytes) + self._overhead)
        if self.fail_after is not None and address == self.address:
            self.fail_after -= 1
        if not self._answers(address):
            raise OSError(errno.EREMOTEIO, "Remote I/O error")
        return self.chip if address == self.address else self.others[address]

    def _answers(self, address: int) -> bool:
        loose = self.fail_after is not None and self.fail_after < 0
        return address in self.others or (address == self.address and self.present and not loose)
