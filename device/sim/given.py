"""The ambient light of a log, from its own channels: what its light does not explain."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrolux.device.errors import LogUnreadable
from retrolux.device.measurement import CHANNELS, FULL_SCALE, duty_in
from retrolux.device.sim.ambient import Given
from retrolux.device.sim.spectra import heated
from retrolux.device.sim.unit import Unit

Array = NDArray[np.float64]

DAYLIGHT = CHANNELS.index("680nm")
FAINT = 100.0  # counts at 680 nm below which a spectrum's strength is not told by them
SITTING = 600.0  # seconds without a reading that end a sitting
SCATTER = np.array([3.5, 15, 12, 25, 18, 20, 25, 6, 500, 26])  # counts of a reading beyond the light's own noise


def ambient_of(records: Iterable[Mapping[str, Any]], unit: Unit) -> Given:
    """Return the ambient light that was there when these readings were made.

    In each sitting, its mean comes from each channel's own residuals, and what it did meanwhile from a fit of the
    ambient light's spectra to them, in which the light's own noise, common to the channels, is allowed for. So the
    noise of a reading is left out of it, but for about a fifth of its size.

    Raises
    ------
    LogUnreadable
        Where a reading lacks its time or one of the ten channels.
    """
    rows = sorted(records, key=_time)
    times = np.array([_time(row) for row in rows])
    inputs, counts = _columns(rows)
    lit = np.array([_light(unit, duty) for duty in inputs])
    residual = np.where(counts >= FULL_SCALE, np.nan, counts - lit)
    sitting = np.concatenate([[0], np.cumsum(np.diff(times) > SITTING)])
    ambient = np.empty_like(residual)
    for one in range(sitting[-1] + 1):
        here = sitting == one
        ambient[here] = _within_sitting(residual[here], inputs[here], unit)
    return Given(times.tolist(), np.maximum(ambient, 0))


def _within_sitting(residual: Array, inputs: Array, unit: Unit) -> Array:
    mean, usual = np.array([_mean(column) for column in residual.T]), unit.weather.spectra[0]
    mean = np.where(np.isnan(mean), usual * mean[DAYLIGHT] / usual[DAYLIGHT], mean)
    if len(residual) < 3:
        return np.tile(mean, (len(residual), 1))
    deviation = residual - mean
    unrest = max(float(np.nanstd(deviation[:, DAYLIGHT])), 0.5)
    sun, _, lamp = unrest / unit.weather.spectra[:, DAYLIGHT].clip(FAINT)
    sizes = np.array([sun, unit.weather.tint * sun, lamp])
    return np.array([mean + _drift(row, duty, sizes, unit) for row, duty in zip(deviation, inputs, strict=True)])


def _drift(deviation: Array, duty: Array, sizes: Array, unit: Unit) -> Array:
    """Return the part of one reading's deviation that ambient spectra explain: generalised least squares.

    The covariance of the rest is the light's noise, common to a pass, and the scatter of each channel; that of the
    spectra's strengths is how much 680 nm, which hardly sees the light, scatters in this sitting.
    """
    seen = np.flatnonzero(~np.isnan(deviation))
    spectra = unit.weather.spectra[:, seen]
    noise = _light_noise(duty, unit)[np.ix_(seen, seen)] + np.diag(SCATTER[seen] ** 2)
    weighted = np.linalg.solve(noise, spectra.T)
    precision = spectra @ weighted + np.diag(1 / sizes**2)
    return np.asarray(np.linalg.solve(precision, weighted.T @ deviation[seen]) @ unit.weather.spectra)


def _light_noise(duty: Array, unit: Unit) -> Array:
    periods = 28.08
    spread = unit.pulses.jitter * unit.pulses.frequency / np.sqrt(periods) * ((duty > 0) & (duty < 1))
    spread = np.hypot(spread, 0.0013 * ((duty > 0) & (duty < 1)))  # the beat, about
    parts = unit.leds.counts * spread
    first = np.array([c in {"415nm", "445nm", "480nm", "515nm"} for c in CHANNELS])
    return np.asarray((parts @ parts.T) * (first[:, None] == first))


def _light(unit: Unit, duty: Array) -> Array:
    return np.asarray((unit.leds.counts * heated(unit.pulses.on(duty), unit.leds.curvature)).sum(axis=1))


def _mean(column: Array) -> float:
    known = column[~np.isnan(column)]
    return float(known.mean()) if len(known) else float("nan")


def _time(row: Mapping[str, Any]) -> float:
    if not isinstance(row.get("time"), int | float):
        raise LogUnreadable("A reading of the log has no time.", "Give a log whose every reading has one.")
    return float(row["time"])


def _columns(rows: list[Mapping[str, Any]]) -> tuple[Array, Array]:
    if not rows or any(channel not in row["out"] for row in rows for channel in CHANNELS):
        raise LogUnreadable(
            "The ambient light cannot be told: a reading lacks one of the ten channels.",
            "Give a log of readings of all ten.",
        )
    return np.array([duty_in(r) for r in rows]), np.array([[r["out"][c] for c in CHANNELS] for r in rows], float)
