"""The measurement log: append-only JSON Lines in the form of the record."""

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from retrolux.device.errors import LogUnreadable
from retrolux.device.jsonl import JsonLines, parse_line, read_lines
from retrolux.device.measurement import Measurement

TAIL = 1 << 17  # bytes of a log's end in which its latest readings are looked for


class MeasurementLog(JsonLines):
    """The log that an instrument's readings go to.

    ``repair`` tells what opening found at its end: None, or the torn line that was cut off.
    """

    def add(self, measurement: Measurement, extra: Mapping[str, Any] | None = None) -> None:
        """Write a reading; it is on disk when this returns. Raises LogUnwritable.

        Further keys stand behind the reading's own, and never replace one.
        """
        record = measurement.to_record()
        self.append(record | {key: value for key, value in (extra or {}).items() if key not in record})


def read_records(path: Path) -> list[dict[str, Any]]:
    """Return a log's records, oldest first; see :func:`each_record`."""
    return list(each_record(path))


def each_record(path: Path) -> Iterator[dict[str, Any]]:
    """Yield a log's records, oldest first, each checked for the record's three keys.

    Any subset of channels, unknown keys and older forms are accepted; a torn last line is left out.

    Raises
    ------
    LogUnreadable
        When the file cannot be read, or a line is no record; file and line are named.
    """
    yield from (checked(path, number, record) for number, record in read_lines(path))


def checked(path: Path, number: int, record: dict[str, Any]) -> dict[str, Any]:
    """Return a line's object where it is a record. Raises LogUnreadable, which names file and line."""
    if wrong := _wrong(record):
        raise LogUnreadable(f"{path}, line {number}: {wrong}.", "Correct or remove that line.")
    return record


def latest_records(path: Path, n: int) -> list[dict[str, Any]]:
    """Return up to n of a log's last records, oldest first, without reading it all; what is no record is left out."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - TAIL, 0))
        lines = file.read().split(b"\n")[1 if size > TAIL else 0 :]
        found = [record for line in lines if (record := parse_line(line)) and _wrong(record) is None]
        return found[-n:]
    return []


def _wrong(record: Mapping[str, Any]) -> str | None:
    inputs, outputs = record.get("in"), record.get("out")
    if not _are_numbers(inputs):
        return '"in" is no list of numbers'
    if record.get("duty") and not _are_numbers(record["duty"]):
        return '"duty" is no list of numbers'
    if not isinstance(outputs, dict) or not outputs or not all(map(_is_number, outputs.values())):
        return '"out" does not give a number for each channel'
    if not isinstance(record.get("saturated", []), list):
        return '"saturated" is no list of channels'
    odd = [key for key in ("time",) if not _is_number(record.get(key, 0))]
    odd += [key for key in ("atime", "astep", "gain") if not _is_setting(record.get(key, 0))]
    return f'"{odd[0]}" is no number' if odd else None


def _are_numbers(values: object) -> bool:
    return isinstance(values, list) and bool(values) and all(map(_is_number, values))


def _is_setting(value: object) -> bool:
    return all(map(_is_number, value.values())) if isinstance(value, dict) else _is_number(value)


def _is_number(value: object) -> bool:
    # compared, for math.isfinite fails on an integer beyond every float
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
