"""The emulated light: three PWM outputs, and what of their waveform falls into a window of time."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from retrolux.device.sim.unit import Pulses

FULL = 65535
REMEMBERED = 4096

Array = NDArray[np.float64]


class Output(Protocol):
    """What the waveform needs to know of an emulated output, whatever library drives it."""

    @property
    def fraction(self) -> float:
        """The duty it has been told, 0 … 1."""

    @property
    def changes(self) -> int:
        """How many times it has been told one."""

    @property
    def frequency(self) -> float:
        """Of its pulses, in Hz of the true clock."""


@dataclass
class EmulatedOutput:
    """One PWM output that remembers what it was told.

    Attributes
    ----------
    frequency : float
        In Hz.
    fractions : deque of float
        The latest duties that were set, 0 … 1, for tests to look at; a simulator that runs for a year forgets others.
    changes : int
        How many times a duty was set.
    broken : bool
        Whether it refuses to be told another.
    noted : callable
        Called whenever it has a duty that it was given. Raises OSError where that cannot be.
    """

    frequency: float = 100.0
    fractions: deque[float] = field(default_factory=lambda: deque([0.0], maxlen=REMEMBERED))
    changes: int = 1
    broken: bool = False
    noted: Callable[[], None] = lambda: None

    def tell(self, fraction: float) -> None:
        """Set the duty. Raises OSError, ValueError."""
        if self.broken:
            raise OSError(5, "Input/output error")
        if not 0 <= fraction <= 1:
            raise ValueError(f"duty {fraction}")
        self.note(fraction)

    def note(self, fraction: float) -> None:
        """Take down a duty that the output now has, whatever asked for it."""
        self.fractions.append(fraction)
        self.changes += 1
        self.noted()

    @property
    def fraction(self) -> float:
        """The duty, 0 … 1."""
        return self.fractions[-1]


class PwmPin(EmulatedOutput):
    """An output with the interface of ``pwmio.PWMOut``."""

    @property
    def duty_cycle(self) -> int:
        """The duty, 0 … 65535."""
        return round(self.fraction * FULL)

    @duty_cycle.setter
    def duty_cycle(self, value: int) -> None:
        self.tell(value / FULL)

    @property
    def history(self) -> list[int]:
        """The latest duty cycles that were set."""
        return [round(fraction * FULL) for fraction in self.fractions]

    def deinit(self) -> None:
        """Let go of the pin, dark."""
        self.note(0.0)


class PwmLed(EmulatedOutput):
    """An output with the interface of ``gpiozero.PWMLED`` on lgpio's pins, which cut off what is below a per cent."""

    @property
    def value(self) -> float:
        """The duty, 0 … 1."""
        return self.fraction

    @value.setter
    def value(self, value: float) -> None:
        self.tell(int(value * 100) / 100)

    def close(self) -> None:
        """Let go of the pin, dark."""
        self.note(0.0)


class Waveform:
    """The light of three outputs as time passes.

    The three PWMs begin together when the light is set, at a moment that the sensor does not know; from then on their
    phase follows time, so that the second pass of a reading begins at another phase than the first. The length of
    each pulse jitters, some of it for all three alike.

    Parameters
    ----------
    outputs : sequence of 3 Output
        Their pulses are of one frequency.
    pulses : Pulses
        How they are made; of these outputs' frequency, whatever stands there.
    rng : numpy.random.Generator
        Draws phases and jitter.
    beats : bool
        Whether a window sees the part of a period that it begins or ends in; else it sees their mean.
    """

    def __init__(
        self, outputs: Sequence[Output], pulses: Pulses, rng: np.random.Generator, *, beats: bool = True
    ) -> None:
        self.outputs = tuple(outputs)
        self.settings = 0
        self._nominal = pulses
        self._rng = rng
        self._beats = beats
        self._phase = 0.0

    def mean_on(self, begun: float, seconds: float) -> Array:
        """Return the fraction of a window in which each of the three is on, shape (3,).

        Parameters
        ----------
        begun, seconds : float
            When the window begins and how long it is, in true seconds.
        """
        self._notice_settings()
        duty, pulses = self._duty(), self._pulses
        on, periods = pulses.on(duty), seconds * pulses.frequency
        phase = self._phase + begun * pulses.frequency
        seen = _on_periods(on, phase, phase + periods) / periods if self._beats else on
        pulsed = (duty > 0) & (duty < 1)
        return np.asarray(np.clip(seen + pulsed * self._jitter(periods), 0.0, 1.0))

    def falls(self, colour: int, when: float) -> float | None:
        """Return when an output next goes off, true seconds; None where it has no pulses."""
        self._notice_settings()
        duty, pulses = self._duty(), self._pulses
        if not 0 < duty[colour] < 1:
            return None
        on = pulses.on(duty)[colour]
        return when + float((on - self._phase - when * pulses.frequency) % 1) / pulses.frequency

    @property
    def period(self) -> float:
        """Seconds from one pulse to the next."""
        return 1 / self._pulses.frequency

    @property
    def _pulses(self) -> Pulses:
        return replace(self._nominal, frequency=self.outputs[0].frequency)

    def _duty(self) -> Array:
        return np.array([output.fraction for output in self.outputs])

    def _notice_settings(self) -> None:
        settings = sum(output.changes for output in self.outputs)
        if settings != self.settings:
            self.settings, self._phase = settings, self._rng.random()

    def _jitter(self, periods: float) -> Array:
        """Return the error of the mean of a window's pulses, in duty."""
        pulses, common = self._pulses, self._nominal.common
        draw = np.sqrt(common) * self._rng.normal() + np.sqrt(1 - common) * self._rng.normal(size=3)
        return np.asarray(pulses.jitter * pulses.frequency / np.sqrt(max(periods, 1.0)) * draw)


def _on_periods(on: Array, start: float, stop: float) -> Array:
    """Return how many periods of pulse trains, on in the first part of each, lie between two times in periods."""
    return _on_before(on, stop) - _on_before(on, start)


def _on_before(on: Array, when: float) -> Array:
    whole = np.floor(when)
    return np.asarray(whole * on + np.minimum(when - whole, on))
