"""The light: three PWM outputs, dark unless told otherwise."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from retrolux.device.errors import LightError

FULL = 65535  # duty cycle of a PWM output that is always on, as pwmio counts

CHECK_PINS = "Check the pins in [light] of the configuration, and that no other program drives them."


class Light(ABC):
    """Three outputs with a duty in [0, 1] each."""

    def set(self, duties: Sequence[float]) -> None:
        """Set the duties R, G, B. Raises LightError; the light is dark then, as far as it still obeys."""
        try:
            for i, duty in enumerate(duties):
                self._do_set(i, duty)
        except OSError as error:
            raise LightError(f"The light cannot be driven: {error.strerror or error}.", CHECK_PINS) from error

    def off(self) -> None:
        """Make each output dark, also when one of them fails. Raises LightError."""
        failed: OSError | None = None
        for i in range(3):
            try:
                self._do_set(i, 0.0)
            except OSError as error:
                failed = error
        if failed is not None:
            raise LightError(f"The light cannot be made dark: {failed.strerror or failed}.", CHECK_PINS) from failed

    @abstractmethod
    def close(self) -> None:
        """Let go of the pins."""

    @abstractmethod
    def _do_set(self, i: int, duty: float) -> None: ...


class PwmioLight(Light):
    """A light of three ``pwmio.PWMOut`` (duty cycle 0 … 65535), red, green, blue."""

    def __init__(self, outputs: Sequence[Any]) -> None:
        self._outputs = tuple(outputs)

    def close(self) -> None:
        """Let go of the pins."""
        for output in self._outputs:
            output.deinit()

    def _do_set(self, i: int, duty: float) -> None:
        self._outputs[i].duty_cycle = round(duty * FULL)


class GpiozeroLight(Light):
    """A light of three ``gpiozero.PWMLED`` (value 0 … 1), red, green, blue."""

    def __init__(self, leds: Sequence[Any]) -> None:
        self._leds = tuple(leds)

    def close(self) -> None:
        """Let go of the pins."""
        for led in self._leds:
            led.close()

    def _do_set(self, i: int, duty: float) -> None:
        self._leds[i].value = duty
