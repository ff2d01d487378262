"""The light: three PWM outputs, dark unless told otherwise."""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

from retrolux.device.errors import LightError

FULL = 65535  # duty cycle of a PWM output that is always on, as pwmio counts

CHECK_PINS = "Check the pins in [light] of the configuration, and that no other program drives them."


class Light(ABC):
    """Three outputs with a duty in [0, 1] each.

    Parameters
    ----------
    outputs : sequence of 3
        The library's objects: red, green, blue.
    """

    def __init__(self, outputs: Sequence[Any]) -> None:
        self._outputs = list(outputs)

    def set(self, duties: Sequence[float]) -> None:
        """Set the duties R, G, B. Raises LightError where an output fails; call :meth:`off` then."""
        with _in_words("The light cannot be driven"):
            for output, duty in zip(self._outputs, duties, strict=True):
                self._drive(output, duty)

    def off(self) -> None:
        """Make each output dark, also when one of them fails. Raises LightError."""
        with _in_words("The light cannot be made dark"), contextlib.ExitStack() as each:
            for output in self._outputs:
                each.callback(self._drive, output, 0.0)

    def close(self) -> None:
        """Let go of each pin, also when one of them fails; a second call does nothing. Raises LightError."""
        with _in_words("The light's pins cannot be given back"), contextlib.ExitStack() as each:
            while self._outputs:
                each.callback(self._let_go, self._outputs.pop())

    @abstractmethod
    def _drive(self, output: Any, duty: float) -> None: ...  # noqa: ANN401 - the libraries have no types

    @abstractmethod
    def _let_go(self, output: Any) -> None: ...  # noqa: ANN401


class PwmioLight(Light):
    """A light of three ``pwmio.PWMOut`` (duty cycle 0 … 65535), red, green, blue."""

    def _drive(self, output: Any, duty: float) -> None:  # noqa: ANN401
        output.duty_cycle = round(duty * FULL)

    def _let_go(self, output: Any) -> None:  # noqa: ANN401
        output.deinit()


class GpiozeroLight(Light):
    """A light of three ``gpiozero.PWMLED`` (value 0 … 1), red, green, blue."""

    def _drive(self, output: Any, duty: float) -> None:  # noqa: ANN401
        output.value = duty

    def _let_go(self, output: Any) -> None:  # noqa: ANN401
        output.close()


@contextlib.contextmanager
def _in_words(what: str) -> Iterator[None]:
    """Turn whatever the GPIO libraries raise into a LightError: their errors have no common base."""
    try:
        yield
    except Exception as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise LightError(f"{what}: {reason}.", CHECK_PINS) from error
