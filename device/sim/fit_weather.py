"""The fit of the ambient light: its spectra, and how it wanders from sitting to sitting and within one."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from retrolux.device.measurement import CHANNELS
from retrolux.device.sim.fit_response import Readings
from retrolux.device.sim.sun import daylight

Array = NDArray[np.float64]
SUN = CHANNELS.index("680nm")  # sees daylight, and hardly the light
LAMP = CHANNELS.index("590nm")
LAMP_LIT = 1.3  # a lamp is on where 590 nm is so much stronger against 680 nm than usual
BURST_STEP = 0.8  # seconds from reading to reading within a burst
MEMORY = 4 * 3600.0  # seconds over which weather forgets; the sittings are too few to tell
LAMP_SECONDS = 3600.0  # likewise


def offsets_of(residual: Array, sittings: NDArray[np.int64]) -> Array:
    """Return the ambient light of each sitting of twenty or more readings, NaN for others, shape (m, 10)."""
    out = np.full((sittings[-1] + 1, residual.shape[1]), np.nan)
    for one in range(len(out)):
        if (sittings == one).sum() >= 20:
            out[one] = np.nanmean(residual[sittings == one], axis=0)
    return out


def lamp_of(residual: Array, sittings: NDArray[np.int64]) -> Array:
    """Return the step of all channels at the moment at which a lamp went on within a sitting, shape (10,)."""
    best, step = 0.0, np.zeros(residual.shape[1])
    for one in range(sittings[-1] + 1):
        rows = np.flatnonzero(sittings == one)
        for i in range(5, len(rows) - 5):
            before, after = residual[rows[i - 5 : i]], residual[rows[i : i + 5]]
            if np.isnan(after).all(axis=0).any() or np.isnan(before).all(axis=0).any():
                continue
            jump = np.nanmean(after, axis=0) - np.nanmean(before, axis=0)
            unrest = np.nanstd(before[:, LAMP]) + np.nanstd(after[:, LAMP])
            if jump[LAMP] / unrest > best:
                best, step = jump[LAMP] / unrest, jump
    return step


def fit_weather(readings: Readings, residual: Array, quick: Array) -> tuple[dict[str, Array], dict[str, float]]:
    """Return spectra by name, each (10,), and the numbers of :class:`Weather`.

    ``quick`` is the relative scatter of daylight within bursts, as :func:`fit_noise.unrest_of_daylight` gives it.
    """
    offsets = offsets_of(residual, readings.sittings)
    when = np.array([readings.times[readings.sittings == i].mean() for i in range(len(offsets))])
    light = np.array([daylight(t) for t in when])
    whole = ~np.isnan(offsets[:, SUN])
    day = whole & (light == 1)
    usual = np.median(offsets[day, LAMP] / offsets[day, SUN])
    lit = day & (offsets[:, LAMP] > LAMP_LIT * usual * offsets[:, SUN])
    plain = day & ~lit
    level = np.exp(np.mean(np.log(offsets[plain, SUN])))
    strength = offsets[plain, SUN] / level
    sun = np.median(offsets[plain] / strength[:, None], axis=0)
    rest = offsets[plain] / strength[:, None] - sun
    _, sizes, axes = np.linalg.svd(rest / sun, full_matrices=False)
    spectra = {
        "sun": sun,
        "sky": axes[0] * sun * np.sqrt(len(sun)),
        "lamp": lamp_of(residual, readings.sittings),
    }
    tint = sizes[0] / np.sqrt(len(rest) * len(sun))
    clouds = _unrest(readings, residual, np.flatnonzero(day), quick)
    return spectra, {
        "spread": float(np.std(np.log(offsets[plain, SUN]))),
        "memory": MEMORY,
        "tint": float(tint),
        "lamp_share": float(lit.sum() / day.sum()),
        "lamp_seconds": LAMP_SECONDS,
    } | clouds


def _unrest(readings: Readings, residual: Array, days: NDArray[np.int64], quick: Array) -> dict[str, float]:
    """Return the typical relative unrest of daylight, the spread of its logarithm, and how fast it is.

    Two lengths of time tell the speed: how much 680 nm scatters within a sitting of two minutes, and a dark 515 nm
    within a burst of four seconds.
    """
    sizes = []
    for one in days:
        light = residual[readings.sittings == one, SUN]
        if not np.isnan(light).any():
            sizes.append(light.std(ddof=1) / light.mean())
    slow = float(np.median(sizes))
    step = float(np.median(np.diff(readings.times)))
    ratio = float(np.median(quick)) / slow
    memory = _memory(ratio, step)
    return {
        "cloud": slow / _scatter(25, step, memory),
        "cloud_spread": float(np.std(np.log(sizes))),
        "cloud_memory": float(memory),
    }


def _memory(ratio: float, step: float) -> float:
    """Return the memory, 1 s to an hour, of light that scatters so much less in a burst than in a sitting."""

    def excess(memory: float) -> float:
        return _scatter(5, BURST_STEP, memory) / _scatter(25, step, memory) - ratio

    shortest, longest = 1.0, 3600.0
    if excess(shortest) <= 0:
        return shortest
    return float(brentq(excess, shortest, longest)) if excess(longest) < 0 else longest


def _scatter(n: int, step: float, memory: float) -> float:
    """Return the standard deviation that n readings show of a Matern 3/2 process of standard deviation 1."""
    apart = np.abs(np.subtract.outer(np.arange(n), np.arange(n))) * step / memory
    together = (1 + apart) * np.exp(-apart)
    return float(np.sqrt((n - together.sum() / n) / (n - 1)))
