"""How many readings a log's closed files have, and of which times, kept beside it so that they need not be opened.

``rgb.jsonl.files`` is only ever a short cut, as the index of each file is: it can be deleted at any time, and is
believed of a file that has the size, the time of change and the inode that it had then.
"""

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from retrolux.device.log_index import put_beside
from retrolux.device.series import place_of

SUFFIX = ".files"

_KEY = "retrolux files 1"


@dataclass(frozen=True, slots=True)
class Summary:
    """Of a file of a log.

    Attributes
    ----------
    lines : int
        Readings.
    first, last : float
        Seconds since the epoch, between which all their times are; inf and -inf where none has one.
    devices : list of str
        The instruments that made them, as far as they say.
    """

    lines: int
    first: float
    last: float
    devices: list[str]

    def overlaps(self, since: float, until: float) -> bool:
        """Return whether a reading may be from the one time on and before the other."""
        return self.last >= since and self.first < until


class Summaries:
    """What is known of a log's closed files.

    Parameters
    ----------
    path : Path
        The log.
    """

    def __init__(self, path: Path) -> None:
        self._place = place_of(path).with_name(place_of(path).name + SUFFIX)
        self._known = _read(self._place)
        self._mode: int | None = None

    def of(self, place: Path, make: Callable[[], Summary]) -> Summary:
        """Return a closed file's summary: the one that is kept, else one that is made."""
        status = place.stat()
        stamp = [status.st_size, status.st_mtime_ns, status.st_ino]
        kept = self._known.get(place.name)
        if kept is not None and kept[:3] == stamp:
            return Summary(*kept[3:])
        made = make()
        self._known[place.name] = [*stamp, made.lines, made.first, made.last, made.devices]
        self._mode = status.st_mode
        return made

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Keep what was made, where it can be written."""
        if self._mode is not None:
            put_beside(self._place, json.dumps({_KEY: self._known}).encode(), self._mode)


def _read(place: Path) -> dict[str, list[Any]]:
    with contextlib.suppress(OSError, ValueError, RecursionError):
        document = json.loads(place.read_bytes())
        found = document.get(_KEY) if isinstance(document, dict) else None
        if isinstance(found, dict) and all(map(_is_entry, found.values())):
            return found
    return {}


def _is_entry(value: object) -> bool:
    entry = value if isinstance(value, list) and len(value) == 7 else [None] * 7
    numbers = all(isinstance(n, int) for n in entry[:4]) and all(isinstance(n, int | float) for n in entry[4:6])
    return numbers and isinstance(entry[6], list) and all(isinstance(name, str) for name in entry[6])
