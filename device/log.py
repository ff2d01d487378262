"""The measurement log: append-only JSON Lines in the form of the record."""

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from retrolux.device.errors import LogUnreadable
from retrolux.device.jsonl import JsonLines, lines_of, objects
from retrolux.device.measurement import Measurement
from retrolux.device.series import each_file
from retrolux.device.tearing import parse_line

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
    """Yield a log's records, oldest first, of all its files, each checked for the record's three keys.

    Any subset of channels, unknown keys and older forms are accepted; a torn last line is left out.

    Raises
    ------
    LogUnreadable
        When a file cannot be read, or a line is no record; file and line are named.
    """
    try:
        for place, file in each_file(path):
            yield from (checked(place, number, record) for number, record in objects(place, lines_of(file)))
    except OSError as error:
        raise LogUnreadable(f"{path} cannot be read: {error.strerror}.", "Name a readable log.") from error


def checked(path: Path, number: int, record: dict[str, Any]) -> dict[str, Any]:
    """Return a line's object where it is a record. Raises LogUnreadable, which names file and line."""
    if wrong := _wrong(record):
        raise LogUnreadable(f"{path}, line {number}: {wrong}.", "Correct or remove that line.")
    return record


def latest_records(path: Path, n: int) -> list[dict[str, Any]]:
    """Return up to n of a log's last records, oldest first, without reading it all; what is no record is left out."""
    found: list[dict[str, Any]] = []
    left = TAIL
    with contextlib.suppress(OSError), contextlib.closing(each_file(path, newest_first=True)) as files:
        for _, file in files:
            end = _end(file, left)
            found = [record for line in end if (record := parse_line(line)) and _wrong(record) is None] + found
            left -= file.tell()
            if len(found) >= n or left <= 0:
                break
    return found[-n:] if n > 0 else []


def _end(file: BinaryIO, most: int) -> list[bytes]:
    """Return the lines that begin in a file's last bytes, at most so many."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - most, 0))
    return file.read().split(b"\n")[1 if size > most else 0 :]


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
