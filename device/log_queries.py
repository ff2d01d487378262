"""Questions to a log that do not read all of it."""

import contextlib
import errno
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np

from retrolux.device.errors import LogUnreadable
from retrolux.device.jsonl import lines_of, objects
from retrolux.device.log import checked
from retrolux.device.log_index import STRIDE, Index, Stale, block, index_of
from retrolux.device.series import each_file, exists
from retrolux.device.summaries import Summaries, Summary
from retrolux.device.tearing import LONGEST

Found = TypeVar("Found")
Record = dict[str, Any]
Span = tuple[float, float]

_READ = 1 << 22  # bytes at a time
_DEVICE = re.compile(rb'"device"\s*:\s*("(?:[^"\\]|\\.)*")')


def count(path: Path) -> int:
    """Return the number of a log's readings; 0 of none. Raises LogUnreadable."""
    if not exists(path):
        return 0

    def lines(place: Path, file: BinaryIO) -> int:
        return _asked(place, file, lambda file, index: index.lines + len(_tail(place, file, index)))

    return sum(_each(path, lines, lambda summary: summary.lines))


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
    if not exists(path):
        return []
    span = None if since is None and until is None else (_or(since, -np.inf), _or(until, np.inf))
    found: list[Record] = []
    with _readable(path), Summaries(path) as summaries, closing(each_file(path, newest_first=True)) as files:
        for place, file in files:
            if len(found) >= n:
                break
            if span is None or place == path or _summary(summaries, place, file).overlaps(*span):
                found = _asked(place, file, partial(_newest, place, n - len(found), span)) + found
    return found


def _or(value: float | None, other: float) -> float:
    return other if value is None else value


def mentioning(path: Path, word: str, *, after: str | None = None) -> Iterator[Record]:
    """Yield the records in whose lines a word of letters, digits and hyphens stands, anywhere. Raises LogUnreadable.

    Parameters
    ----------
    path : Path
    word : str
    after : str, optional
        Name of the closed file after which to begin; see :func:`~retrolux.device.series.each_file`.
    """
    needle = word.encode()
    with _readable(path):
        for place, file in each_file(path, after=after):
            number = 0
            for lines in _lines(file):
                if needle in lines:
                    for i, line in enumerate(BytesIO(lines), number + 1):
                        if needle in line:
                            yield from _parsed(place, line, i - 1)
                number += lines.count(b"\n")


def devices(path: Path) -> set[str]:
    """Return the names of the instruments that a log's readings are of, as far as these say. Raises LogUnreadable."""
    return set().union(*_each(path, _devices, lambda summary: set(summary.devices)))


def _each(
    path: Path, current: Callable[[Path, BinaryIO], Found], closed: Callable[[Summary], Found]
) -> Iterator[Found]:
    """Yield what is found in the file that is written to, and what the summaries of closed ones tell of it."""
    with _readable(path), Summaries(path) as summaries:
        for place, file in each_file(path):
            yield current(place, file) if place == path else closed(_summary(summaries, place, file))


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Raise LogUnreadable where a log's files cannot be read."""
    try:
        yield
    except OSError as error:
        raise LogUnreadable(f"{path} cannot be read: {error.strerror}.", "Name a readable log.") from error
    except Stale as error:
        raise LogUnreadable(f"{path} cannot be read: it changes meanwhile.", "Ask again.") from error


def _asked(place: Path, file: BinaryIO, question: Callable[[BinaryIO, Index], Found]) -> Found:
    """Return the answer to a question of one file; asked anew where it proves to be another than its index says."""
    with contextlib.suppress(Stale):
        return question(file, index_of(place, file))
    return question(file, index_of(place, file, anew=True))


def _summary(summaries: Summaries, place: Path, file: BinaryIO) -> Summary:
    return summaries.of(place, lambda: _asked(place, file, partial(_summarised, place)))


def _summarised(place: Path, file: BinaryIO, index: Index) -> Summary:
    tail = _tail(place, file, index)
    times = [record["time"] for record in tail if "time" in record]
    first = min([*index.blocks["first"].tolist(), *times], default=np.inf)
    last = max([*index.blocks["last"].tolist(), *times], default=-np.inf)
    return Summary(index.lines + len(tail), first, last, sorted(_devices(place, file)))


def _devices(place: Path, file: BinaryIO) -> set[str]:
    file.seek(0)
    found = {text for lines in _lines(file) for text in set(_DEVICE.findall(lines))}
    if len(found) > 1 or any(b"\\" in text for text in found):  # perhaps one is no record's own: look closely
        file.seek(0)
        records = (checked(place, number, record) for number, record in objects(place, lines_of(file)))
        return {str(record["device"]) for record in records if "device" in record}
    return {text[1:-1].decode() for text in found}


def _newest(place: Path, n: int, span: Span | None, file: BinaryIO, index: Index) -> list[Record]:
    """Return up to n of a file's newest records, within a span of time if there is one."""
    low, high = span or (-np.inf, np.inf)

    def wanted(record: Record) -> bool:
        return span is None or ("time" in record and low <= record["time"] < high)

    found = [record for record in _tail(place, file, index) if wanted(record)]
    told = (index.blocks["last"] >= low) & (index.blocks["first"] < high)
    for i in np.flatnonzero(told | (span is None))[::-1].tolist():
        if len(found) >= n:
            break
        found = [record for record in _records(place, file, index, i) if wanted(record)] + found
    return found[-n:] if n > 0 else []


def _records(path: Path, file: BinaryIO, index: Index, i: int) -> list[Record]:
    return _parsed(path, block(file, index, i), STRIDE * i)


def _tail(path: Path, file: BinaryIO, index: Index) -> list[Record]:
    """Return the records behind the blocks; a torn last line is left out."""
    file.seek(index.end)
    return [checked(path, number, record) for number, record in objects(path, lines_of(file), index.lines + 1)]


def _parsed(path: Path, content: bytes, before: int) -> list[Record]:
    return [checked(path, number, record) for number, record in objects(path, BytesIO(content), before + 1)]


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield a file's bytes in whole lines, many at a time."""
    while content := file.read(_READ):
        rest = file.readline(LONGEST + 1)
        if len(rest) > LONGEST:
            raise OSError(errno.EFBIG, f"a line is longer than {LONGEST} bytes")
        yield content + rest
