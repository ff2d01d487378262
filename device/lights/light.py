"""The light: three PWM outputs, dark unless told otherwise."""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from retrolux.device.errors import LightError

Output = TypeVar("Output")

CHECK_PINS = "Check the pins in [light] of the configuration, and that no other program drives them."


class Light(ABC):
    """Three outputs with a duty in [0, 1] each.

    Parameters
    ----------
    outputs : sequence of 3
        The library's objects: red, green, blue.

    Attributes
    ----------
    backend : str
        As the configuration names it.
    levels : int
        How many different duties an output can have, 0 and 1 among them.
    frequency : float
        Of the pulses, in Hz: what the backend makes of the one it was asked for, by its nominal clock.
    """

    backend: str
    levels: int

    def __init__(self, outputs: Sequence[Any], frequency: float) -> None:
        self._outputs = list(outputs)
        self.frequency = frequency

    def set(self, duties: Sequence[float]) -> tuple[float, ...]:
        """Set the duties R, G, B.

        Returns
        -------
        tuple of 3 float
            The duties really set: the nearest of :attr:`levels`.

        Raises
        ------
        LightError
            Where an output fails; call :meth:`off` then.
        """
        with in_words("The light cannot be driven"):
            return tuple(self._drive(output, duty) for output, duty in zip(self._outputs, duties, strict=True))

    def holds(self) -> bool:
        """Return whether the outputs are still as they were set, as far as the backend can tell. Raises LightError."""
        return True

    def off(self) -> None:
        """Make each output dark, also when one of them fails. Raises LightError."""
        with in_words("The light cannot be made dark"), contextlib.ExitStack() as each:
            for output in self._outputs:
                each.callback(self._drive, output, 0.0)

    def close(self) -> None:
        """Let go of each pin, also when one of them fails; a second call does nothing. Raises LightError."""
        with in_words("The light's pins cannot be given back"), contextlib.ExitStack() as each:
            while self._outputs:
                each.callback(self._let_go, self._outputs.pop())

    @abstractmethod
    def _drive(self, output: Any, duty: float) -> float:  # noqa: ANN401 - the libraries have no types
        """Set one output; return the duty really set."""

    @abstractmethod
    def _let_go(self, output: Any) -> None: ...  # noqa: ANN401


@contextlib.contextmanager
def in_words(what: str, remedy: str = CHECK_PINS) -> Iterator[None]:
    """Turn whatever the GPIO libraries raise into a LightError: their errors have no common base."""
    try:
        yield
    except ImportError:
        raise
    except LightError as error:
        raise LightError(f"{what}: {error.cause}", error.remedy) from error
    except Exception as error:
        reason = getattr(error, "strerror", None) or first_line(error)
        raise LightError(f"{what}: {reason}.", remedy) from error


def first_line(error: BaseException) -> str:
    """Return the beginning of what an error says, without a full stop."""
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


def all_or_none(
    make: Callable[[int], Output], numbers: Sequence[int], unmake: Callable[[Output], object]
) -> list[Output]:
    """Make an output of each number, or, where one cannot be had, let go of those that were made."""
    with contextlib.ExitStack() as undo:
        made = []
        for number in numbers:
            made.append(make(number))
            undo.callback(unmake, made[-1])
        undo.pop_all()
        return made
