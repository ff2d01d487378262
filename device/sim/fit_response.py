"""The fit of the light: what each colour gives each channel, and what its pulses and its heat do to it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from retrolux.device.measurement import FULL_SCALE
from retrolux.device.sim.spectra import PASSBANDS, heated, sensitivity
from retrolux.device.sim.unit import on_with_late_pulses

Array = NDArray[np.float64]
FREQUENCY = 100.0  # Hz, of Claude-Light's PWM
SCATTER = np.array([8.0, 60, 35, 116, 40, 52, 78, 42, 650, 180])  # counts about a first fit; weights only
MAIN = 1000.0  # counts at full duty above which a cell's curvature can be told from noise
LEAK = 0.05  # of the strongest channel, relative to responsivity: less comes from outside the passband
_LIT = range(1, 7)  # the channels of the LEDs' light, 445 to 630 nm


@dataclass(frozen=True)
class Readings:
    """Readings as columns, with their sittings.

    Attributes
    ----------
    inputs : ndarray, shape (n, 3)
    counts : ndarray, shape (n, 10)
        NaN where saturated.
    times : ndarray, shape (n,)
    sittings : ndarray of int, shape (n,)
        From 0 on, without gaps.
    """

    inputs: Array
    counts: Array
    times: Array
    sittings: NDArray[np.int64]

    @property
    def nuisance(self) -> Array:
        """One offset and a cubic of the time for each sitting, shape (n, …)."""
        columns = [np.eye(self.sittings[-1] + 1)[self.sittings]]
        for one in range(self.sittings[-1] + 1):
            here = self.sittings == one
            if here.sum() >= 20:
                place = np.linspace(-0.5, 0.5, here.sum())
                trend = np.zeros((len(self.times), 3))
                trend[here] = place[:, None] ** np.array([1, 2, 3])
                columns.append(trend)
        return np.hstack(columns)


def as_readings(rows: list[dict[str, object]], inputs: Array, counts: Array, times: Array) -> Readings:
    """Return columns; a gap of ten minutes or another tag begins another sitting (summer's times are coarse)."""
    tags = [str(row.get("tag", "")) for row in rows]
    new = [i > 0 and (times[i] - times[i - 1] > 600 or tags[i] != tags[i - 1]) for i in range(len(rows))]
    return Readings(inputs, np.where(counts >= FULL_SCALE, np.nan, counts), times, np.cumsum(new))


def on_fraction(inputs: Array, late: Array) -> Array:
    """Return (d + a) / (1 + b) for 0 < d < 1; ``late`` is a, b of each colour, shape (3, 2)."""
    return on_with_late_pulses(inputs, late[:, 0], late[:, 1])


def fit_pulses(readings: Readings) -> Array:
    """Return by how much pulse and period are late, relative to a period, shape (3, 2); robust least squares."""
    nuisance = readings.nuisance

    def residuals(parameters: Array) -> Array:
        on = on_fraction(readings.inputs, parameters.reshape(3, 2))
        table = np.hstack([on, on**2, nuisance])
        return np.concatenate([_residual(table, readings.counts[:, c]) / SCATTER[c] for c in _LIT])

    found = least_squares(residuals, np.tile([0.005, 0.01], 3), loss="soft_l1")
    return np.asarray(found.x.reshape(3, 2))


def fit_cells(readings: Readings, late: Array) -> tuple[Array, Array]:
    """Return counts at full duty and their relative curvature by heat, each of shape (10, 3)."""
    on = on_fraction(readings.inputs, late)
    table = np.hstack([on, on**2, readings.nuisance])
    found = np.array([solve(table, column)[:6] for column in readings.counts.T])
    return found[:, :3] + found[:, 3:], found[:, 3:] / found[:, :3]


def refit_counts(readings: Readings, late: Array, curvature: Array) -> Array:
    """Return counts at full duty, shape (10, 3), for curvatures that are given."""
    on, out = on_fraction(readings.inputs, late), []
    nuisance = readings.nuisance
    for bend, column in zip(curvature, readings.counts.T, strict=True):
        out.append(solve(np.hstack([heated(on, bend), nuisance]), column)[:3])
    return np.array(out)


def fit_heat(counts: Array, curvature: Array, peaks: Array, widths: Array, shares: Array) -> tuple[Array, Array]:
    """Return each colour's change of light and of peak (nm) by its heat at full duty, from its main cells."""
    slope = sensitivity(peaks, widths, shares)
    heating, shift = np.zeros(3), np.zeros(3)
    for k in range(3):
        main = [i for i in _LIT if counts[i, k] > MAIN]
        weight = counts[main, k] / SCATTER[main]
        table = np.column_stack([np.ones(len(main)), slope[main, k]]) * weight[:, None]
        heating[k], shift[k] = np.linalg.lstsq(table, curvature[main, k] * weight, rcond=None)[0]
    return heating, shift


def fit_spectrum(counts: Array, responsivity: Array, start: float) -> tuple[float, float]:
    """Return peak and width (half maximum) in nm of a colour from the two or three channels that see most of it."""
    bands = np.array(list(PASSBANDS.values()))
    relative = counts[: len(bands)] / responsivity[: len(bands)]
    main = [i for i in np.argsort(-relative)[:3] if relative[i] > LEAK * relative.max()]
    centres, squares = bands[main, 0], (bands[main, 1] / 2.3548) ** 2
    seen = np.log(counts[main] / responsivity[main])

    def residuals(parameters: Array) -> Array:
        peak, width, strength = parameters
        model = strength - 0.5 * (centres - peak) ** 2 / (squares + (width / 2.3548) ** 2)
        return np.append(model - seen, 0.02 * (width - 25))  # LEDs are some 25 nm wide

    found = least_squares(residuals, [start, 25.0, seen.max()], bounds=([400, 10, 0], [700, 50, 20])).x
    return float(found[0]), float(found[1])


def solve(table: Array, column: Array) -> Array:
    """Return the least-squares coefficients of a column whose unknown values are NaN."""
    known = ~np.isnan(column)
    return np.asarray(np.linalg.lstsq(table[known], column[known], rcond=None)[0])


def _residual(table: Array, column: Array) -> Array:
    known = ~np.isnan(column)
    return np.asarray((column - table @ solve(table, column))[known])
