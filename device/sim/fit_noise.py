"""The fit of the noise: pulses' jitter from sittings at night, the rest from bursts of one channel."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from retrolux.device.measurement import CHANNELS, REFERENCE
from retrolux.device.sim.fit_response import FREQUENCY, Readings, on_fraction

Array = NDArray[np.float64]
PERIODS = REFERENCE.seconds * FREQUENCY
DAYLIGHT = 500.0  # counts of 515 nm in the dark that only daylight gives
OUTLIER = 0.008  # of duty; a reading further off is no jitter
_WEIGHTS = {"445nm": 8.0, "480nm": 8.0, "515nm": 10.0, "590nm": 8.0, "630nm": 8.0}  # counts, of what is no jitter


@dataclass(frozen=True)
class Bursts:
    """Bursts of five readings of 515 nm at one green duty; shapes (n,) and (n, 5)."""

    duty: Array
    counts: Array


def as_bursts(duty: Array, times: Array, counts: Array) -> Bursts:
    """Return the bursts of five of a log, those with a saturated or failed reading left out."""
    starts = [0] + [i for i in range(1, len(duty)) if duty[i] != duty[i - 1] or times[i] - times[i - 1] > 60]
    fives = [slice(a, a + 5) for a, b in zip(starts, [*starts[1:], len(duty)], strict=True) if b - a >= 5]
    good = [s for s in fives if counts[s].min() >= 0 and counts[s].max() < 65535]
    return Bursts(np.array([duty[s.start] for s in good]), np.array([counts[s] for s in good]))


def beat_covariance(on: Array, periods: float) -> Array:
    """Return the covariance of the parts of a window in which pulse trains of one phase are on.

    Parameters
    ----------
    on : ndarray, shape (k,)
        Fraction of each period.
    periods : float
        Length of the window.
    """
    phase = (np.arange(2000) + 0.5)[:, None] / 2000
    stop = phase + periods
    seen = (np.floor(stop) * on + np.minimum(stop % 1, on) - np.minimum(phase, on)) / periods
    return np.atleast_2d(np.cov(seen.T, bias=True))


def duty_errors(residual: Array, counts: Array) -> Array:
    """Return the error of each colour's duty in the pass that sees it best, shape (n, 3): R in the second pass."""
    first, second = (_invert(residual, counts, names, k) for names, k in _SEEN)
    return np.column_stack([second, first])


_SEEN = ((("445nm", "480nm", "515nm"), [1, 2]), (("590nm", "630nm"), [0]))


def _invert(residual: Array, counts: Array, names: tuple[str, ...], colours: list[int]) -> Array:
    rows = [CHANNELS.index(name) for name in names]
    weight = 1 / np.array([_WEIGHTS[name] for name in names])
    pseudo = np.linalg.pinv(counts[np.ix_(rows, colours)] * weight[:, None]) * weight
    return np.asarray(residual[:, rows] @ pseudo.T)


def fit_jitter(readings: Readings, errors: Array, late: Array, night: NDArray[np.bool_]) -> tuple[Array, float]:
    """Return the standard deviation of a pulse's length in seconds, shape (3,), and the share common to G and B.

    What is left of the errors' variance once the beat's is taken from it.
    """
    on = on_fraction(readings.inputs, late)
    pulsed = (readings.inputs > 0) & (readings.inputs < 1)
    use = night[:, None] & pulsed & (np.abs(errors) < OUTLIER)
    left = np.empty(3)
    for k in range(3):
        beat = np.mean([beat_covariance(d, PERIODS)[0, 0] for d in on[use[:, k], k]])
        left[k] = max(errors[use[:, k], k].var() - beat, 0.0)
    both = use[:, 1] & use[:, 2]
    beat = np.mean([beat_covariance(d, PERIODS)[0, 1] for d in on[both][:, [1, 2]]])
    together = np.mean(errors[both, 1] * errors[both, 2]) - beat
    jitter = np.sqrt(left * PERIODS) / FREQUENCY
    return jitter, float(np.clip(together / np.sqrt(left[1] * left[2]), 0, 0.95))


def fit_bursts(bursts: Bursts) -> dict[str, float]:
    """Return shot noise (variance per count), dark noise (counts), the supply's relative noise, and the warm-up."""
    dark, full = bursts.counts[bursts.duty == 0], bursts.counts[bursts.duty == 1]
    bright = dark[dark.mean(axis=1) > DAYLIGHT]
    shot = float(np.median(_detrended(bright) / bright.mean(axis=1)) * 3 / chi2.median(3))
    still = dark[dark.mean(axis=1) < 5]
    noise = np.median(_detrended(full) / full.mean(axis=1) ** 2) * 3 / chi2.median(3)
    course = (full / full.mean(axis=1, keepdims=True)).mean(axis=0)
    return {
        "shot": shot,
        "dark_counts": float(np.sqrt(max(still.var(axis=1, ddof=1).mean() - 1 / 12, 0.01))),
        "supply": float(np.sqrt(max(noise - shot / full.mean(), 0))),
        "warm_up": float(max(course[0] - course[-3:].mean(), 0.0)),
    }


def unrest_of_daylight(bursts: Bursts) -> Array:
    """Return the relative standard deviation of each burst of daylight alone."""
    dark = bursts.counts[bursts.duty == 0]
    bright = dark[dark.mean(axis=1) > DAYLIGHT]
    return np.asarray(bright.std(axis=1, ddof=1) / bright.mean(axis=1))


def _detrended(counts: Array) -> Array:
    """Return each burst's variance about its own straight line, so that drift is no noise."""
    place = np.arange(counts.shape[1]) - (counts.shape[1] - 1) / 2
    centred = counts - counts.mean(axis=1, keepdims=True)
    slope = centred @ place / (place @ place)
    return np.asarray(((centred - slope[:, None] * place) ** 2).sum(axis=1) / (counts.shape[1] - 2))
