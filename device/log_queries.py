"""Questions to a log that do not read all of it."""

import contextlib
import re
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np

from retrolux.device.errors import LogUnreadable
from retrolux.device.jsonl import objects
from retrolux.device.log import checked, each_record
from retrolux.device.log_index import STRIDE, Index, Stale, block, index_of

Found = TypeVar("Found")
Record = dict[str, Any]

_READ = 1 << 22  # bytes at a time
_DEVICE = re.compile(rb'"device"\s*:\s*("(?:[^"\\]|\\.)*")')


def count(path: Path) -> int:
    """Return the number of a log's readings; 0 of none. Raises LogUnreadable."""
    return _asked(path, lambda file, index: index.lines + len(_tail(path, file, index)), 0)


def newest(path: Path, n: int, *, since: float | None = None, until: float | None = None) -> list[Record]:
    """Return up to n of the newest readings, oldest first; none of a log that does not exist.

    Parameters
    ----------
    path : Path
    n : int
    since, until : float, optional
        Seconds since the epoch: readings from the one on and before the other, in the log's order. A reading without a
        time is none of them.

    Raises
    ------
    LogUnreadable
        When the log cannot be read, or a line is no record of those that are looked at.
    """
    low, high = -np.inf if since is None else since, np.inf if until is None else until
    every = since is None and until is None

    def wanted(record: Record) -> bool:
        return every or ("time" in record and low <= record["time"] < high)

    def find(file: BinaryIO, index: Index) -> list[Record]:
        found = [record for record in _tail(path, file, index) if wanted(record)]
        told = (index.blocks["last"] >= low) & (index.blocks["first"] < high)
        for i in np.flatnonzero(told | every)[::-1].tolist():
            if len(found) >= n:
                break
            found = [record for record in _records(path, file, index, i) if wanted(record)] + found
        return found[-n:] if n > 0 else []

    return _asked(path, find, [])


def mentioning(path: Path, word: str) -> Iterator[Record]:
    """Yield the records in whose lines a word of letters, digits and hyphens stands, anywhere. Raises LogUnreadable."""
    needle, number = word.encode(), 0
    for lines in _lines(path):
        if needle in lines:
            for i, line in enumerate(BytesIO(lines), number + 1):
                if needle in line:
                    yield from _parsed(path, line, i - 1)
        number += lines.count(b"\n")


def devices(path: Path) -> set[str]:
    """Return the names of the instruments that a log's readings are of, as far as these say. Raises LogUnreadable."""
    found = {text for lines in _lines(path) for text in set(_DEVICE.findall(lines))}
    if len(found) > 1 or any(b"\\" in text for text in found):  # perhaps one is no record's own: look closely
        return {str(record["device"]) for record in each_record(path) if "device" in record}
    return {text[1:-1].decode() for text in found}


def _asked(path: Path, question: Callable[[BinaryIO, Index], Found], nothing: Found) -> Found:
    """Return the answer to a question; asked anew where the log proves to be another than its index says."""
    try:
        with path.open("rb") as file:
            with contextlib.suppress(Stale):
                return question(file, index_of(path, file))
            return question(file, index_of(path, file, anew=True))
    except FileNotFoundError:
        return nothing
    except (OSError, Stale) as error:
        raise LogUnreadable(f"{path} cannot be read, or changes while it is.", "Name a readable log.") from error


def _records(path: Path, file: BinaryIO, index: Index, i: int) -> list[Record]:
    return _parsed(path, block(file, index, i), STRIDE * i)


def _tail(path: Path, file: BinaryIO, index: Index) -> list[Record]:
    """Return the records behind the blocks; a torn last line is left out."""
    file.seek(index.end)
    return _parsed(path, file.read(), index.lines)


def _parsed(path: Path, content: bytes, before: int) -> list[Record]:
    return [checked(path, number, record) for number, record in objects(path, BytesIO(content), before + 1)]


def _lines(path: Path) -> Iterator[bytes]:
    """Yield a log's bytes in whole lines, many at a time. Raises LogUnreadable."""
    try:
        with path.open("rb") as file:
            while content := file.read(_READ):
                yield content + file.readline()
    except OSError as error:
        raise LogUnreadable(f"{path} cannot be read: {error.strerror}.", "Name a readable log.") from error
