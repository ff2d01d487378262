"""Spectra of the LEDs and passbands of the sensor: what happens to a channel's counts when an LED's peak moves."""

import math

import numpy as np
from numpy.typing import NDArray

from retrolux.device.measurement import CHANNELS

Array = NDArray[np.float64]

PASSBANDS = {
    "415nm": (415.0, 26.0),
    "445nm": (445.0, 30.0),
    "480nm": (480.0, 36.0),
    "515nm": (515.0, 39.0),
    "555nm": (555.0, 39.0),
    "590nm": (590.0, 40.0),
    "630nm": (630.0, 50.0),
    "680nm": (680.0, 52.0),
}
"""Centre and full width at half maximum in nm (AS7341 datasheet page 9); clear and NIR have no narrow band."""

_SIGMA = 1 / (2 * math.sqrt(2 * math.log(2)))  # of a Gaussian, in full widths at half maximum


def overlap(peaks: Array, widths: Array) -> Array:
    """Return how much of each LED's spectrum each passband takes, both Gaussian, relative to a peak at its centre.

    Parameters
    ----------
    peaks, widths : ndarray, shape (n_leds,)
        In nm; widths at half maximum.

    Returns
    -------
    ndarray, shape (10, n_leds)
        Zero for clear and NIR.
    """
    out = np.zeros((len(CHANNELS), len(peaks)))
    for i, channel in enumerate(CHANNELS):
        if channel in PASSBANDS:
            centre, width = PASSBANDS[channel]
            out[i] = np.exp(-0.5 * (centre - peaks) ** 2 / (_SIGMA**2 * (width**2 + widths**2)))
    return out


def sensitivity(peaks: Array, widths: Array, shares: Array) -> Array:
    """Return the relative change of each channel's counts per nm by which an LED's peak moves, shape (10, n_leds).

    Parameters
    ----------
    shares : ndarray, shape (10, n_leds)
        How much of the counts comes through the passband; the rest leaks in from outside it and does not care.
    """
    slope = np.zeros_like(shares)
    for i, channel in enumerate(CHANNELS):
        if channel in PASSBANDS:
            centre, width = PASSBANDS[channel]
            slope[i] = (centre - peaks) / (_SIGMA**2 * (width**2 + widths**2))
    return np.asarray(shares * slope)


def heated(on: Array, curvature: Array) -> Array:
    """Return the light of LEDs that are on this part of the time, relative to full duty, as their own heat bends it."""
    return np.asarray(on * (1 + curvature * on) / (1 + curvature))


def passband_shares(counts: Array, peaks: Array, widths: Array, responsivity: Array) -> Array:
    """Return the part of each LED's counts that its Gaussian spectrum explains, 0 … 1, shape (10, n_leds).

    The strongest channel of each LED is explained wholly; ``responsivity`` (10,) is the channels' relative one.
    """
    expected = overlap(peaks, widths) * responsivity[:, None]
    strongest = np.argmax(counts[: len(PASSBANDS)], axis=0)
    columns = np.arange(len(peaks))
    expected *= counts[strongest, columns] / np.maximum(expected[strongest, columns], 1e-30)
    return np.asarray(np.minimum(expected / np.maximum(counts, 1e-30), 1.0))
