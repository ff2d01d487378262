"""A disk that is watched: every call that changes a file or a folder, seen before it is made, and what power leaves.

As SQLite's crash tests do, the calls are recorded and the disks are built that a power failure may leave of them. What
is taken for granted of a disk: a sector of 512 bytes is written whole or not at all, a name is changed whole or not at
all, and what was synced stays. Everything else may be there or not, in any order; what a file grew by and has not
reached it is zeros.
"""

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

SECTOR = 512
CHANGING = ("open", "write", "pwrite", "ftruncate", "fsync", "fdatasync", "rename")

See = Callable[[str, Callable[..., Any], tuple[Any, ...]], Any]


@contextmanager
def watched(see: See) -> Iterator[None]:
    """Have each changing call made by ``see(name, call, arguments)``."""
    with pytest.MonkeyPatch.context() as patch:
        for name in CHANGING:
            patch.setattr(os, name, _through(see, name, getattr(os, name)))
        yield


def _through(see: See, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *given, **named: see(name, lambda *now: real(*now, **named), given)


@contextmanager
def unsynced() -> Iterator[None]:
    """Have no sync made, where it is of no matter and takes time."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("fsync", "fdatasync"):
            patch.setattr(os, name, lambda _file: None)
        yield


class Killed(BaseException):
    """Raised where the process ends: nothing that would clean up may catch it."""


class Killer:
    """Ends the process, as it were, at its n-th changing call: before it, after it, or with a write half done.

    Parameters
    ----------
    calls : int
        That are still made.
    share : float
        Of a write that is made; another call is made from a half on.
    only : str, optional
        The name of the calls that count.
    """

    def __init__(self, calls: int, share: float, only: str | None = None) -> None:
        self.left, self.share, self.only = calls, share, only

    def __call__(self, name: str, real: Callable[..., Any], given: tuple[Any, ...]) -> Any:
        self.left -= self.only in {None, name}
        if self.left >= 0:
            return real(*given)
        if name == "write":
            real(given[0], given[1][: int(self.share * len(given[1]))])
        elif self.share >= 0.5:
            real(*given)
        raise Killed


@dataclass
class Content:
    """A file's bytes: those that were synced, and all that it has been since."""

    synced: bytes = b""
    since: list[bytes] = field(default_factory=list)

    @property
    def now(self) -> bytes:
        return self.since[-1] if self.since else self.synced

    def sync(self) -> None:
        self.synced, self.since = self.now, []

    def drawn(self, rng: random.Random) -> bytes:
        """Return what may be found of it: its size of some time, each sector of some time, or zeros where it is new."""
        times = [self.synced, *self.since]
        grown = [size for size in range(0, len(self.now), SECTOR) if size > len(self.synced)]
        size = rng.choice([*map(len, times), *grown])
        found = b""
        for at in range(0, size, SECTOR):
            seen = [t[at : at + SECTOR].ljust(SECTOR, b"\0") for t in times]
            found += rng.choice([*seen, bytes(SECTOR)] if at >= len(self.synced) else seen)
        return found[:size]


@dataclass
class Disk:
    """A folder and its files, by number, as far as the calls so far have made them."""

    contents: dict[int, Content] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)
    changes: list[tuple[str, ...]] = field(default_factory=list)  # of names, since the folder was synced
    numbers: list[int] = field(default_factory=list)
    acknowledged: list[int] = field(default_factory=list)

    def do(self, call: tuple[Any, ...]) -> None:
        getattr(self, f"_{call[0]}")(*call[1:])

    def _create(self, name: str, number: int) -> None:
        self.contents[number] = Content()
        self.changes.append(("create", name, str(number)))

    def _write(self, number: int, at: int, data: bytes) -> None:
        now = self.contents[number].now
        self.contents[number].since.append(now[:at].ljust(at, b"\0") + data + now[at + len(data) :])

    def _truncate(self, number: int, size: int) -> None:
        self.contents[number].since.append(self.contents[number].now[:size])

    def _sync(self, number: int) -> None:
        self.contents[number].sync()

    def _rename(self, old: str, new: str) -> None:
        self.changes.append(("rename", old, new))

    def _sync_folder(self) -> None:
        self.names, self.changes = self._named(self.changes), []

    def _acknowledge(self, serial: int) -> None:
        self.acknowledged.append(serial)

    def _named(self, changes: list[tuple[str, ...]]) -> dict[str, int]:
        names = dict(self.names)
        for what, one, other in changes:
            if what == "create":
                names[one] = int(other)
            elif one in names:
                names[other] = names.pop(one)
        return names

    @property
    def pending(self) -> bool:
        """Whether a power failure now may leave another disk than it seems to be."""
        return bool(self.changes) or any(content.since for content in self.contents.values())

    def now(self) -> dict[str, bytes]:
        """Return the files as a process sees them."""
        return {name: self.contents[number].now for name, number in self._named(self.changes).items()}

    def drawn(self, rng: random.Random) -> dict[str, bytes]:
        """Return the files that a power failure may leave now."""
        names = self._named([change for change in self.changes if rng.random() < 0.5])
        return {name: self.contents[number].drawn(rng) for name, number in names.items()}


class Recording:
    """Writes down what is done to the files of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls: list[tuple[Any, ...]] = []

    def acknowledge(self, serial: int) -> None:
        self.calls.append(("acknowledge", serial))

    def __call__(self, name: str, real: Callable[..., Any], given: tuple[Any, ...]) -> Any:
        return getattr(self, f"_{name}", self._other)(real, *given)

    def _other(self, real: Callable[..., Any], *given: Any) -> Any:
        return real(*given)

    def _open(self, real: Callable[..., Any], path: Any, flags: int, *more: Any) -> int:
        new = bool(flags & os.O_CREAT) and not Path(path).exists()
        file = real(path, flags, *more)
        if new:
            self.calls.append(("create", Path(path).name, os.fstat(file).st_ino))
        return file

    def _write(self, real: Callable[..., Any], file: int, data: bytes) -> int:
        at = os.lseek(file, 0, os.SEEK_CUR)
        written = real(file, data)
        self.calls.append(("write", os.fstat(file).st_ino, at, bytes(data[:written])))
        return written

    def _pwrite(self, real: Callable[..., Any], file: int, data: bytes, at: int) -> int:
        written = real(file, data, at)
        self.calls.append(("write", os.fstat(file).st_ino, at, bytes(data[:written])))
        return written

    def _ftruncate(self, real: Callable[..., Any], file: int, size: int) -> None:
        real(file, size)
        self.calls.append(("truncate", os.fstat(file).st_ino, size))

    def _fsync(self, _real: Callable[..., Any], file: int) -> None:
        status = os.fstat(file)
        ours = os.path.samestat(status, self.folder.stat())
        self.calls.append(("sync_folder",) if ours else ("sync", status.st_ino))

    _fdatasync = _fsync

    def _rename(self, real: Callable[..., Any], old: Any, new: Any) -> None:
        real(old, new)
        self.calls.append(("rename", Path(old).name, Path(new).name))
