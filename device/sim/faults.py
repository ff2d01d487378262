"""Faults of the bus and of the sensor's supply, struck at a transaction of one's choice."""

import errno
import time
from collections.abc import Callable
from enum import StrEnum
from typing import NoReturn

import numpy as np

from retrolux.device.clock import Clock
from retrolux.device.sim.bus import EmulatedBus
from retrolux.device.sim.chip import ENABLE, MEASURE, Chip

TIMEOUT_SECONDS = 0.035  # an I2C host's usual patience with a stretched clock (SMBus 2.0: 25 to 35 ms)
HANG_POLL = 0.05  # seconds, real ones
MOST_IN_A_ROW = 3  # transactions that a disturbance spoils


class Fault(StrEnum):
    """What can happen.

    ``NACK``: one to three transactions are not acknowledged, the first perhaps in its middle. ``TIMEOUT``: one to
    three time out, though the sensor may have taken what was written. ``STUCK``: every transaction times out until
    the bus is opened anew. ``BROWN_OUT``: the sensor forgets everything and answers on. ``NEVER_READY``: the running
    integration, or the next one, never ends; the one after does.
    """

    NACK = "NACK"
    TIMEOUT = "timeout"
    STUCK = "stuck bus"
    BROWN_OUT = "brown-out"
    NEVER_READY = "never ready"


class FaultyBus(EmulatedBus):
    """A bus on which faults can be armed.

    Parameters
    ----------
    chip : Chip
    clock : Clock
    rng : numpy.random.Generator
        Draws how many transactions a disturbance spoils, and how many bytes of the first one arrive.
    overhead : float
        As of :class:`EmulatedBus`.

    Attributes
    ----------
    transactions : int
        How many there were.
    hangs : callable
        As long as this returns True, no transaction ends: the calling thread stays in it, whatever the clock is.
    """

    def __init__(self, chip: Chip, clock: Clock, rng: np.random.Generator, overhead: float = 0.0) -> None:
        super().__init__(chip, clock, overhead)
        self.hangs: Callable[[], bool] = lambda: False
        self._rng = rng
        self.transactions = 0
        self._armed: list[tuple[int, Fault]] = []
        self._spoils: Fault | None = None
        self._spoiled = 0
        self._hangs_next = False

    def arm(self, fault: Fault, after: int) -> None:
        """Let a fault strike once this many more transactions are over."""
        self._armed.append((self.transactions + after, fault))

    def disarm(self) -> bool:
        """Call off the faults that are still to come; return whether there was none."""
        struck, self._armed = not self._armed, []
        return struck

    def writeto(self, address: int, buffer: bytes, *, start: int = 0, end: int | None = None) -> None:
        """Write as :class:`EmulatedBus` does, or fail, perhaps with some of the bytes written."""
        data = bytes(buffer)[start:end]
        self._count()
        if self._spoils:
            arrived = int(self._rng.integers(len(data) + 1)) if self._spoils is not Fault.STUCK else 0
            if arrived:
                super().writeto(address, data[:arrived])
            self._fail()
        super().writeto(address, data)
        if data and data[0] == ENABLE:
            self._started_or_stopped()

    def deinit(self) -> None:
        """Let go of the bus, which ends a stuck one."""
        if self._spoils is Fault.STUCK:
            self._spoils = None

    def _read(self, address: int, register: int, buffer: bytearray, start: int, end: int | None) -> None:
        self._count()
        if self._spoils:
            self._fail()
        super()._read(address, register, buffer, start, end)

    def _count(self) -> None:
        while self.hangs():
            time.sleep(HANG_POLL)
        due = [fault for when, fault in self._armed if when <= self.transactions]
        self._armed = [(when, fault) for when, fault in self._armed if when > self.transactions]
        for fault in due:
            self._strike(fault)
        self.transactions += 1

    def _strike(self, fault: Fault) -> None:
        if fault is Fault.BROWN_OUT:
            self.chip.power_loss()
        elif fault is Fault.NEVER_READY:
            self._hangs_next = True
            if self.chip.registers[ENABLE] & MEASURE:
                self._started_or_stopped()
        else:
            self._spoils, self._spoiled = fault, int(self._rng.integers(1, MOST_IN_A_ROW + 1))

    def _started_or_stopped(self) -> None:
        if not self.chip.registers[ENABLE] & MEASURE:
            self.chip.stuck_data = False
        elif self._hangs_next:
            self.chip.stuck_data, self._hangs_next = True, False

    def _fail(self) -> NoReturn:
        fault = self._spoils
        if fault is not Fault.STUCK:
            self._spoiled -= 1
            self._spoils = fault if self._spoiled else None
        if fault is Fault.NACK:
            raise OSError(errno.EREMOTEIO, "Remote I/O error")
        self._clock.sleep(TIMEOUT_SECONDS)
        raise OSError(errno.ETIMEDOUT, "Connection timed out")
