"""The light of this machine, by the backend that the settings name."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from retrolux.device.blinka import load
from retrolux.device.bus import ReopenableBus
from retrolux.device.clock import Clock
from retrolux.device.errors import LightError
from retrolux.device.lights.light import Light, all_or_none, first_line, in_words
from retrolux.device.lights.pca9685 import Pca9685Light
from retrolux.device.lights.pins import GpiozeroLight, PwmioLight
from retrolux.device.lights.sysfs import GROUP, KernelFiles, open_sysfs
from retrolux.device.lights.wiring import board_model, hardware_channels
from retrolux.device.settings import InstrumentSettings

INSTALL = (
    "On a Raspberry Pi, in the clone of the project: pip install '.[pi]', for a PCA9685 '.[pi,pca9685]'. "
    "On another machine choose --device sim, or the http:// address of the Pi."
)


def open_light(settings: InstrumentSettings, bus: Callable[[], ReopenableBus], clock: Clock) -> Light:
    """Open the light; what it was left at it keeps until :meth:`Light.off` is called.

    Parameters
    ----------
    bus : callable
        Returns the I2C bus; called where the backend needs it.

    Raises
    ------
    LightError
        When the backend, its pins or its board cannot be had, or the wiring cannot work on this machine.
    """
    if settings.pwm_backend == "pca9685":
        return _pca9685_light(settings, bus)
    if settings.pwm_backend == "sysfs":
        return _sysfs_light(settings, clock)
    with _installed(), in_words("The light's PWM pins cannot be had"):
        if settings.pwm_backend == "gpiozero":
            return _gpiozero_light(settings)
        if settings.pwm_backend == "blinka":
            return _pwmio_light(settings)
        try:
            return _pwmio_light(settings)
        except (ImportError, NotImplementedError):  # Blinka has no PWM for this board
            return _gpiozero_light(settings)


def _pwmio_light(settings: InstrumentSettings) -> Light:
    board, pwmio = load("board"), load("pwmio")
    frequency = round(settings.pwm_frequency)

    def make(bcm: int) -> Any:  # noqa: ANN401
        return pwmio.PWMOut(getattr(board, f"D{bcm}"), frequency=frequency, duty_cycle=0)

    return PwmioLight(all_or_none(make, settings.pins, lambda output: output.deinit()), frequency)


def _gpiozero_light(settings: InstrumentSettings) -> Light:
    gpiozero, frequency = load("gpiozero"), settings.pwm_frequency

    def make(bcm: int) -> Any:  # noqa: ANN401
        return gpiozero.PWMLED(bcm, frequency=frequency)

    return GpiozeroLight(all_or_none(make, settings.pins, lambda led: led.close()), frequency)


def _sysfs_light(settings: InstrumentSettings, clock: Clock) -> Light:
    channels = hardware_channels(board_model(), settings.pins)
    with in_words("The kernel's PWM cannot be had", GROUP):
        return open_sysfs(KernelFiles(), channels, settings.pwm_frequency, clock)


def _pca9685_light(settings: InstrumentSettings, bus: Callable[[], ReopenableBus]) -> Light:
    with _installed():
        driver = load("adafruit_pca9685")
    return Pca9685Light(driver, bus(), settings.pca9685_address, settings.pca9685_channels, settings.pwm_frequency)


@contextlib.contextmanager
def _installed() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise LightError(f"The light's PWM library is not installed: {first_line(error)}.", INSTALL) from error
