"""The figures of a validation, from its log alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import root_mean_squared_error

from retrolux.models.dataset import Dataset
from retrolux.models.errors import ModelError
from retrolux.models.model import Model
from retrolux.models.readings import PAPER
from retrolux.models.registry import METHODS
from retrolux.server.errors import BadReport
from retrolux.server.figures import (
    ROUNDING,
    Array,
    Figure,
    deviation_of,
    drift,
    linearity,
    mean_of,
    repeatability,
    response,
    share_of,
)
from retrolux.server.readings import GainRatios

SEEN_BY = {"R": ("630nm", "590nm"), "G": ("515nm", "555nm"), "B": ("445nm", "480nm")}
"""The channels in which each colour is strongest: its own, and one that full duty does not saturate."""

Record = Mapping[str, Any]
Rows = NDArray[np.bool_]
Fitted = Callable[[str], Model]


@dataclass(frozen=True, eq=False)
class SessionReadings:
    """One session's records and their columns.

    Attributes
    ----------
    records : sequence of mapping
        In the order in which they were made.
    data : Dataset
        A row for each of them, counts at the reference exposure.
    """

    records: Sequence[Record]
    data: Dataset

    @classmethod
    def of(cls, records: Sequence[Record], gain_ratios: GainRatios) -> "SessionReadings":
        """Return the columns of these records. Raises BadReport, BadData, MixedSettings."""
        data = Dataset.from_records(records, gain_ratios=gain_ratios)
        if len(data) < len(records):
            raise BadReport("Some readings of the validation lack channels that others have.", "Validate again.")
        return cls(records, data)

    def where(self, part: str, **tags: Any) -> Rows:  # noqa: ANN401 - JSON values
        """Return which rows belong to a part of the protocol and have these tags."""
        wanted = {"part": part} | tags
        return np.array([all(r.get(k) == v for k, v in wanted.items()) for r in self.records])

    def counts(self, rows: Rows, channel: str) -> tuple[Array, Rows]:
        """Return a channel's unsaturated counts among these rows, and which rows they are."""
        (column,) = self.data.columns([channel])
        clear = rows & ~self.data.saturated[:, column]
        return self.data.outputs[clear, column], clear

    @property
    def times(self) -> Array:
        """Seconds since the epoch, shape (n,)."""
        return np.array([r["time"] for r in self.records], dtype=np.float64)

    def learnt(self) -> Dataset:
        """Return the hypercube readings that methods learn from."""
        return self.data.take(self.where("hypercube", held_out=False))

    def held_out(self) -> Dataset:
        """Return the hypercube readings that they do not see."""
        return self.data.take(self.where("hypercube", held_out=True))


def figures(readings: SessionReadings, methods: Sequence[str], seed: int, fitted: Fitted) -> dict[str, Any]:
    """Return all figures of a session; a part without enough readings is empty.

    Parameters
    ----------
    methods : sequence of str
        Those that took part; one whose library is not installed here is not scored on held-out readings.
    seed : int
        Of the samples, the protocol's.
    fitted : callable
        Returns a method's model of the readings to learn from; may raise ModelError.
    """
    return {
        "repeats": _each_channel(readings, _repeats),
        "drift": _each_channel(readings, _drift),
        "sweeps": _sweeps(readings),
        "response": _each_channel(readings, _response),
        "dark": _each_channel(readings, _dark),
        "held_out": {m: _held_out(readings, m, fitted, seed) for m in methods},
        "playback": playback(readings),
        "saturated": _saturated(readings),
        "time": _time(readings),
    }


def _each_channel(
    readings: SessionReadings, find: Callable[[SessionReadings, str], dict[str, Any] | None]
) -> dict[str, Any]:
    found = {c: find(readings, c) for c in readings.data.output_names}
    return {c: figure for c, figure in found.items() if figure is not None}


def _repeats(readings: SessionReadings, channel: str) -> dict[str, Any] | None:
    blocks = sorted({r["block"] for r in readings.records if r.get("part") == "repeat"})
    return repeatability([readings.counts(readings.where("repeat", block=b), channel)[0] for b in blocks])


def _drift(readings: SessionReadings, channel: str) -> dict[str, Any] | None:
    counts, rows = readings.counts(readings.where("reference"), channel)
    return drift(readings.times[rows], counts)


def _response(readings: SessionReadings, channel: str) -> dict[str, Any] | None:
    counts, rows = readings.counts(readings.where("hypercube"), channel)
    return response(readings.data.input_names, readings.data.inputs[rows], counts)


def _dark(readings: SessionReadings, channel: str) -> dict[str, Any] | None:
    counts, _ = readings.counts(readings.where("dark"), channel)
    if len(counts) < 2:
        return None
    return {"mean": mean_of(counts, ROUNDING).to_json(), "sd": float(np.std(counts, ddof=1))}


def _sweeps(readings: SessionReadings) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for k, (colour, channels) in enumerate(SEEN_BY.items()):
        for channel in (c for c in channels if c in readings.data.output_names):
            every = readings.where("sweep", colour=colour)
            counts, rows = readings.counts(every, channel)
            line = linearity(readings.data.inputs[rows, k], counts)
            if line is not None:
                found[f"{colour} {channel}"] = line | {"n": len(counts), "saturated": int(every.sum() - len(counts))}
    return found


def _held_out(readings: SessionReadings, method: str, fitted: Fitted, seed: int) -> dict[str, Any]:
    """Return how well a method recovers settings that it has not seen, from the paper's three channels."""
    try:
        learnt, held_out = (_unsaturated(data) for data in (readings.learnt(), readings.held_out()))
        if not len(held_out):
            return {"problem": "no held-out reading is unsaturated."}
        names, n = held_out.input_names, len(held_out)
        seen = held_out.outputs[:, held_out.columns(PAPER)]
        found = fitted(method).recover(PAPER, seen, seed=seed)
    except ModelError as error:
        return {"problem": str(error)}
    rmse = root_mean_squared_error(held_out.inputs, found.mean, multioutput="raw_values")
    inside = ((found.low <= held_out.inputs) & (held_out.inputs <= found.high)).sum(axis=0)
    return {
        "rmse": {name: deviation_of(float(v), n, n).to_json() for name, v in zip(names, rmse, strict=True)},
        "coverage90": {name: share_of(int(v), n).to_json() for name, v in zip(names, inside, strict=True)},
        "n_learnt": len(learnt),
        "n_held_out": n,
    }


def _unsaturated(data: Dataset) -> Dataset:
    return data.take(~data.saturated[:, data.columns(PAPER)].any(axis=1))


def playback(readings: SessionReadings) -> dict[str, Any]:
    """Return what was measured where methods had been asked for targets.

    Returns
    -------
    dict
        ``answers``: for each target and method the inputs, whether the method said that they reach it, and the
        errors (measured − target) of each channel in counts and percent; ``methods``: for each method the root mean
        square of these errors, over what it said could be reached, and how much of it the noise of so few
        playbacks alone would give.
    """
    played = [r for r in readings.records if r.get("part") == "playback"]
    played_back = {(r["target_number"], r["method"]) for r in played}
    asked = sorted(played_back, key=lambda one: (one[0], METHODS.index(one[1])))
    answers = [_answer(readings, number, method) for number, method in asked]
    methods = dict.fromkeys(a["method"] for a in answers)
    return {"answers": answers, "methods": {m: _missed([a for a in answers if a["method"] == m]) for m in methods}}


def _answer(readings: SessionReadings, number: int, method: str) -> dict[str, Any]:
    rows = readings.where("playback", target_number=number, method=method)
    first = readings.records[int(np.flatnonzero(rows)[0])]
    errors = {c: _error(readings, rows, c, asked) for c, asked in first["target"].items()}
    return {
        "target_number": number,
        "target": first["target"],
        "method": method,
        "inputs": first["in"],
        "attainable": first["feasible"],
        "error": {c: e for c, e in errors.items() if e is not None},
        "n": int(rows.sum()),
    }


def _error(readings: SessionReadings, rows: Rows, channel: str, asked: float) -> dict[str, Any] | None:
    counts, _ = readings.counts(rows, channel)
    if not len(counts):
        return None
    found = mean_of(counts - asked, ROUNDING)
    return {"counts": found.to_json(), "percent": 100 * found.value / asked if asked else None}


def _missed(answers: Sequence[Record]) -> dict[str, Any]:
    reached = [a for a in answers if a["attainable"]]
    cells = [(e, asked) for a in reached for c, asked in a["target"].items() if (e := a["error"].get(c)) and asked]
    errors, n = np.array([e["percent"] for e, _ in cells]), len(cells)
    counts = np.array([e["counts"]["value"] for e, _ in cells])
    noise = np.array([100 * e["counts"]["se"] / asked for e, asked in cells if e["counts"]["se"] is not None])
    return {
        "rms_percent": deviation_of(_rms(errors), n, n).to_json() if n else None,
        "rms_counts": deviation_of(_rms(counts), n, n).to_json() if n else None,
        "noise_percent": _rms(noise) if len(noise) else None,
        "largest_percent": float(np.abs(errors).max()) if n else None,
        "attainable": len(reached),
        "targets": len(answers),
    }


def _rms(values: Array) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _saturated(readings: SessionReadings) -> dict[str, Any]:
    """Return how many readings were saturated in each channel, and in how many of the paper's channels at once."""
    each = dict(zip(readings.data.output_names, readings.data.saturated.sum(axis=0).tolist(), strict=True))
    columns = readings.data.columns([c for c in PAPER if c in readings.data.output_names])
    paper = int(readings.data.saturated[:, columns].any(axis=1).sum())
    return {"readings": each, "any_of_the_targets": paper, "n": len(readings.records)}


def _time(readings: SessionReadings) -> dict[str, Any]:
    """Return how long a reading takes, seconds."""
    seconds = np.array([r["elapsed"] for r in readings.records])
    mean = mean_of(seconds)
    # a simulator's time does not scatter; differences of less than a tenth of a millisecond mean nothing
    sure = Figure(mean.value, max(mean.se or 0.0, 1e-4), mean.df, mean.n)
    return {
        "seconds_per_reading": sure.to_json(),
        "median": float(np.median(seconds)),
        "longest": float(seconds.max()),
        "minutes": float(np.ptp(readings.times) + seconds[-1]) / 60,
    }
