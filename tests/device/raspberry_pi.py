"""Fakes of what a Raspberry Pi offers: ``board``, ``pwmio`` and ``gpiozero``, wired to emulated hardware.

They are stricter than the real ones: a pin that was given back must not be driven or given back again, and one that
another program left on stays on until it is set.
"""

import importlib.abc
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import adafruit_as7341  # noqa: F401 - imported before its surroundings are faked
import pytest

from retrolux.device import pi
from retrolux.device.lights import opening
from retrolux.device.sim import Parts, load_driver
from retrolux.device.sim.lights import BOARD
from retrolux.device.sim.pwm import PwmPin
from retrolux.device.sim.sysfs import EmulatedKernel

WIRING = (19, 13, 12)  # BCM, red, green, blue: Claude-Light's


class GPIOZeroError(Exception):
    """As in gpiozero: its errors are no OSErrors."""


@dataclass
class Raspberry:
    """A Raspberry Pi whose pins and bus are emulated.

    Attributes
    ----------
    parts : Parts
        What is wired to it.
    given : list of int
        BCM numbers in the order in which they were handed out.
    held : set of int
        Those not yet given back.
    refuses : set of int
        Those that cannot be had.
    log : list of str
        What happened in which order: ``pin 19``, ``bus in the dark``, ``bus back``, …
    """

    parts: Parts
    given: list[int] = field(default_factory=list)
    held: set[int] = field(default_factory=set)
    refuses: set[int] = field(default_factory=set)
    frequencies: list[float] = field(default_factory=list)
    log: list[str] = field(default_factory=list)

    def take(self, bcm: int, frequency: float, refusal: type[Exception]) -> PwmPin:
        if bcm in self.refuses or bcm in self.held:
            raise refusal(f"pin {bcm} is already in use\nand a second line")
        self.given.append(bcm)
        self.held.add(bcm)
        self.frequencies.append(frequency)
        self.log.append(f"pin {bcm}")
        return self.parts.pins[WIRING.index(bcm)]

    def give_back(self, bcm: int, pin: PwmPin) -> None:
        self.held.remove(bcm)  # KeyError where it is given back twice
        pin.deinit()
        self.log.append(f"pin {bcm} back")


def board_module(raspberry: Raspberry) -> ModuleType:
    class Bus:
        def __getattr__(self, name: str) -> Any:
            return getattr(raspberry.parts.bus, name)

        def deinit(self) -> None:
            raspberry.log.append("bus back")

    def i2c() -> Bus:
        dark = all(pin.fraction == 0 for pin in raspberry.parts.pins)
        raspberry.log.append("bus in the dark" if dark else "bus in the light")
        return Bus()

    module = ModuleType("board")
    module.__dict__.update({f"D{bcm}": bcm for bcm in WIRING}, I2C=i2c)
    return module


def pwmio_module(raspberry: Raspberry) -> ModuleType:
    class PWMOut:
        def __init__(self, pin: int, *, frequency: int = 500, duty_cycle: int = 0) -> None:
            assert isinstance(frequency, int)
            self._bcm = pin
            self._pin = raspberry.take(pin, frequency, ValueError)
            assert duty_cycle == 0

        @property
        def duty_cycle(self) -> int:
            return self._pin.duty_cycle

        @duty_cycle.setter
        def duty_cycle(self, value: int) -> None:
            assert self._bcm in raspberry.held
            self._pin.duty_cycle = value

        def deinit(self) -> None:
            raspberry.give_back(self._bcm, self._pin)

    module = ModuleType("pwmio")
    module.__dict__["PWMOut"] = PWMOut
    return module


def gpiozero_module(raspberry: Raspberry) -> ModuleType:
    class PWMLED:
        def __init__(self, pin: int, *, initial_value: float = 0, frequency: float = 100) -> None:
            self._bcm = pin
            self._pin = raspberry.take(pin, frequency, GPIOZeroError)
            assert initial_value == 0

        @property
        def value(self) -> float:
            return self._pin.fraction

        @value.setter
        def value(self, value: float) -> None:
            assert self._bcm in raspberry.held
            if self._pin.broken:
                raise GPIOZeroError("the pin does not obey")
            self._pin.tell(int(value * 100) / 100)  # as lgpio's pins do

        def close(self) -> None:
            raspberry.give_back(self._bcm, self._pin)

    module = ModuleType("gpiozero")
    module.__dict__["PWMLED"] = PWMLED
    return module


class NoPwmio(importlib.abc.MetaPathFinder):
    """Blinka on a board for which it has no PWM: the import itself fails."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name == "pwmio":
            raise NotImplementedError("Board not supported")


def become_raspberry_pi(parts: Parts, patch: pytest.MonkeyPatch, folder: Path, *, pwmio: bool = True) -> Raspberry:
    """Make this machine a Raspberry Pi until the patches are undone."""
    raspberry = Raspberry(parts)
    patch.setitem(sys.modules, "board", board_module(raspberry))
    patch.setitem(sys.modules, "gpiozero", gpiozero_module(raspberry))
    if pwmio:
        patch.setitem(sys.modules, "pwmio", pwmio_module(raspberry))
    else:
        patch.delitem(sys.modules, "pwmio", raising=False)
        patch.setattr(sys, "meta_path", [NoPwmio(), *sys.meta_path])
    patch.setitem(sys.modules, "adafruit_pca9685", load_driver(parts.clock, "adafruit_pca9685"))
    if isinstance(kernel := parts.light.hardware, EmulatedKernel):
        patch.setattr(opening, "KernelFiles", lambda: kernel)
        patch.setattr(opening, "board_model", lambda: BOARD)
    patch.setattr(pi, "RealClock", lambda *_: parts.clock)
    patch.setattr(pi, "LOCK_FOLDERS", (folder,))
    return raspberry
