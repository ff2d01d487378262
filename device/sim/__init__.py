"""The simulated instrument: an emulated AS7341 on an emulated bus, looking at an emulated light."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from retrolux.device.bench import Bench, wire_of
from retrolux.device.bus import ReopenableBus
from retrolux.device.clock import Clock, FakeClock, RealClock
from retrolux.device.lights.pin_file import PinFile
from retrolux.device.log import read_records
from retrolux.device.sensor import Sensor
from retrolux.device.settings import InstrumentSettings
from retrolux.device.sim.ambient import Ambient, Sky
from retrolux.device.sim.bus import EmulatedBus
from retrolux.device.sim.chip import Chip
from retrolux.device.sim.defects import defect
from retrolux.device.sim.drivers import load_driver
from retrolux.device.sim.faults import FaultyBus
from retrolux.device.sim.given import ambient_of
from retrolux.device.sim.lights import EmulatedLight, make_light
from retrolux.device.sim.optics import Optics
from retrolux.device.sim.pwm import EmulatedOutput, Waveform
from retrolux.device.sim.unit import Unit, make_unit

__all__ = ["EFFECTS", "MORNING", "OVERHEAD", "Parts", "Scene", "load_driver", "make_parts", "open_sim"]

# seconds of each bus transaction that a Pi's kernel and interpreter take; a reading's passes then lie 31.4 periods
# apart, as the correlations of the real ones have it
OVERHEAD = 2.4e-4


@dataclass(frozen=True)
class Parts:
    """What a simulated instrument is made of, for tests that look behind it or break it."""

    pins: tuple[Any, ...]  # of the emulated outputs' several kinds
    chip: Chip
    bus: EmulatedBus
    clock: Clock
    light: EmulatedLight


MORNING = 1_762_182_000.0  # 2025-11-03 15:00 UTC: when a simulated day begins, whatever the clock shows


@dataclass(frozen=True)
class Scene:
    """What is simulated beside the unit itself.

    Attributes
    ----------
    unit : Unit, optional
        Instead of the one of the number.
    ambient : Ambient, optional
        Instead of the unit's own weather.
    epoch : float
        When the weather begins, seconds since the epoch.
    usual : bool
        Whether it begins with a usual day's weather, else with whatever there may be.
    seed : int
        Of noise and weather.
    without : frozenset of str
        Effects switched off, of :data:`EFFECTS`.
    light : InstrumentSettings
        Backend and wiring of the light.
    frequency : float, optional
        Of the light's pulses in Hz, instead of the unit's own.
    fault : str, optional
        A defect that it has, of :data:`~retrolux.device.sim.defects.DEFECTS`.
    """

    unit: Unit | None = None
    ambient: Ambient | None = None
    epoch: float = MORNING
    usual: bool = True
    seed: int = 0
    without: frozenset[str] = frozenset()
    light: InstrumentSettings = field(default_factory=InstrumentSettings)
    frequency: float | None = None
    fault: str | None = None


EFFECTS = ("beat", "jitter", "supply", "shot", "dark", "drift")
"""What makes a reading scatter; the noise budget switches each off in turn."""


def make_parts(number: int, clock: Clock, scene: Scene | None = None) -> Parts:
    """Return the emulated hardware of unit N; the same unit and the same calls give the same readings."""
    scene = scene or Scene()
    defective = defect(scene.fault)
    unit = defective.on_unit(_calmed(scene.unit or make_unit(number), scene.without))
    sky, waveform, noise = (np.random.default_rng(s) for s in np.random.SeedSequence([93, number, scene.seed]).spawn(3))
    light = make_light(unit, scene.light, scene.frequency or unit.pulses.frequency, clock)
    shone = Waveform(defective.wires(light.outputs), light.pulses, waveform, beats="beat" not in scene.without)
    ambient = defective.on_ambient(scene.ambient or Sky(unit.weather, sky, usual=scene.usual), unit)
    optics = Optics(unit, shone, ambient, noise, scene.epoch - clock.monotonic())
    chip = Chip(unit, optics, clock)
    # in real time the interpreter adds its own; on a fake clock it would take none
    overhead = OVERHEAD if isinstance(clock, FakeClock) else 0.0
    bus = (
        EmulatedBus(chip, clock, overhead) if scene.light.hang_file is None else _hanging(chip, clock, overhead, scene)
    )
    light.plug_in(bus)
    defective.bus(bus)
    if scene.light.pins_file is not None:
        _keep(light.outputs, PinFile(scene.light.pins_file))
    return Parts(light.outputs, chip, bus, clock, light)


def _hanging(chip: Chip, clock: Clock, overhead: float, scene: Scene) -> FaultyBus:
    bus, file = FaultyBus(chip, clock, np.random.default_rng(scene.seed), overhead), scene.light.hang_file
    bus.hangs = lambda: file is not None and file.exists()
    return bus


def _keep(outputs: Sequence[EmulatedOutput], file: PinFile) -> None:
    """Begin as the file says that the outputs were left, and write to it whatever they are given."""
    for output, duty in zip(outputs, file.read(), strict=True):
        output.note(duty)
    for output in outputs:
        output.noted = lambda: file.write([each.fraction for each in outputs])


def _calmed(unit: Unit, without: frozenset[str]) -> Unit:
    """Return the unit without some of its noise; a memory without end is a drift that never comes."""
    if "jitter" in without:
        unit = replace(unit, pulses=replace(unit.pulses, jitter=np.zeros(3)))
    if "supply" in without:
        unit = replace(unit, leds=replace(unit.leds, supply=0.0))
    if "shot" in without:
        unit = replace(unit, shot=0.0)
    if "dark" in without:
        unit = replace(unit, dark_counts=0.0)
    if "drift" in without:
        unit = replace(unit, weather=replace(unit.weather, memory=np.inf, cloud_memory=np.inf, lamp_seconds=np.inf))
    return unit


def open_sim(number: int, settings: InstrumentSettings, parts: Parts | None = None) -> Bench:
    """Open unit N.

    Parameters
    ----------
    number : int
        0 for ``sim``, the unit fitted to Claude-Light.
    settings : InstrumentSettings
        Exposure, and whether time is real; seed, beginning and ambient light.
    parts : Parts, optional
        Hardware made beforehand.

    Raises
    ------
    LogUnreadable
        When the log of the ambient light cannot be read, or does not tell it.
    BadInput
        When the settings name a defect that there is not.
    """
    clock = RealClock(lambda: True) if settings.real_time else FakeClock(settings.begins)
    parts = parts or make_parts(number, clock, _scene(number, settings))
    bus = ReopenableBus(lambda: parts.bus)
    light = parts.light.open(parts.pins, bus)
    if settings.pins_file is not None:
        light.off()  # as on a Raspberry Pi: whatever it was left at
    sensor = Sensor(load_driver(parts.clock), bus, parts.clock, settings.exposure, bus.reopen)
    name = f"sim:{number}" if number else "sim"
    wire = wire_of(settings, light.frequency)
    parts.chip.wired_to = wire.colour if wire else None
    return Bench(name, light, sensor, parts.clock, wire=wire)


def _scene(number: int, settings: InstrumentSettings) -> Scene:
    log = settings.ambient_log
    ambient = None if log is None else ambient_of(read_records(log), make_unit(number))
    own = Scene(ambient=ambient, seed=settings.seed, light=settings, frequency=settings.pwm_frequency)
    own = replace(own, fault=settings.fault)
    return own if settings.begins is None else replace(own, epoch=settings.begins, usual=False)
