"""The emulated light: three PWM outputs, and what of their waveform falls into a window of time."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from retrolux.device.sim.unit import Unit

FULL = 65535
COMMON = 0.6  # share of the pulses' jitter that is the same for the three outputs


@dataclass
class PwmPin:
    """One PWM output, with the interface of ``pwmio.PWMOut``.

    Attributes
    ----------
    history : list of int
        Every duty cycle that was set, 0 … 65535, for tests to look at.
    """

    history: list[int] = field(default_factory=lambda: [0])
    broken: bool = False

    @property
    def duty_cycle(self) -> int:
        """The duty, 0 … 65535."""
        return self.history[-1]

    @duty_cycle.setter
    def duty_cycle(self, value: int) -> None:
        if self.broken:
            raise OSError(5, "Input/output error")
        if not 0 <= value <= FULL:
            raise ValueError(f"duty cycle {value}")
        self.history.append(value)

    def deinit(self) -> None:
        """Let go of the pin, dark."""
        self.history.append(0)


class Waveform:
    """The light of three pins as time passes.

    The three software PWMs begin together when the light is set, at a moment that the sensor does not know, so the
    phase at which an integration begins is random. The length of each pulse jitters, most of it for all three alike.

    Parameters
    ----------
    pins : tuple of 3 PwmPin
    unit : Unit
        Gives frequency and jitter.
    rng : numpy.random.Generator
        Draws phases and jitter.
    """

    def __init__(self, pins: tuple[PwmPin, ...], unit: Unit, rng: np.random.Generator) -> None:
        self.pins = pins
        self._unit = unit
        self._rng = rng

    def mean_duty(self, seconds: float) -> NDArray[np.float64]:
        """Return the fraction of a window of this length in which each of the three is on, shape (3,)."""
        duty = np.array([pin.duty_cycle for pin in self.pins]) / FULL
        periods = seconds * self._unit.pwm_frequency
        phase = self._rng.random()
        on = np.array([_on_periods(d, phase, phase + periods) for d in duty]) / periods
        spread = self._unit.pulse_jitter * self._unit.pwm_frequency / np.sqrt(max(periods, 1.0))
        draw = np.sqrt(COMMON) * self._rng.normal() + np.sqrt(1 - COMMON) * self._rng.normal(size=3)
        pulsed = (duty > 0) & (duty < 1)
        return np.asarray(np.clip(on + pulsed * spread * draw, 0.0, 1.0))


def _on_periods(duty: float, start: float, stop: float) -> float:
    """Return how many periods of a pulse train, on in the first ``duty`` of each, lie between two times in periods."""
    return _on_before(duty, stop) - _on_before(duty, start)


def _on_before(duty: float, when: float) -> float:
    whole = np.floor(when)
    return float(whole * duty + min(when - whole, duty))
