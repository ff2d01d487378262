"""Ambient light: weather that wanders, or the light that was there when a log was made."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retrolux.device.sim.sun import daylight
from retrolux.device.sim.unit import Weather

Array = NDArray[np.float64]

FLICKER = 120.0  # Hz, of a lamp on 60 Hz mains
FLICKER_DEPTH = 0.3  # of its mean


class Ambient(Protocol):
    """Counts that the sensor would have without the light."""

    def counts(self, begun: float, seconds: float) -> Array:
        """Return the mean counts of the ten channels at the reference exposure over a window, shape (10,).

        Parameters
        ----------
        begun : float
            Seconds since the epoch; times go forward.
        seconds : float
            Length of the window.
        """


class Sky(Ambient):
    """Sun, sky and a lamp.

    The logarithm of the sun's strength wanders smoothly over hours; passing clouds add what wanders over minutes, and
    how much they add itself changes with the hours, as does the sky's colour. The lamp is on or off by chance, by day
    only.

    Parameters
    ----------
    weather : Weather
    rng : numpy.random.Generator
        Draws the weather.
    usual : bool
        Whether it begins with a usual day's weather, else with whatever there may be.
    """

    def __init__(self, weather: Weather, rng: np.random.Generator, *, usual: bool = True) -> None:
        self._weather = weather
        self._rng = rng
        self._when: float | None = None
        self._age = 0.0 if usual else np.inf  # seconds that the weather has wandered when it is first seen
        self._slow = np.zeros((2, 3))  # the sun's strength, the sky's tint, the clouds' unrest; and their speeds
        self._cloud = np.zeros((2, 1))
        self._lamp = False

    def counts(self, begun: float, seconds: float) -> Array:
        """See :class:`Ambient`."""
        self._pass_time(begun)
        w, (strength, tint, unrest) = self._weather, self._slow[0]
        cloud = w.cloud * np.exp(w.cloud_spread * unrest) * self._cloud[0, 0]
        sun = daylight(begun) * np.exp(w.spread * strength + cloud)
        lamp = self._lamp * (1 + _flicker(begun, seconds))
        return np.asarray(np.maximum(np.array([sun, w.tint * tint * sun, lamp]) @ w.spectra, 0))

    def _pass_time(self, when: float) -> None:
        seconds = self._age if self._when is None else max(when - self._when, 0.0)
        w = self._weather
        self._slow = _wander(self._slow, seconds / w.memory, self._rng.normal(size=(2, 3)))
        self._cloud = _wander(self._cloud, seconds / w.cloud_memory, self._rng.normal(size=(2, 1)))
        self._lamp = self._switch(when, seconds)
        self._when = when

    def _switch(self, when: float, seconds: float) -> bool:
        w, draw = self._weather, self._rng.random()
        if daylight(when) == 0:
            return False
        keep = np.exp(-seconds / (w.lamp_seconds * (1 - w.lamp_share)))
        return bool(draw < keep * self._lamp + (1 - keep) * w.lamp_share)


class Given(Ambient):
    """The ambient light of a log, straight between its readings.

    Parameters
    ----------
    times : array_like, shape (n,)
        Seconds since the epoch, ascending.
    counts : array_like, shape (n, 10)
        At the reference exposure.
    """

    def __init__(self, times: Sequence[float], counts: ArrayLike) -> None:
        self._times = np.asarray(times, dtype=np.float64)
        self._counts = np.asarray(counts, dtype=np.float64)

    def counts(self, begun: float, seconds: float) -> Array:
        """See :class:`Ambient`."""
        begun += seconds / 2
        return np.array([np.interp(begun, self._times, column) for column in self._counts.T])


def _wander(state: Array, memories: float, draw: Array) -> Array:
    """Return value and speed of a process of correlation (1 + t) exp(-t) after some of its memories (Matern 3/2)."""
    t = min(memories, 50.0)  # by then it has forgotten
    keep = np.exp(-t) * np.array([[1 + t, t], [-t, 1 - t]])
    left = np.eye(2) - keep @ keep.T
    size = np.sqrt(max(left[0, 0], 0.0))
    slope = left[1, 0] / size if size > 0 else 0.0
    rest = np.sqrt(max(left[1, 1] - slope**2, 0.0))
    return np.asarray(keep @ state + np.array([size * draw[0], slope * draw[0] + rest * draw[1]]))


def _flicker(begun: float, seconds: float) -> float:
    """Return what a window of a flickering light sees above its mean, relative to it."""
    start, stop = (2 * np.pi * FLICKER * t for t in (begun, begun + seconds))
    return float(FLICKER_DEPTH * (np.cos(start) - np.cos(stop)) / (stop - start))
