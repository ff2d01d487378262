"""The fit of the simulator to real readings, by one command.

``python -m retrolux.device.sim.fitting READINGS BURSTS --until 2025-11-02 -o claude_light.json``: READINGS are
Claude-Light's of ten channels (``claude-light-2025.jsonl``), BURSTS of five of 515 nm
(``claude-light-green-bursts-2024.jsonl``).
"""

import argparse
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrolux.device.log import read_records
from retrolux.device.measurement import CHANNELS, INPUTS
from retrolux.device.sim import fit_noise as noise
from retrolux.device.sim import fit_response as response
from retrolux.device.sim.fit_weather import fit_weather
from retrolux.device.sim.spectra import PASSBANDS, heated, passband_shares, sensitivity
from retrolux.device.sim.sun import daylight

Array = NDArray[np.float64]
PEAKS = {"R": 625.0, "G": 520.0, "B": 455.0}  # nm, where the search begins
SOURCE = (
    "Fitted to readings of Claude-Light (github.com/BaosenZ/Claude-Light-Collab and github.com/jkitchin/claude-light, "
    "both MIT) by `python -m retrolux.device.sim.fitting`."
)


def fit(rows: list[dict[str, Any]], bursts: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the numbers of a unit, in the form of ``claude_light.json``."""
    readings, burst = _readings(rows), _bursts(bursts)
    quick = noise.unrest_of_daylight(burst)
    late = response.fit_pulses(readings)
    counts, curvature = response.fit_cells(readings, late)
    spectra, weather = fit_weather(readings, _residual(readings, late, counts, curvature), quick)
    responsivity = _responsivity(spectra["sun"])
    leds = {k: response.fit_spectrum(counts[:, i], responsivity, PEAKS[k]) for i, k in enumerate(INPUTS)}
    peaks, widths = (np.array([leds[k][j] for k in INPUTS]) for j in (0, 1))
    shares = passband_shares(counts, peaks, widths, responsivity)
    heating, shift = response.fit_heat(counts, curvature, peaks, widths, shares)
    bend = heating + shift * sensitivity(peaks, widths, shares)
    counts = response.refit_counts(readings, late, bend)
    spectra, weather = fit_weather(readings, _residual(readings, late, counts, bend), quick)
    jitter, common = _jitter(readings, late, counts, bend)
    still = noise.fit_bursts(burst)
    return {
        "leds": {
            k: _rounded(peak=peaks[i], width=widths[i], heating=heating[i], shift=shift[i])
            for i, k in enumerate(INPUTS)
        }
        | {"supply": _round(still["supply"]), "warm_up": {"loss": _round(still["warm_up"]), "seconds": 3.0}},
        "channels": {
            c: _rounded(**dict(zip(INPUTS, counts[i], strict=True)), **{n: s[i] for n, s in spectra.items()})
            | {"responsivity": _round(responsivity[i])}
            for i, c in enumerate(CHANNELS)
        },
        "pwm": {
            "frequency": response.FREQUENCY,
            "jitter": _by_colour(jitter),
            "common": _round(common),
            "begun_late": _by_colour(late[:, 0] / response.FREQUENCY),
            "ended_late": _by_colour(late[:, 1] / response.FREQUENCY),
        },
        "sensor": {"clock": 1.0, "dark_counts": _round(still["dark_counts"]), "shot": _round(still["shot"])},
        "weather": {n: _round(v) for n, v in weather.items()},
    }


def _readings(rows: list[dict[str, Any]]) -> response.Readings:
    inputs = np.array([row["in"] for row in rows], float)
    counts = np.array([[row["out"][c] for c in CHANNELS] for row in rows], float)
    return response.as_readings(rows, inputs, counts, np.array([row["time"] for row in rows], float))


def _residual(readings: response.Readings, late: Array, counts: Array, bend: Array) -> Array:
    on = response.on_fraction(readings.inputs, late)[:, None, :]
    return np.asarray(readings.counts - (counts * heated(on, bend)).sum(axis=2))


def _responsivity(sun: Array) -> Array:
    """Return the channels' relative responsivity: daylight is nearly flat over the eight bands."""
    width = np.array([PASSBANDS[c][1] if c in PASSBANDS else np.inf for c in CHANNELS])
    flat = sun / width
    return np.asarray(flat / flat.max())


def _jitter(readings: response.Readings, late: Array, counts: Array, bend: Array) -> tuple[Array, float]:
    residual = _residual(readings, late, counts, bend)
    nuisance = readings.nuisance
    # what time explains within a sitting is no noise
    residual -= np.column_stack([nuisance @ response.solve(nuisance, column) for column in residual.T])
    errors = noise.duty_errors(residual, counts)
    night = np.array([daylight(t) == 0 for t in readings.times])
    return noise.fit_jitter(readings, errors, late, night)


def _bursts(rows: list[dict[str, Any]]) -> noise.Bursts:
    duty, times = np.array([r["in"][1] for r in rows], float), np.array([r["time"] for r in rows], float)
    counts = np.array([r["out"]["515nm"] for r in rows], float)
    return noise.as_bursts(duty, times, counts)


def _by_colour(values: Array) -> dict[str, float]:
    return _rounded(**dict(zip(INPUTS, values.tolist(), strict=True)))


def _rounded(**values: float) -> dict[str, float]:
    return {name: _round(value) for name, value in values.items()}


def _round(value: float) -> float:
    return round(float(f"{value:.5g}"), 12) + 0.0  # what is zero but for rounding is zero


def _before(rows: list[dict[str, Any]], until: date | None, without: date | None) -> list[dict[str, Any]]:
    """Return the readings up to a day, and without another (UTC)."""
    end = datetime.max.replace(tzinfo=UTC) if until is None else datetime.combine(until, datetime.min.time(), UTC)
    end += timedelta(days=1) if until else timedelta()
    days = [(row, datetime.fromtimestamp(row["time"], UTC)) for row in rows]
    return [row for row, when in days if when < end and when.date() != without]


def main() -> None:
    """Fit, and write the numbers with where they are from."""
    parser = argparse.ArgumentParser(prog="python -m retrolux.device.sim.fitting", description=__doc__)
    parser.add_argument("readings", type=Path, help="ten channels, JSON Lines")
    parser.add_argument("bursts", type=Path, help="bursts of five of 515 nm, JSON Lines")
    parser.add_argument("--until", type=date.fromisoformat, help="last day (UTC) that is fitted")
    parser.add_argument("--without", type=date.fromisoformat, help="a day (UTC) that is left out")
    parser.add_argument("-o", "--output", type=Path, required=True)
    chosen = parser.parse_args()
    rows = _before(read_records(chosen.readings), chosen.until, chosen.without)
    bursts = read_records(chosen.bursts)
    days = f"{len(rows)} readings of 2025" + (f" to {chosen.until}" if chosen.until else "")
    provenance = f"{SOURCE} {days}; {len(bursts)} of bursts of 2024."
    document = {"provenance": provenance} | fit(rows, bursts)
    chosen.output.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
