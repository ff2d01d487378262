"""A log in several files: those that are closed, by their numbers, then the one that is written to.

``rgb.jsonl`` is the log's name and the file that is written to. When it is full, or its day or month is over, it is
renamed to ``rgb.000001.2026-11-24.jsonl``, the number of the file and the day (UTC) of its last reading, and a new
``rgb.jsonl`` is begun. Closed files are not written to again; they may be compressed away or deleted, oldest first.

Whoever reads a log reads all of them, by :func:`each_file`.
"""

import contextlib
import errno
import os
import re
import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

BESIDE = (".index", ".columns")
"""Endings of what is kept beside a file of a log to answer sooner; it is renamed with it."""
EVERY = ("day", "month")

_PERIODS = {"day": "%Y-%m-%d", "month": "%Y-%m"}
_DAY = _PERIODS["day"]


@dataclass(frozen=True, slots=True)
class Rotation:
    """When a log's file is closed and a new one begun: before a line that would make it too large, or is of a new day.

    Attributes
    ----------
    largest : int, optional
        Bytes that a file is to have at most; a single line may be longer.
    every : str, optional
        ``day`` or ``month`` (UTC), by the ``time`` of the records: one that is earlier than the last begins none.
    """

    largest: int | None = None
    every: str | None = None

    def is_due(self, size: int, last: Mapping[str, Any] | None, more: int, record: Mapping[str, Any]) -> bool:
        """Return whether a file of this size, with this last record, is closed before a line of ``more`` bytes."""
        if not size:
            return False
        if self.largest is not None and size + more > self.largest:
            return True
        return self.every is not None and last is not None and self._is_later(_when(last), _when(record))

    def _is_later(self, last: float | None, now: float | None) -> bool:
        form = _PERIODS[self.every or "day"]
        return last is not None and now is not None and now > last and _told(form, now) != _told(form, last)


def _when(record: Mapping[str, Any]) -> float | None:
    when = record.get("time")
    if isinstance(when, bool) or not isinstance(when, int | float):
        return None
    return float(when) if 0 <= when < 1e11 else None


def _told(form: str, when: float) -> str:
    return time.strftime(form, time.gmtime(when))


def place_of(path: Path) -> Path:
    """Return where a log's files are: a link's is where it points to."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def closed_files(path: Path) -> list[Path]:
    """Return a log's closed files, oldest first."""
    place = place_of(path)
    form = re.compile(
        rf"{re.escape(place.stem)}\.([0-9]{{6,}})\.[0-9]{{4,}}-[0-9]{{2}}-[0-9]{{2}}{re.escape(place.suffix)}"
    )
    found: list[tuple[int, str]] = []
    with contextlib.suppress(OSError), os.scandir(place.parent) as entries:
        found = [(int(match[1]), match[0]) for entry in entries if (match := form.fullmatch(entry.name))]
    return [place.with_name(name) for _, name in sorted(found)]


def each_file(
    path: Path, *, newest_first: bool = False, after: str | None = None
) -> Generator[tuple[Path, BinaryIO], None, None]:
    """Yield a log's files, oldest first, each with its path and open for reading until the next is asked for.

    They are those of one moment: what other processes add, and files that they close, while this goes on is left out,
    and nothing that was in the log at the beginning is.

    Parameters
    ----------
    path : Path
    newest_first : bool
    after : str, optional
        Name of a closed file: only those after it.

    Raises
    ------
    OSError
        FileNotFoundError where there is none.
    """
    with ExitStack() as open_files:
        files = _snapshot(path, open_files)
        names = [each.name for each, _ in files]
        files = files[names.index(after) + 1 if after in names else 0 :]
        for each, file in reversed(files) if newest_first else files:
            if file is not None:
                yield each, file
                continue
            with each.open("rb") as closed:
                yield each, closed


def _snapshot(path: Path, open_files: ExitStack) -> list[tuple[Path, BinaryIO | None]]:
    """Return the files, the last of them open: it may be closed and renamed, but not come twice or be missed."""
    try:
        current = open_files.enter_context(path.open("rb"))
    except FileNotFoundError:  # also for an instant while it is rotated
        closed = closed_files(path)
        if not closed:
            raise
        return [(each, None) for each in closed]
    before: list[tuple[Path, BinaryIO | None]] = []
    for each in closed_files(path):
        if is_file_of(each, current.fileno()):
            break
        before.append((each, None))
    return [*before, (path, current)]


def last_closed(path: Path) -> str | None:
    """Return the name of the file that was closed last; None of none."""
    return next((each.name for each in reversed(closed_files(path))), None)


def exists(path: Path) -> bool:
    """Return whether a log has any file, or something else stands in its place."""
    return path.exists() or bool(closed_files(path))


def size(path: Path) -> int:
    """Return the bytes of all of a log's files; 0 of none."""
    total = 0
    for each in (*closed_files(path), path):
        with contextlib.suppress(OSError):
            total += each.stat().st_size
    return total


def is_file_of(path: Path, file: int) -> bool:
    """Return whether an open file is the one of this path."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file))
    except OSError:
        return False


def close_file(place: Path, file: int, last: Mapping[str, Any] | None) -> None:
    """Rename the file that is written to; its lock is held, and it is whole.

    The new name is not on disk before its folder is synced, and no file is there yet for the old one.

    Raises
    ------
    OSError
        When it could not be renamed; nothing has changed then.
    """
    when = None if last is None else _when(last)
    day = _told(_DAY, os.fstat(file).st_mtime if when is None else when)
    closed = closed_files(place)
    number = int(closed[-1].name[len(place.stem) + 1 :].split(".")[0]) + 1 if closed else 1
    name = place.with_name(f"{place.stem}.{number:06d}.{day}{place.suffix}")
    if name.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(name))
    place.rename(name)
    for ending in BESIDE:
        with contextlib.suppress(OSError):  # it is made again where it is not there
            place.with_name(place.name + ending).rename(name.with_name(name.name + ending))
