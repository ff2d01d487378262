"""Append-only JSON Lines: a line is on disk before it is acknowledged, and a torn one never spoils the rest."""

import json
import logging
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from retrolux.device.disk import locked, refusal, sync_folder, unwritable
from retrolux.device.errors import InstrumentClosed, LogUnreadable, LogUnwritable
from retrolux.device.series import Rotation, close_file, closed_files, is_file_of, place_of
from retrolux.device.tearing import BLOCK, LONGEST, Repair, is_torn, last_line, parse_line, repair

__all__ = ["BLOCK", "JsonLines", "Repair", "objects", "read_lines"]

REMEMBERED = 4096  # bytes before a line that are compared with the disk when the line could not be written

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Doubt:
    """What must be on disk still, although it did not take what was written behind it."""

    end: int
    before: bytes


class JsonLines:
    """A file of JSON objects, one a line, to which lines are only ever appended.

    Threads and processes may share a file: each append is made under a lock, from the end of the last whole line. One
    of them may close the file and begin a new one (see :mod:`~retrolux.device.series`); the others follow.

    Parameters
    ----------
    path : Path
        Made, with its directory entry on disk, where it does not exist.
    rotation : Rotation, optional
        When this process begins a new file; never by default.

    Attributes
    ----------
    repair : Repair or None
        What opening found at the file's end.

    Raises
    ------
    LogUnwritable
        When the file cannot be opened for writing, or ends in something that is no part of a log; it is left as it is.
    """

    def __init__(self, path: Path, rotation: Rotation | None = None) -> None:
        self.path = path
        self._rotation = rotation or Rotation()
        self._place = place_of(path).absolute()  # the working directory may change
        self._one_at_a_time = threading.Lock()  # the file's lock holds off other processes, not other threads
        self._doubt: _Doubt | None = None
        self._synced = 0  # bytes that are known to be on disk
        self.repair: Repair | None
        try:
            self._file = _open(self._place)
        except OSError as error:
            raise unwritable(path, error) from error
        try:
            with self._held():
                self.repair = repair(self._file, opening=True)
                self._sync()
        except OSError as error:
            os.close(self._file)
            raise error if isinstance(error, LogUnwritable) else unwritable(path, error) from error

    def append(self, record: Mapping[str, Any]) -> None:
        """Write one line; it is on disk (fdatasync) when this returns.

        Raises
        ------
        LogUnwritable
            When it could not be brought to disk; what was written of it is taken back.
        InstrumentClosed
            When the file is closed.
        ValueError, TypeError
            When the record has no JSON form, as NaN has none, or one that is too long; nothing was written.
        """
        line = json.dumps(record, ensure_ascii=False, allow_nan=False).encode() + b"\n"
        if len(line) > LONGEST:
            raise ValueError(f"a line of {len(line)} bytes is longer than {LONGEST}")
        with self._one_at_a_time:
            self._check()
            try:
                while not self._added(line, record):
                    pass
            except LogUnwritable:
                raise
            except OSError as error:
                raise unwritable(self.path, error) from error

    def check(self) -> None:
        """Raise InstrumentClosed where the file is closed, LogUnwritable where no line could be added.

        That is where the file is gone from its place, its disk is full or read-only, or has failed and does not give
        back what was written; nothing is written to see.
        """
        with self._one_at_a_time:
            self._check()
            if self._doubt is not None:
                try:
                    with self._held():
                        self._reassure()
                except OSError as error:
                    raise error if isinstance(error, LogUnwritable) else unwritable(self.path, error) from error

    def _check(self) -> None:
        if self._file < 0:
            raise InstrumentClosed(f"{self.path} is closed.", "Open it again.")
        if (gone := self._gone()) and not self._is_closed_file():
            raise self._lost(gone)
        if (reason := refusal(self._file)) is not None:
            raise unwritable(self.path, reason)

    def _added(self, line: bytes, record: Mapping[str, Any]) -> bool:
        """Add a line, or begin a new file for it, which another process may then be the first to write to."""
        with self._held():
            self._reassure()
            if (repaired := repair(self._file, opening=False)) is not None:  # of another process that died as it wrote
                _logger.warning("%s: %s", self.path, repaired)
            self._sync()
            if self._is_due(line, record) and self._closed_file():
                return False
            self._add(line)
            return True

    def _add(self, line: bytes) -> None:
        end = os.lseek(self._file, 0, os.SEEK_END)
        before = self._remembered(end)
        if not end:  # whoever made it may have ended before its name was on disk
            sync_folder(self._place.parent)
        try:
            written = 0
            while written < len(line):
                written += os.write(self._file, line[written:])
            os.fdatasync(self._file)
            self._synced = end + len(line)
        except OSError:
            self._doubt = before
            os.ftruncate(self._file, end)
            raise

    def _sync(self) -> None:
        """Bring to disk what another process has added, which may have been killed before it did.

        So there is never more than one line that power may tear, and it is the last.
        """
        if (end := os.lseek(self._file, 0, os.SEEK_END)) == self._synced:
            return
        try:
            os.fdatasync(self._file)
        except OSError:
            self._doubt = self._remembered(end)
            raise
        self._synced = end

    def _remembered(self, end: int) -> _Doubt:
        return _Doubt(end, os.pread(self._file, min(end, REMEMBERED), max(end - REMEMBERED, 0)))

    def _reassure(self) -> None:
        """After a failure, do not trust what is in memory: what was acknowledged must come back from the disk.

        Once a sync has failed, the kernel may call pages clean that never reached the disk (PostgreSQL's "fsyncgate").
        Nothing that was acknowledged was among them, for it was synced before; but the block that the failed line
        shares with it was written to. So the cut must be synced, and what stands before it read again.
        """
        if (doubt := self._doubt) is None:
            return
        repair(self._file, opening=True)
        os.fdatasync(self._file)
        os.posix_fadvise(self._file, 0, 0, os.POSIX_FADV_DONTNEED)
        if os.pread(self._file, len(doubt.before), doubt.end - len(doubt.before)) != doubt.before:
            raise LogUnwritable(
                f"{self.path} failed, and its disk gives back other bytes than those that were acknowledged before.",
                "Do not measure on: look at `dmesg`, copy the log to another disk, and replace this one.",
            )
        self._doubt = None

    def _is_due(self, line: bytes, record: Mapping[str, Any]) -> bool:
        size = os.fstat(self._file).st_size
        last = parse_line(last_line(self._file, size)[0]) if self._rotation.every else None
        return self._rotation.is_due(size, last, len(line), record)

    def _closed_file(self) -> bool:
        """Close the file, so that a new one is begun; where it cannot be renamed, it only grows further."""
        last = parse_line(last_line(self._file, os.fstat(self._file).st_size)[0])
        try:
            close_file(self._place, self._file, last)
        except OSError as error:
            _logger.warning("%s is not rotated: %s", self.path, error.strerror or error)
            return False
        return True

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Hold the lock of the file that is at the log's place; where another process has closed it, of the next."""
        while True:
            with locked(self._file):
                if (gone := self._gone()) is None:
                    yield
                    return
                if not self._is_closed_file():
                    raise self._lost(gone)
                self._reassure()
            self._follow()

    def _follow(self) -> None:
        following = _open(self._place)
        os.close(self._file)
        self._file, self._synced = following, 0

    def _gone(self) -> str | None:
        """Say what became of the open file, None where it is still the one at its place."""
        if os.fstat(self._file).st_nlink == 0:
            return "deleted"
        if is_file_of(self._place, self._file):
            return None
        return "replaced" if self._place.exists() else "moved"

    def _is_closed_file(self) -> bool:
        return any(is_file_of(each, self._file) for each in reversed(closed_files(self._place)))

    def _lost(self, gone: str) -> LogUnwritable:
        return LogUnwritable(f"{self.path} was {gone} while it was in use.", "Start again; a new one is made.")

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
    """Yield line numbers, from 1, and objects of one file.

    A torn last line, what an interruption left of a record, is left out, and a warning is logged.

    Raises
    ------
    LogUnreadable
        When the file cannot be read, or a line other than a torn last one is no JSON object; file and line are named.
    """
    try:
        with path.open("rb") as file:
            yield from objects(path, lines_of(file))
    except OSError as error:
        raise LogUnreadable(f"{path} cannot be read: {error.strerror}.", "Name a readable log.") from error


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    """Yield a file's lines, with their newlines; what is too long for one comes in parts, of which none is one.

    So a file without newlines takes no more memory than a line does.
    """
    while line := file.readline(LONGEST + 1):
        yield line


def objects(path: Path, lines: Iterable[bytes], first: int = 1) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield numbers and objects of a file's lines, the first of which has this number; see :func:`read_lines`."""
    rest = iter(lines)
    for number, line in enumerate(rest, first):
        record = parse_line(line)
        if record is not None:
            yield number, record
        elif len(line) > LONGEST:
            raise LogUnreadable(
                f"{path}, line {number} is longer than {LONGEST} bytes, and no reading's.",
                "Remove that line; the rest is whole.",
            )
        elif is_torn(line) and next(rest, None) is None:
            _logger.warning("%s: line %d is torn and was left out.", path, number)
        else:
            raise LogUnreadable(
                f"{path}, line {number} is no JSON object of finite numbers.",
                "Correct or remove that line; the rest is whole.",
            )


def _open(path: Path) -> int:
    new = not path.exists()
    if new and closed_files(path):
        sync_folder(path.parent)  # the last one's new name first: or the new file might take its old one from it
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        if new:
            sync_folder(path.parent)
    except OSError:
        os.close(file)
        raise
    return file
