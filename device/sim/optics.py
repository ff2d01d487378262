"""What reaches each photodiode: light, ambient light that drifts, and noise."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from retrolux.device.measurement import CHANNELS, REFERENCE
from retrolux.device.sim.pwm import Waveform
from retrolux.device.sim.unit import Unit

Array = NDArray[np.float64]


class Ambient:
    """Daylight that wanders slowly about its mean, and a lamp that does not (an Ornstein-Uhlenbeck process).

    Parameters
    ----------
    unit : Unit
        Gives both spectra, the wandering's size and its memory.
    rng : numpy.random.Generator
        Draws the wandering.
    """

    def __init__(self, unit: Unit, rng: np.random.Generator) -> None:
        self._unit = unit
        self._rng = rng
        self._level = rng.normal()
        self._when = 0.0

    def counts(self, when: float) -> Array:
        """Return counts of the ten channels at the reference exposure at a time, shape (10,); times go forward."""
        keep = np.exp(-max(when - self._when, 0.0) / self._unit.sun_memory)
        self._level = keep * self._level + np.sqrt(1 - keep**2) * self._rng.normal()
        self._when = when
        return np.asarray(self._unit.room + self._unit.sun * max(1 + self._unit.sun_spread * self._level, 0.0))


class Optics:
    """Counts that an integration gathers on each photodiode.

    Parameters
    ----------
    unit : Unit
    waveform : Waveform
        The light.
    ambient : Ambient
    rng : numpy.random.Generator
        Draws shot and dark noise.
    """

    def __init__(self, unit: Unit, waveform: Waveform, ambient: Ambient, rng: np.random.Generator) -> None:
        self._unit = unit
        self._waveform = waveform
        self._ambient = ambient
        self._rng = rng

    def flux(self, when: float, seconds: float) -> Mapping[str, float]:
        """Return each channel's light of a window, as counts at gain 128 with both halves of its photodiodes.

        The light's waveform is the same for all channels of a window, so its noise is common to them.
        """
        mean = self._unit.slopes @ self._waveform.mean_duty(seconds) + self._ambient.counts(when)
        return dict(zip(CHANNELS, (mean * seconds / REFERENCE.seconds).tolist(), strict=True))

    def read_out(self, counts: float, gain: float) -> int:
        """Return a converter's count: shot noise, dark noise, rounding; never negative."""
        noise = self._unit.shot * gain / 128 * counts + self._unit.dark_counts**2
        return max(0, round(counts + self._rng.normal() * float(np.sqrt(noise))))
