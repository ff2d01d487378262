"""Columns of a long log, kept beside it so that a line is parsed once; what is kept is believed by its checksum alone.

A folder beside the log holds one file for each stretch of it, whose name says which bytes it is of and their checksum.
It can be deleted at any time.
"""

import contextlib
import json
import re
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from retrolux.device.jsonl import objects
from retrolux.device.log import checked
from retrolux.device.series import each_file, size
from retrolux.device.tearing import LONGEST
from retrolux.models.errors import BadData
from retrolux.models.gathering import Gathering

SUFFIX = ".columns"
LEAST = 10_000_000
"""Bytes of a log whose columns are worth keeping."""
STRETCH = 20_000_000
"""Bytes of a stretch, at most."""
SHARE = 50
"""A stretch is added once it is at least this part of those before it, so that they do not become many."""

_NAME = re.compile(r"([0-9]+)-([0-9]+)-([0-9a-f]{8})\.npz")


@dataclass
class Gathered:
    """A log's records.

    Attributes
    ----------
    gathering : Gathering
    devices : Counter
        How many are of which instrument.
    lines : int
    """

    gathering: Gathering = field(default_factory=Gathering)
    devices: Counter[str] = field(default_factory=Counter)
    lines: int = 0

    def add(self, path: Path, lines: bytes) -> None:
        """Take in lines behind those that are known. Raises LogUnreadable, BadData."""
        for number, record in objects(path, BytesIO(lines), self.lines + 1):
            self.gathering.add(checked(path, number, record))
            self.devices[device_of(record)] += 1
        self.lines += lines.count(b"\n")

    def extend(self, arrays: Mapping[str, Any]) -> None:
        """Take in what :meth:`to_arrays` gave of further lines. Raises KeyError, ValueError."""
        lines, devices = json.loads(str(arrays["told"]))
        self.gathering.extend(arrays)
        self.devices.update(devices)
        self.lines += lines

    def to_arrays(self) -> dict[str, Any] | None:
        """Return it as arrays; None where it has no such form."""
        arrays, told = self.gathering.to_arrays(), np.array(json.dumps([self.lines, self.devices]))
        return None if arrays is None else arrays | {"told": told}


def device_of(record: Mapping[str, Any]) -> str:
    """Return the name of the instrument that made a reading, ``unknown`` where it does not say."""
    return str(record.get("device") or "unknown")


def gathered(path: Path) -> Gathered | None:
    """Return a log's records, of which only those are parsed that no earlier call has.

    None of a log that is short, or whose records have no columns in common: read each then. Raises LogUnreadable.
    """
    with contextlib.suppress(OSError, BadData):
        if size(path) >= LEAST:
            found = Gathered()
            files = each_file(path)
            return found if all(_gather(found, place, file, closed=place != path) for place, file in files) else None
    return None


def _gather(found: Gathered, path: Path, file: BinaryIO, *, closed: bool) -> bool:
    """Take in a file of a log; return False where its records have no columns in common with those before."""
    folder, at, found.lines = path.with_name(path.name + SUFFIX), 0, 0
    for end, arrays in _kept(folder, file):
        found.extend(arrays)
        at = end
    for lines in _stretches(file, at):
        new = Gathered(lines=found.lines)
        new.add(path, lines)
        new.lines -= found.lines
        if new.gathering.n:
            if (told := new.to_arrays()) is None:
                return False
            found.extend(told)
            if (closed or len(lines) * SHARE >= at) and lines.endswith(b"\n"):
                _keep(folder, f"{at}-{at + len(lines)}-{zlib.crc32(lines):08x}.npz", told)
        at += len(lines)
    return True


def _stretches(file: BinaryIO, at: int) -> Iterator[bytes]:
    """Yield the lines from a byte on, many at a time; a last one without an end is a stretch of its own."""
    file.seek(at)
    while content := file.read(STRETCH):
        content += file.readline(LONGEST + 1)  # what is longer is refused by file and line
        end = content.rfind(b"\n") + 1
        yield from (part for part in (content[:end], content[end:]) if part)


def _kept(folder: Path, file: BinaryIO) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield ends and columns of the stretches that are as they were, from the log's beginning on."""
    names = [match for path in folder.glob("*.npz") if (match := _NAME.fullmatch(path.name))]
    starts, at = {int(match[1]): match for match in names}, 0
    while (match := starts.get(at)) and int(match[2]) > at:
        file.seek(at)
        content = file.read(int(match[2]) - at)
        if len(content) != int(match[2]) - at or zlib.crc32(content) != int(match[3], 16):
            return
        try:
            with np.load(folder / match[0], allow_pickle=False) as arrays:
                known = {name: arrays[name] for name in arrays.files}
        except (OSError, ValueError, EOFError, KeyError, NotImplementedError, zlib.error, zipfile.BadZipFile):
            return
        if "told" not in known:
            return
        at = int(match[2])
        yield at, known


def _keep(folder: Path, name: str, arrays: Mapping[str, Any]) -> None:
    """Put columns into the folder in one step, in place of older ones of the same stretch; or not at all."""
    with contextlib.suppress(OSError):
        folder.mkdir(exist_ok=True)
        for old in folder.glob(f"{name.split('-', maxsplit=1)[0]}-*.npz"):
            old.unlink()
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".", delete=False) as file:
            draft = Path(file.name)
            try:
                np.savez(file, allow_pickle=False, **arrays)
                draft.chmod(0o644)  # as the log is
                draft.replace(folder / name)
            except OSError:
                draft.unlink()  # a full disk does not become fuller
                raise
