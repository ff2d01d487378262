"""The simulated instrument: an emulated AS7341 on an emulated bus, looking at an emulated light."""

import importlib.util
import sys
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from retrolux.device.bench import Bench
from retrolux.device.bus import ReopenableBus
from retrolux.device.clock import Clock, FakeClock, RealClock
from retrolux.device.light import PwmioLight
from retrolux.device.sensor import Sensor
from retrolux.device.settings import InstrumentSettings
from retrolux.device.sim.bus import EmulatedBus
from retrolux.device.sim.chip import Chip
from retrolux.device.sim.optics import Ambient, Optics
from retrolux.device.sim.pwm import PwmPin, Waveform
from retrolux.device.sim.unit import make_unit

DRIVER = "adafruit_as7341"


@dataclass(frozen=True)
class Parts:
    """What a simulated instrument is made of, for tests that look behind it or break it."""

    pins: tuple[PwmPin, ...]
    chip: Chip
    bus: EmulatedBus
    clock: Clock


def make_parts(number: int, clock: Clock) -> Parts:
    """Return the emulated hardware of unit N; the same unit and the same calls give the same readings."""
    unit = make_unit(number)
    ambient, waveform, noise = (np.random.default_rng(s) for s in np.random.SeedSequence([93, number]).spawn(3))
    pins = (PwmPin(), PwmPin(), PwmPin())
    optics = Optics(unit, Waveform(pins, unit, waveform), Ambient(unit, ambient), noise)
    chip = Chip(unit, optics, clock)
    return Parts(pins, chip, EmulatedBus(chip, clock), clock)


def open_sim(number: int, settings: InstrumentSettings, parts: Parts | None = None) -> Bench:
    """Open unit N.

    Parameters
    ----------
    number : int
        0 for ``sim``, the unit fitted to Claude-Light.
    settings : InstrumentSettings
        Exposure, and whether time is real.
    parts : Parts, optional
        Hardware made beforehand.
    """
    parts = parts or make_parts(number, RealClock() if settings.real_time else FakeClock())
    bus = ReopenableBus(lambda: parts.bus)
    sensor = Sensor(load_driver(parts.clock), bus, parts.clock, settings.exposure, bus.reopen)
    return Bench(f"sim:{number}" if number else "sim", PwmioLight(parts.pins), sensor, parts.clock)


def load_driver(clock: Clock) -> ModuleType:
    """Return a copy of the unmodified driver that waits by this clock; the module others import is left alone."""
    found = importlib.util.find_spec(DRIVER)
    if found is None or found.origin is None or found.loader is None:
        raise ModuleNotFoundError(DRIVER)
    spec = importlib.util.spec_from_file_location(f"retrolux_sim_{DRIVER}", found.origin)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(DRIVER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.__dict__.update(sleep=clock.sleep, monotonic=clock.monotonic)
    sys.modules.pop(module.__name__, None)
    return module
