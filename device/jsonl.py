"""Append-only JSON Lines: a line is on disk before it is acknowledged, and a torn one never spoils the rest."""

import errno
import fcntl
import json
import logging
import math
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

from retrolux.device.errors import InstrumentClosed, LogUnreadable, LogUnwritable

BLOCK = 65536

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Repair:
    """What opening a file found at its end.

    Attributes
    ----------
    line : int
        Number of the line, from 1.
    dropped : bytes
        The torn line that was cut off; empty where only its newline was missing and was added.
    """

    line: int
    dropped: bytes

    def __str__(self) -> str:
        if self.dropped:
            return f"line {self.line} was torn by an interruption; its {len(self.dropped)} bytes were cut off."
        return f"line {self.line} lacked its end by an interruption; it was whole and is kept."


class JsonLines:
    """A file of JSON objects, one a line, to which lines are only ever appended.

    Threads and processes may share a file: each append is made under a lock, from the end of the last whole line.

    Parameters
    ----------
    path : Path
        Made, with its directory entry on disk, where it does not exist.

    Raises
    ------
    LogUnwritable
        When the file cannot be opened for writing, or ends in something that is no part of a log; it is left as it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._place = path.absolute()  # the working directory may change
        self._one_at_a_time = threading.Lock()  # the file's lock holds off other processes, not other threads
        self._file = _open(path)
        self.repair: Repair | None
        try:
            with _locked(self._file):
                self.repair = _repair(self._file)
        except OSError as error:
            os.close(self._file)
            raise _unwritable(path, error) from error

    def append(self, record: Mapping[str, Any]) -> None:
        """Write one line; it is on disk (fdatasync) when this returns.

        Raises
        ------
        LogUnwritable
            When it could not be brought to disk; what was written of it is taken back.
        InstrumentClosed
            When the file is closed.
        ValueError, TypeError
            When the record has no JSON form, as NaN has none; nothing was written.
        """
        line = json.dumps(record, ensure_ascii=False, allow_nan=False).encode() + b"\n"
        with self._one_at_a_time:
            self.check()
            try:
                with _locked(self._file):
                    _repair(self._file)  # of another process that died while it wrote
                    _append(self._file, line)
            except OSError as error:
                raise _unwritable(self.path, error) from error

    def check(self) -> None:
        """Raise InstrumentClosed where the file is closed, LogUnwritable where no line could be added.

        That is where the file is gone from its place, or its disk is full or read-only; nothing is written to see.
        """
        if self._file < 0:
            raise InstrumentClosed(f"{self.path} is closed.", "Open it again.")
        if gone := _gone(self._place, self._file):
            raise LogUnwritable(f"{self.path} was {gone} while it was in use.", "Start again; a new one is made.")
        if (reason := _full(self._file)) is not None:
            raise _unwritable(self.path, OSError(reason, os.strerror(reason)))

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        with self._one_at_a_time:
            if self._file >= 0:
                os.close(self._file)
                self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield line numbers, from 1, and objects.

    A torn last line, a record's beginning without a newline, is left out, and a warning is logged.

    Raises
    ------
    LogUnreadable
        When the file cannot be read, or a line other than a torn last one is no JSON object; file and line are named.
    """
    try:
        with path.open("rb") as file:
            yield from objects(path, file)
    except OSError as error:
        raise LogUnreadable(f"{path} cannot be read: {error.strerror}.", "Name a readable log.") from error


def objects(path: Path, lines: Iterable[bytes], first: int = 1) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield numbers and objects of a file's lines, the first of which has this number; see :func:`read_lines`."""
    for number, line in enumerate(lines, first):
        record = parse_line(line)
        if record is not None:
            yield number, record
        elif line.endswith(b"\n") or not _is_torn(line):
            raise LogUnreadable(
                f"{path}, line {number} is no JSON object of finite numbers.",
                "Correct or remove that line; the rest is whole.",
            )
        else:
            _logger.warning("%s: line %d is torn and was left out.", path, number)


def parse_line(line: bytes) -> dict[str, Any] | None:
    """Return a line's object; None where it is no JSON object of finite numbers."""
    try:
        record = json.loads(line, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):  # also UnicodeDecodeError
        return None
    return record if isinstance(record, dict) else None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse(text)  # 1e999 is infinite, and JSON cannot say that again


def _open(path: Path) -> int:
    try:
        new = not path.exists()
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        if new:
            _sync_folder(path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error
    return file


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class _locked:  # noqa: N801 - reads as a verb
    """Hold the file's advisory lock."""

    def __init__(self, file: int) -> None:
        self._file = file

    def __enter__(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)


def _gone(place: Path, file: int) -> str | None:
    """Say what became of an open file, None where it is still the one at its place."""
    here = os.fstat(file)
    if here.st_nlink == 0:
        return "deleted"
    try:
        return None if os.path.samestat(here, place.stat()) else "replaced"
    except OSError:
        return "moved"


def _full(file: int) -> int | None:
    """Return the errno with which a write must fail, as far as the disk tells; some disks tell nothing (0 blocks)."""
    disk = os.fstatvfs(file)
    if disk.f_flag & os.ST_RDONLY:
        return errno.EROFS
    return errno.ENOSPC if disk.f_blocks and not disk.f_bfree else None


def _append(file: int, line: bytes) -> None:
    end = os.lseek(file, 0, os.SEEK_END)
    try:
        written = 0
        while written < len(line):
            written += os.write(file, line[written:])
        os.fdatasync(file)
    except OSError:
        os.ftruncate(file, end)
        raise


def _repair(file: int) -> Repair | None:
    """Cut a torn last line off, or give a whole one its newline."""
    end = os.lseek(file, 0, os.SEEK_END)
    tail, start = _last_line(file, end)
    if not tail:
        return None
    if parse_line(tail) is not None:
        os.pwrite(file, b"\n", end)
        dropped = b""
    else:
        if not _is_torn(tail):
            raise OSError(errno.EINVAL, "its end is no part of a log")
        os.ftruncate(file, start)
        dropped = tail
    os.fdatasync(file)
    return Repair(_count_lines(file, start) + 1, dropped)


def _is_torn(tail: bytes) -> bool:
    """Whether this may be what an interruption left of a line: its beginning, or the zeros of a power failure."""
    return tail.startswith(b"{") or not tail.strip(b"\0")


def _last_line(file: int, end: int) -> tuple[bytes, int]:
    """Return what stands behind the last newline, and where it begins."""
    tail, start = b"", end
    while start > 0:
        step = min(BLOCK, start)
        block = os.pread(file, step, start - step)
        cut = block.rfind(b"\n")
        if cut >= 0:
            return block[cut + 1 :] + tail, start - step + cut + 1
        tail, start = block + tail, start - step
    return tail, 0


def _count_lines(file: int, end: int) -> int:
    return sum(os.pread(file, min(BLOCK, end - at), at).count(b"\n") for at in range(0, end, BLOCK))


def _unwritable(path: Path, error: OSError) -> LogUnwritable:
    return LogUnwritable(
        f"{path} cannot be written: {error.strerror or error}.", "Free space on the disk, or choose another log."
    )
