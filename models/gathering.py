"""Records of a log, one after the other, as columns: a million take a tenth of what they would as objects."""

import json
import math
import sys
from array import array
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrolux.models.errors import BadData
from retrolux.models.exposure import Setting, scales

TICK = 1e-3  # seconds
SETTING = ("gain", "atime", "astep")

Counts = NDArray[np.float64]
Cells = NDArray[np.bool_]
Columns = tuple[Counts, Counts, Cells, tuple[str, ...], Counts | None]


class Gathering:
    """Takes in records; see :meth:`Dataset.from_records` for what they hold and which are left out."""

    def __init__(self) -> None:
        self.n = 0
        self._widths: set[int] = set()
        self._inputs = array("d")
        self._outputs: dict[str, array[float]] = {}
        self._flagged: dict[str, set[int]] = {}
        self._settings: dict[object, tuple[int, Mapping[str, Any]]] = {}
        self._setting = array("l")
        self._times: array[float] | None = array("d")

    def add(self, record: Mapping[str, Any]) -> None:
        """Take in one record. Raises BadData for one that lacks inputs or outputs, or holds what is no number."""
        i, inputs, outputs = self.n + 1, record.get("in"), record.get("out")
        if not isinstance(inputs, list | tuple) or not inputs or not isinstance(outputs, Mapping):
            raise BadData(f"Reading {i} lacks its inputs or its outputs.", "Leave this reading out.")
        made = record.get("duty") or inputs  # what the light did, where the log says it
        flagged = record.get("saturated") or ()
        if not isinstance(made, list | tuple) or not isinstance(flagged, list | tuple):
            raise BadData(f"Reading {i} lists no duties, or no saturated channels.", "Leave this reading out.")
        self._widths.add(len(made))
        self._inputs.extend([_number(value, i) for value in made])
        for name, column in self._outputs.items():
            column.append(_number(outputs[name], i) if name in outputs else math.nan)
        for name in [name for name in outputs if name not in self._outputs]:
            self._outputs[name] = array("d", [math.nan] * self.n + [_number(outputs[name], i)])
        for name in flagged:
            self._flagged.setdefault(str(name), set()).add(self.n)
        self._setting.append(self._known_setting(record))
        self._add_time(record.get("time"))
        self.n += 1

    def _known_setting(self, record: Mapping[str, Any]) -> int:
        """Return the number of the record's setting; there are few."""
        own = {key: record[key] for key in SETTING if key in record}
        if odd := [k for k, v in own.items() if not all(map(_is_plain, v.values() if isinstance(v, Mapping) else [v]))]:
            raise BadData(f"Reading {self.n + 1} has a {odd[0]} that is no number.", "Leave this reading out.")
        key = tuple((k, tuple(v.items()) if isinstance(v, Mapping) else v) for k, v in own.items())
        return self._settings.setdefault(key, (len(self._settings), own))[0]

    def _add_time(self, time: object) -> None:
        if isinstance(time, bool) or not isinstance(time, int | float) or not math.isfinite(time):
            self._times = None
        elif self._times is not None:
            self._times.append(time)

    def to_arrays(self) -> dict[str, NDArray[Any]] | None:
        """Return what was taken in as arrays; None of readings with different numbers of inputs."""
        if len(self._widths) != 1:
            return None
        flags = np.array([(j, i) for j, rows in enumerate(self._flagged.values()) for i in sorted(rows)], dtype=np.intp)
        return {
            "inputs": np.frombuffer(self._inputs).reshape(self.n, -1),
            "outputs": np.array([np.frombuffer(column) for column in self._outputs.values()]),
            "flags": flags.reshape(-1, 2),
            "setting": np.frombuffer(self._setting, dtype=f"i{self._setting.itemsize}"),
            "times": np.empty(0) if self._times is None else np.frombuffer(self._times),
            "names": np.array(json.dumps([list(self._outputs), list(self._flagged), self._own_settings()])),
        }

    def _own_settings(self) -> list[Mapping[str, Any]]:
        return [own for _, own in self._settings.values()]

    def extend(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take in further records by their :meth:`to_arrays`, as one after the other. Raises KeyError, ValueError."""
        outputs, flagged, settings = json.loads(str(arrays["names"]))
        n, new = self.n, len(arrays["inputs"])
        self._widths.add(arrays["inputs"].shape[1])
        self._inputs.frombytes(np.ascontiguousarray(arrays["inputs"]).tobytes())
        columns = dict(zip(outputs, arrays["outputs"], strict=True))
        missing = np.full(new, math.nan)
        for name in [*self._outputs, *(name for name in outputs if name not in self._outputs)]:
            column = self._outputs.setdefault(name, array("d", [math.nan]) * n)
            column.frombytes(columns.get(name, missing).tobytes())
        for j, i in arrays["flags"].tolist():
            self._flagged.setdefault(flagged[j], set()).add(n + i)
        known = np.array([self._known_setting(own) for own in settings])
        self._setting.frombytes(known[arrays["setting"]].astype(f"i{self._setting.itemsize}").tobytes())
        if len(arrays["times"]) < new:
            self._times = None
        elif self._times is not None:
            self._times.frombytes(arrays["times"].tobytes())
        self.n += new

    def columns(self, gain_ratios: Mapping[float, float] | None) -> Columns:
        """Return inputs, outputs at the reference exposure, saturated cells, the outputs' names, and times.

        Outputs are those that most records have, in the order in which they first appeared; records without one of
        them are left out. Raises BadData, MixedSettings.
        """
        if not self.n:
            raise BadData("There are no readings.", "Collect some first.")
        if len(self._widths) > 1:
            raise BadData(f"The readings have different numbers of inputs: {sorted(self._widths)}.", "Fit them apart.")
        channels = tuple(name for name, column in self._outputs.items() if 2 * _known(column) > self.n)
        raw = np.array([np.frombuffer(self._outputs[c]) for c in channels]).reshape(len(channels), self.n).T
        rows = ~np.isnan(raw).any(axis=1)
        if not channels or not rows.any():
            raise BadData("The readings have no channels in common.", "Fit readings of the same channels together.")
        inputs = np.frombuffer(self._inputs).reshape(self.n, -1)[rows].copy()
        counts, saturated = self._at_reference(raw[rows], channels, rows, gain_ratios)
        return inputs, counts, saturated | self._flags(channels)[rows], channels, self._apart(rows)

    def _at_reference(
        self, raw: Counts, channels: tuple[str, ...], rows: Cells, gain_ratios: Mapping[float, float] | None
    ) -> tuple[Counts, Cells]:
        """Return counts at the reference exposure, and which raw ones are at their ceiling."""
        which = np.frombuffer(self._setting, dtype=f"i{self._setting.itemsize}")[rows]
        present = np.unique(which)
        each = {i: [Setting.of(own, c) for c in channels] for i, own in self._settings.values() if i in present}
        scale = scales({s for settings in each.values() for s in settings}, gain_ratios)
        divisors, ceilings = np.ones((2, len(self._settings), len(channels)))
        for i, settings in each.items():
            divisors[i], ceilings[i] = [scale[s] for s in settings], [s.ceiling for s in settings]
        return raw / divisors[which], raw >= ceilings[which]

    def _flags(self, channels: tuple[str, ...]) -> Cells:
        flags = np.zeros((self.n, len(channels)), dtype=np.bool_)
        for j, name in enumerate(channels):
            flags[sorted(self._flagged.get(name, ())), j] = True
        return flags

    def _apart(self, rows: Cells) -> Counts | None:
        """Return when each was read; None where one does not say.

        Times that are alike, as older logs round them, are a millisecond apart in the order of the log: the order of
        readings tells of the ambient light, and whoever sorts them later must find it.
        """
        if self._times is None:
            return None
        apart, seen = np.frombuffer(self._times)[rows].copy(), Counter[float]()
        values, which, often = np.unique(apart, return_inverse=True, return_counts=True)
        for i in np.flatnonzero(often[which] > 1) if len(values) < len(apart) else ():
            when = float(values[which[i]])
            apart[i] += TICK * seen[when]
            seen[when] += 1
        return apart


def _known(column: "array[float]") -> int:
    return int((~np.isnan(np.frombuffer(column))).sum())


def _number(value: object, row: int) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max:
        return float(value)
    raise BadData(f"Reading {row} contains {value!r}, which is no finite number.", "Leave this reading out.")


def _is_plain(value: object) -> bool:
    """Return whether a setting is one value; whether it is a right one, others judge."""
    return value is None or isinstance(value, (str, int, float))
