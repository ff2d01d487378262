"""How much repeated readings should scatter, by a formula that shares nothing with the simulator."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from retrolux.device.measurement import Exposure
from retrolux.device.periods import beat, periods_in

SHOT = 8e-4  # counts² per count at gain 128: twice what the real readings have
READ_OUT = 5e-5  # of the ceiling, at 16x and 10 ms (AS7341 datasheet page 14)
SUPPLY = 5e-4  # of the light, from window to window: an LED's current; twice what the real readings have
AMBIENT = 0.01  # of the ambient light, from one reading to the next: clouds, and lamps that flicker
JITTER = {"sysfs": 1e-6, "pca9685": 1e-6}  # seconds of one pulse's length, where hardware times it
SOFTWARE_JITTER = 1.5e-4  # the real readings' 80 to 130 µs, and a little more
UNKNOWN = (0.95, 1.05)  # ratio of the two clocks that may be
KNOWN = 0.001  # how well tuning finds it, with room for the temperature
CHANCE = 1e-5  # that a healthy instrument is called noisy


@dataclass(frozen=True)
class Pulses:
    """What is known of the light's pulses.

    Attributes
    ----------
    frequency : float
        Nominal, in Hz.
    backend : str, optional
        What makes them, of :data:`~retrolux.device.settings.BACKENDS`.
    ratio : float, optional
        Of the two clocks, as ``retrolux tune`` found it.
    """

    frequency: float = 100.0
    backend: str | None = None
    ratio: float | None = None

    @property
    def jitter(self) -> float:
        """Standard deviation of one pulse's length in seconds, at most."""
        return JITTER.get(self.backend or "", SOFTWARE_JITTER)


def beat_noise(pulses: Pulses, exposure: Exposure, duty: float) -> float:
    """Return the largest relative standard deviation that the beat may make, by what is known of the clocks."""
    low, high = UNKNOWN if pulses.ratio is None else (pulses.ratio - KNOWN, pulses.ratio + KNOWN)
    periods = np.array([periods_in(exposure, pulses.frequency, r) for r in np.linspace(low, high, 101)])
    return float(np.max(beat(periods, duty) / duty / periods))


def jitter_noise(pulses: Pulses, exposure: Exposure, duty: float) -> float:
    """Return the relative standard deviation of the mean of a window's pulses, at most."""
    number = max(periods_in(exposure, pulses.frequency), 1.0)
    return pulses.jitter * pulses.frequency / duty / float(np.sqrt(number))


def other_noise(exposure: Exposure, light: float, ambient: float) -> float:
    """Return the standard deviation in counts of a steady light of so many counts beside so much ambient light."""
    shot = SHOT * exposure.gain / 128 * (light + ambient)
    parts = shot, (READ_OUT * exposure.ceiling) ** 2, (SUPPLY * light) ** 2, (AMBIENT * ambient) ** 2, 1 / 12
    return float(np.sqrt(sum(parts)))


def most_by_chance(n: int) -> float:
    """Return by which factor the scatter of n readings, by successive differences, may exceed what is expected.

    Differences overlap: they are worth two thirds of n - 1 degrees of freedom.
    """
    freedom = 2 * (n - 1) / 3
    return float(np.sqrt(stats.chi2.ppf(1 - CHANCE, freedom) / freedom))
