"""What an instrument's own readings tell of the ambient light: measured in dark frames, else estimated."""

import contextlib
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrolux.device.measurement import CHANNELS, INPUTS, REFERENCE, Ambient, Measurement, duty_in, exposure_in

Array = NDArray[np.float64]

KEPT = 80  # readings that the light's response is learnt from
RECENT = 60.0  # seconds over which the ambient light is averaged
SPOILT = 1800.0  # seconds after which a dark frame says nothing any more
ENOUGH = 8  # readings from which a response can be learnt
VARIED = 0.08  # standard deviation that each input must have among them


@dataclass(frozen=True, slots=True)
class _Row:
    time: float
    inputs: Array
    counts: Array  # at the reference exposure, NaN where not read or saturated


class AmbientTracker:
    """Keeps what the latest readings tell of the ambient light.

    A reading is light times response plus ambient light. The response comes from the latest readings by least
    squares; what it leaves of the last minute's readings, the newest counting most, is the ambient light. Pulses that
    begin late look like ambient light to such a line, as long as no dark frame tells the difference: with one, what was
    wrong at its time is taken from the estimates after it.
    """

    def __init__(self) -> None:
        self._rows: deque[_Row] = deque(maxlen=KEPT)
        self._dark: tuple[float, Array] | None = None
        self._wrong = np.zeros(len(CHANNELS))

    def see(self, reading: Measurement) -> Ambient | None:
        """Take a reading in and return the ambient light of its time; None while nothing is known."""
        measured = self._take_in(reading)
        if measured is not None:
            return _ambient(measured, "dark", 0.0)
        found = self._estimate(reading.time)
        if found is None:
            return self._last_dark(reading.time)
        return _ambient(np.maximum(found - self._wrong, 0.0), "estimate", 0.0)

    def _take_in(self, reading: Measurement) -> Array | None:
        """Keep a reading, and return the ambient light that was measured in it; None where none was."""
        row = _Row(reading.time, np.array(reading.duty or reading.inputs), _reference(reading, reading.outputs))
        self._rows.append(row)
        if reading.dark is not None:
            return self._correct(row.time, _reference(reading, reading.dark))
        if not row.inputs.any():  # a reading in the dark is a dark frame
            return self._correct(row.time, row.counts)
        return None

    def _correct(self, now: float, dark: Array) -> Array:
        """Keep a dark frame, and what the estimate of its moment had wrong."""
        self._dark = now, dark
        found = self._estimate(now)
        if found is not None:
            self._wrong = np.nan_to_num(found - dark)
        return dark

    def recall(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Take in the latest records of a log; what is no reading of an instrument like this is passed over."""
        for record in records:
            with contextlib.suppress(KeyError, TypeError, ValueError):
                self._take_in(_reading(record))  # nobody asks for the estimates of then

    def _last_dark(self, now: float) -> Ambient | None:
        if self._dark is None or abs(now - self._dark[0]) >= SPOILT:
            return None
        return _ambient(self._dark[1], "last dark", abs(now - self._dark[0]))

    def _estimate(self, now: float) -> Array | None:
        """Return what the light does not explain, shape (10,); None while its response cannot be learnt."""
        rows = [row for row in self._rows if row.inputs.any() and abs(now - row.time) < SPOILT]
        if len(rows) < ENOUGH:
            return None
        inputs = np.array([row.inputs for row in rows])
        if inputs.std(axis=0).min() < VARIED:
            return None
        age = np.abs(now - np.array([row.time for row in rows]))
        counts = np.array([row.counts for row in rows])
        return np.array([_remainder(inputs, column, age) for column in counts.T])


def _reading(record: Mapping[str, Any]) -> Measurement:
    outputs = {c: int(v) for c, v in record["out"].items() if c in CHANNELS}
    exposures = {c: exposure_in(record, c) for c in outputs}
    inputs = duty_in(record)
    if len(inputs) != len(INPUTS) or not outputs:
        raise ValueError(record)
    return Measurement(
        inputs=inputs,
        outputs=outputs,
        time=float(record["time"]),
        device=str(record.get("device", "")),
        id=str(record.get("id", "")),
        exposure=REFERENCE,
        saturated=tuple(record.get("saturated") or ()),
        elapsed=0.0,
        exposures=exposures,
        dark=record.get("dark"),
    )


def _remainder(inputs: Array, counts: Array, age: Array) -> float:
    """Return what the light does not explain of a channel now; NaN where too few readings are unsaturated."""
    known = ~np.isnan(counts)
    if known.sum() < ENOUGH:
        return float("nan")
    table = np.column_stack([inputs, np.ones_like(age)])[known]
    slopes = np.linalg.lstsq(table, counts[known], rcond=None)[0][:3]
    left = counts[known] - inputs[known] @ slopes
    weight = np.exp(-age[known] / RECENT)
    return float(weight @ left / weight.sum())


def _reference(reading: Measurement, raw: Mapping[str, int]) -> Array:
    """Return raw counts at the reference exposure, by nominal gains, shape (10,)."""
    out = np.full(len(CHANNELS), np.nan)
    for i, channel in enumerate(CHANNELS):
        own = reading.exposure_of(channel) or REFERENCE
        if (
            channel in raw
            and raw[channel] < own.ceiling
            and not (raw is reading.outputs and channel in reading.saturated)
        ):
            out[i] = raw[channel] * (REFERENCE.gain / own.gain) * (REFERENCE.seconds / own.seconds)
    return out


def _ambient(counts: Array, by: str, age: float) -> Ambient | None:
    known = {c: round(float(v), 1) for c, v in zip(CHANNELS, counts, strict=True) if not np.isnan(v)}
    return Ambient(known, by, round(age, 3)) if known else None
