"""Windows of whole PWM periods: how much a window beats with the pulses, and which window does not."""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retrolux.device.measurement import STEP, Exposure

Array = NDArray[np.float64]

LAMPS = (100.0, 120.0)  # Hz: room lamps on 50 and 60 Hz mains
SHORTEST = 0.75  # of the window that was asked for; a longer one than that would saturate sooner
NEAR = 8  # steps, 22 µs: a window so near is as good as any
STEADY = 0.02  # periods from a whole number at which a lamp's flicker is no matter


def beat(fraction: ArrayLike, duty: float) -> Array:
    """Return the standard deviation of what a window's odd part sees of a pulse train, in periods.

    The phase is uniform, so two arcs of a circle overlap: a trapezium, whose moments are elementary.

    Parameters
    ----------
    fraction : array_like
        Odd part of the window, in periods; whole periods do not matter.
    duty : float
        Of the pulses, 0 … 1.
    """
    odd = np.mod(np.asarray(fraction, dtype=np.float64), 1.0)
    short, long = np.minimum(odd, duty), np.maximum(odd, duty)
    folded = short + long > 1  # the overlap with the dark part varies as much
    short, long = (
        np.where(folded, np.minimum(short, 1 - long), short),
        np.where(folded, np.maximum(short, 1 - long), long),
    )
    square = short**2 * (long - short) + 2 * short**3 / 3
    return np.asarray(np.sqrt(np.maximum(square - (short * long) ** 2, 0.0)))


def periods_in(exposure: Exposure, frequency: float, ratio: float = 1.0) -> float:
    """Return how many PWM periods the exposure's window holds.

    Parameters
    ----------
    frequency : float
        Nominal, in Hz.
    ratio : float
        True number of periods over the nominal one: the two clocks' ratio, as ``retrolux tune`` finds it.
    """
    return exposure.seconds * frequency * ratio


def whole_periods(exposure: Exposure, frequency: float, ratio: float = 1.0) -> Exposure:
    """Return the exposure near this one whose window holds a whole number of PWM periods.

    Of the whole numbers in three quarters to the whole of the window that was asked for, one is taken that holds whole
    periods of lamps' 100 and 120 Hz too, if there is one; then the nearest. A window shorter than a period is kept.
    """
    asked = periods_in(exposure, frequency, ratio)
    numbers = np.arange(np.ceil(SHORTEST * asked), np.floor(asked) + 1)
    numbers = numbers[numbers >= 1]
    if not len(numbers):
        return exposure
    best = min(numbers.tolist(), key=lambda n: (_flicker(n / frequency), abs(n - asked)))
    return of_length(exposure, best / (frequency * ratio))


def of_length(exposure: Exposure, seconds: float, near: int = NEAR) -> Exposure:
    """Return the exposure with the atime and astep whose nominal window is nearest to this length.

    Of those that are as near as ``near`` steps the one is taken whose atime is like the exposure's.
    """
    steps = seconds / STEP
    atime = np.arange(256)
    astep = np.clip(np.round(steps / (atime + 1)) - 1, 1, 65534)
    wrong = np.floor(np.abs((atime + 1) * (astep + 1) - steps) / near)
    best = np.lexsort((np.abs(atime - exposure.atime), wrong))[0]
    return replace(exposure, atime=int(atime[best]), astep=int(astep[best]))


def _flicker(seconds: float) -> int:
    """Return how many of the lamps' flickers a window would see an odd part of."""
    odd = [abs(seconds * lamp - round(seconds * lamp)) for lamp in LAMPS]
    return sum(part > STEADY for part in odd)
