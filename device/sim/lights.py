"""The emulated light of each backend: its outputs, how it makes its pulses, and the driver of its kind on them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from retrolux.device.bus import ReopenableBus
from retrolux.device.clock import Clock
from retrolux.device.errors import LightError
from retrolux.device.lights.light import Light
from retrolux.device.lights.opening import INSTALL
from retrolux.device.lights.pca9685 import Pca9685Light
from retrolux.device.lights.pins import GpiozeroLight, PwmioLight
from retrolux.device.lights.sysfs import open_sysfs
from retrolux.device.lights.wiring import hardware_channels
from retrolux.device.settings import InstrumentSettings
from retrolux.device.sim.bus import EmulatedBus
from retrolux.device.sim.drivers import load_driver
from retrolux.device.sim.pca9685 import Pca9685
from retrolux.device.sim.pwm import EmulatedOutput, PwmLed, PwmPin
from retrolux.device.sim.sysfs import EmulatedKernel
from retrolux.device.sim.unit import Pulses, Unit

BOARD = "Raspberry Pi 5 Model B Rev 1.0"  # the only kind whose hardware PWM has three channels

Outputs = Sequence[Any]


@dataclass(frozen=True)
class EmulatedLight:
    """What stands where a Raspberry Pi has its light.

    Attributes
    ----------
    outputs : tuple of 3 EmulatedOutput
        Red, green, blue.
    pulses : Pulses
        How they are made.
    plug_in : callable
        Puts what is on the I2C bus there.
    open : callable
        Given the outputs and the bus, returns the opened light.
    hardware : optional
        What makes the pulses, where the pins do not.
    """

    outputs: tuple[EmulatedOutput, ...]
    pulses: Pulses
    plug_in: Callable[[EmulatedBus], None]
    open: Callable[[Outputs, ReopenableBus], Light]
    hardware: Pca9685 | EmulatedKernel | None = None


def make_light(unit: Unit, settings: InstrumentSettings, frequency: float, clock: Clock) -> EmulatedLight:
    """Return the emulated light of the backend that the settings name; ``auto`` is Blinka's, as on Claude-Light."""
    if settings.pwm_backend == "sysfs":
        return _kernel(unit, settings, frequency, clock)
    if settings.pwm_backend == "pca9685":
        return _controller(unit, settings, frequency, clock)
    kind, light = (PwmLed, GpiozeroLight) if settings.pwm_backend == "gpiozero" else (PwmPin, PwmioLight)
    pins = tuple(kind(frequency) for _ in range(3))
    return EmulatedLight(pins, unit.pulses, lambda _bus: None, lambda outputs, _bus: light(outputs, frequency))


def _kernel(unit: Unit, settings: InstrumentSettings, frequency: float, clock: Clock) -> EmulatedLight:
    channels, kernel = hardware_channels(BOARD, settings.pins), EmulatedKernel()

    def opened(_outputs: Outputs, _bus: ReopenableBus) -> Light:
        return open_sysfs(kernel, channels, frequency, clock)

    outputs = tuple(kernel.channels[c] for c in channels)
    return EmulatedLight(outputs, timed_by_hardware(unit.pulses), lambda _bus: None, opened, kernel)


def _controller(unit: Unit, settings: InstrumentSettings, frequency: float, clock: Clock) -> EmulatedLight:
    chip, address, channels = Pca9685(unit.pwm_clock), settings.pca9685_address, settings.pca9685_channels

    def opened(_outputs: Outputs, bus: ReopenableBus) -> Light:
        try:
            driver = load_driver(clock, "adafruit_pca9685")
        except ImportError as error:
            raise LightError("adafruit-circuitpython-pca9685 is not installed.", INSTALL) from error
        return Pca9685Light(driver, bus, address, channels, frequency)

    def plug_in(bus: EmulatedBus) -> None:
        bus.others[address] = chip

    outputs = tuple(chip.outputs[c] for c in channels)
    return EmulatedLight(outputs, timed_by_hardware(unit.pulses), plug_in, opened, chip)


def timed_by_hardware(pulses: Pulses) -> Pulses:
    """Return these pulses without jitter and never late."""
    return replace(pulses, jitter=np.zeros(3), begun_late=np.zeros(3), ended_late=np.zeros(3))
