"""Readings as arrays: named columns, counts at the reference exposure, saturated cells marked."""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retrolux.models.errors import BadData, UnknownColumn
from retrolux.models.exposure import Setting, scales

_RGB = ("R", "G", "B")
TICK = 1e-3  # seconds


@dataclass(frozen=True, eq=False)
class Dataset:
    """Columns of inputs and outputs.

    Attributes
    ----------
    inputs : ndarray, shape (n_rows, n_inputs)
        In [0, 1].
    outputs : ndarray, shape (n_rows, n_outputs)
        Counts at the reference exposure (gain 128, 280.78 ms).
    saturated : ndarray of bool, shape (n_rows, n_outputs)
        Cells at the sensor's ceiling: the true value is at least what stands there.
    input_names, output_names : tuple of str
    times : ndarray, shape (n_rows,), optional
        When each was read, seconds since the epoch; None where one does not say.

    Raises
    ------
    BadData
        When shapes and names do not match, a name occurs twice, or a number is not finite.
    """

    inputs: NDArray[np.float64]
    outputs: NDArray[np.float64]
    saturated: NDArray[np.bool_]
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    times: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        names = self.input_names + self.output_names
        if len(set(names)) != len(names):
            raise BadData(f"A column's name occurs twice: {', '.join(names)}.", "Give every column its own name.")
        expected = {"inputs": len(self.input_names), "outputs": len(self.output_names)}
        expected["saturated"] = expected["outputs"]
        for name, columns in expected.items():
            if getattr(self, name).shape != (len(self.inputs), columns):
                raise BadData(
                    f"{name} has shape {getattr(self, name).shape}, not ({len(self.inputs)}, {columns}).",
                    "Give one row a reading and one column a name.",
                )
        if self.times is not None and (self.times.shape != (len(self.inputs),) or not np.isfinite(self.times).all()):
            raise BadData("The times are not one finite number a reading.", "Leave these readings out.")
        if not (np.isfinite(self.inputs).all() and np.isfinite(self.outputs).all()):
            raise BadData("The readings contain a number that is not finite.", "Leave these readings out.")
        if self.inputs.size and not (self.inputs.min() >= 0 and self.inputs.max() <= 1):
            raise BadData("The readings contain an input outside [0, 1].", "Scale inputs to [0, 1].")

    @classmethod
    def from_records(
        cls,
        records: Iterable[Mapping[str, Any]],
        *,
        input_names: tuple[str, ...] | None = None,
        gain_ratios: Mapping[float, float] | None = None,
    ) -> Self:
        """Build the columns from records of the log (design: the record).

        Parameters
        ----------
        records : iterable of mapping
            ``in``, or ``duty`` where the log says what the light really did; ``out`` and, where they differ from the
            reference, ``gain``, ``atime``, ``astep``, each a number or a mapping of channel to number; ``saturated``
            names channels that the sensor flagged.
        input_names : tuple of str, optional
            R, G, B for three inputs by default, else x1 … xn.
        gain_ratios : mapping of float to float, optional
            Measured gain relative to that of nominal gain 128, for readings of several settings.

        Returns
        -------
        Dataset
            Its outputs are the channels that most records have, in the order of their first appearance; records that
            lack one of them are left out.

        Raises
        ------
        BadData
            For no reading at all, malformed readings, or readings without a common channel.
        MixedSettings
            For several settings without calibrated ratios.
        """
        every = list(records)
        _inputs(every)
        channels = _usual_channels(every)
        rows = [row for row in every if all(name in row["out"] for name in channels)]
        inputs = _inputs(rows)
        raw = np.array([[_number(r["out"][c], i) for c in channels] for i, r in enumerate(rows, 1)], dtype=np.float64)
        settings = [[Setting.of(r, c) for c in channels] for r in rows]
        scale = scales({s for row in settings for s in row}, gain_ratios)
        ceilings = np.array([[s.ceiling for s in row] for row in settings])
        flagged = np.array([[c in (r.get("saturated") or ()) for c in channels] for r in rows])
        return cls(
            inputs,
            raw / np.array([[scale[s] for s in row] for row in settings]),
            (raw >= ceilings) | flagged,
            input_names or _default_names(inputs.shape[1]),
            channels,
            _times(rows),
        )

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def hash(self) -> str:
        """SHA-256 over names and contents, as hexadecimal digits."""
        digest = hashlib.sha256(json.dumps([self.input_names, self.output_names]).encode())
        times = () if self.times is None else (self.times,)
        for array in (self.inputs, self.outputs, self.saturated, *times):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def take(self, rows: ArrayLike) -> Self:
        """Return the chosen readings: indices, or a boolean for each row."""
        i = np.asarray(rows)
        times = None if self.times is None else self.times[i]
        return replace(self, inputs=self.inputs[i], outputs=self.outputs[i], saturated=self.saturated[i], times=times)

    def select(self, outputs: Sequence[str]) -> Self:
        """Return these outputs only, in this order. Raises UnknownColumn."""
        i = self.columns(outputs)
        return replace(self, outputs=self.outputs[:, i], saturated=self.saturated[:, i], output_names=tuple(outputs))

    def without(self, outputs: Collection[str]) -> Self:
        """Return all outputs but these. Raises UnknownColumn."""
        self.columns(tuple(outputs))
        return self.select([name for name in self.output_names if name not in outputs])

    def columns(self, outputs: Sequence[str]) -> list[int]:
        """Return the indices of named outputs. Raises UnknownColumn."""
        for name in outputs:
            if name not in self.output_names:
                raise UnknownColumn(
                    f"There is no output {name!r}.", f"Choose among {', '.join(self.output_names) or 'none'}."
                )
        return [self.output_names.index(name) for name in outputs]


def _times(rows: Sequence[Mapping[str, Any]]) -> NDArray[np.float64] | None:
    """Return when each was read; None where one does not say.

    Times that are alike, as older logs round them, are a millisecond apart in the order of the log: the order of
    readings tells of the ambient light, and whoever sorts them later must find it.
    """
    times = [row.get("time") for row in rows]
    if any(isinstance(t, bool) or not isinstance(t, int | float) or not math.isfinite(t) for t in times):
        return None
    seen: Counter[Any] = Counter()
    apart = np.array(times, dtype=np.float64)
    for i, when in enumerate(times):
        apart[i] += TICK * seen[when]
        seen[when] += 1
    return apart


def _inputs(rows: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
    if not rows:
        raise BadData("There are no readings.", "Collect some first.")
    for i, row in enumerate(rows, 1):
        if not isinstance(row.get("in"), list | tuple) or not row["in"] or not isinstance(row.get("out"), Mapping):
            raise BadData(f"Reading {i} lacks its inputs or its outputs.", "Leave this reading out.")
    made = [row.get("duty") or row["in"] for row in rows]  # what the light did, where the log says it
    lengths = sorted({len(row) for row in made})
    if len(lengths) > 1:
        raise BadData(f"The readings have different numbers of inputs: {lengths}.", "Fit them apart.")
    return np.array([[_number(v, i) for v in row] for i, row in enumerate(made, 1)], dtype=np.float64)


def _usual_channels(rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    seen = Counter(str(name) for row in rows for name in row["out"])
    usual = tuple(name for name, n in seen.items() if 2 * n > len(rows))
    if not any(all(name in row["out"] for name in usual) for row in rows if usual):
        raise BadData("The readings have no channels in common.", "Fit readings of the same channels together.")
    return usual


def _number(value: object, row: int) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise BadData(f"Reading {row} contains {value!r}, which is no finite number.", "Leave this reading out.")
    return float(value)


def _default_names(n: int) -> tuple[str, ...]:
    return _RGB if n == len(_RGB) else tuple(f"x{i}" for i in range(1, n + 1))
