"""An index beside a log: where every 256th line begins, and the times between. It is only ever a short cut.

It can be deleted at any time. What it says is compared with the log, and where the two differ it is made again: a log
that is not the one it was made of, is shorter, was written to without growing, or does not end where it should. Each
block that is read is compared with its checksum. (A line that was edited in its middle, to the same length, and before
the next reading was logged, is noticed when its block is read.)
"""

import contextlib
import os
import re
import stat
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from retrolux.device.tearing import LONGEST

STRIDE = 256
"""Lines of a block."""
SUFFIX = ".index"

_MAGIC = b"retrolux index 2\n"
_HEAD = np.dtype([(name, "<u8") for name in ("device", "inode", "size", "changed", "end", "blocks", "sum")])
_BLOCK = np.dtype([("start", "<u8"), ("first", "<f8"), ("last", "<f8"), ("sum", "<u4")])
_READ = 1 << 20  # bytes at a time
_TIME = re.compile(rb'"time"\s*:\s*(-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)')

Blocks = NDArray[np.void]


@dataclass(frozen=True, eq=False)
class Index:
    """The blocks of a log's beginning; what stands behind is read.

    Attributes
    ----------
    blocks : structured ndarray, shape (n_blocks,)
        ``start``, a byte; ``first`` and ``last``, between which all times of its lines are, seconds since the epoch;
        ``sum``, CRC-32.
    end : int
        Byte behind the last block.
    """

    blocks: Blocks
    end: int

    @property
    def lines(self) -> int:
        """Lines that are in blocks."""
        return STRIDE * len(self.blocks)

    def span(self, i: int) -> tuple[int, int]:
        """Return where a block begins, and where it ends."""
        behind = self.end if i + 1 == len(self.blocks) else int(self.blocks["start"][i + 1])
        return int(self.blocks["start"][i]), behind


class Stale(Exception):
    """Raised inside the room when a log is not what its index says."""


def index_of(path: Path, file: BinaryIO, *, anew: bool = False) -> Index:
    """Return a log's index, with the lines that were added since; kept beside the log where that can be written.

    Parameters
    ----------
    path : Path
    file : binary file
        The log, open for reading.
    anew : bool
        Whether what is kept is not to be believed.
    """
    known = (None if anew else _kept(path, file)) or Index(np.empty(0, _BLOCK), 0)
    grown = _grown(known, file)
    if len(grown.blocks) > len(known.blocks):
        _keep(path, file, grown)
    return grown


def block(file: BinaryIO, index: Index, i: int) -> bytes:
    """Return the bytes of a block. Raises Stale where they are not those it was made of."""
    start, end = index.span(i)
    file.seek(start)
    content = file.read(end - start)
    if len(content) < end - start or zlib.crc32(content) != index.blocks["sum"][i]:
        raise Stale
    return content


def _kept(path: Path, file: BinaryIO) -> Index | None:
    """Return the index beside a log, None where there is none of this log as it is."""
    try:
        content = _place(path).read_bytes()
        if not content.startswith(_MAGIC):
            return None
        head = np.frombuffer(content, _HEAD, 1, len(_MAGIC))[0]
        blocks = np.frombuffer(content, _BLOCK, -1, len(_MAGIC) + _HEAD.itemsize)
    except (OSError, ValueError):
        return None
    found, status = Index(blocks, int(head["end"])), os.fstat(file.fileno())
    same = (head["device"], head["inode"], head["blocks"]) == (status.st_dev, status.st_ino, len(blocks))
    whole = head["sum"] == zlib.crc32(blocks.tobytes())
    edited = head["size"] == status.st_size and head["changed"] != status.st_mtime_ns
    return found if same and whole and not edited and found.end <= status.st_size and _holds(file, found) else None


def _holds(file: BinaryIO, found: Index) -> bool:
    """Return whether first and last block are as they were."""
    with contextlib.suppress(Stale):
        for i in {0, len(found.blocks) - 1} if len(found.blocks) else ():
            block(file, found, i)
        return True
    return False


def _grown(index: Index, file: BinaryIO) -> Index:
    """Return the index with all blocks that are whole."""
    file.seek(index.end)
    rest, start = b"", index.end
    more: list[tuple[int, float, float, int]] = []
    while content := file.read(_READ):
        if len(rest) > 32 * LONGEST or (len(rest) > LONGEST and b"\n" not in rest[-LONGEST:]):
            break  # a line that is none: whoever reads on says so
        rest += content
        at = 0
        for end in _ends(rest):
            if b"\0" in rest[at:end]:  # a line that lost power tore, which will be cut off
                return _joined(index, more, start + at)
            more.append((start + at, *_times(rest[at:end]), zlib.crc32(rest[at:end])))
            at = end
        rest, start = rest[at:], start + at
    return _joined(index, more, start)


def _joined(index: Index, more: list[tuple[int, float, float, int]], end: int) -> Index:
    return Index(np.concatenate([index.blocks, np.array(more, _BLOCK)]), end) if more else index


def _ends(content: bytes) -> list[int]:
    """Return behind which bytes every 256th line ends."""
    breaks = np.flatnonzero(np.frombuffer(content, np.uint8) == ord("\n"))
    ends: list[int] = (breaks[STRIDE - 1 :: STRIDE] + 1).tolist()
    return ends


def _times(content: bytes) -> tuple[float, float]:
    """Return between which times a block's lines are; it may be told too wide, never too narrow."""
    if b"\\u" in content:  # a key may be spelt so
        return -np.inf, np.inf
    times = [float(text) for text in _TIME.findall(content)]
    return (min(times), max(times)) if times else (np.inf, -np.inf)


def _place(path: Path) -> Path:
    return path.with_name(path.name + SUFFIX)


def _keep(path: Path, file: BinaryIO, index: Index) -> None:
    """Put an index beside its log."""
    status = os.fstat(file.fileno())
    log = status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
    head = np.array([(*log, index.end, len(index.blocks), zlib.crc32(index.blocks.tobytes()))], _HEAD)
    put_beside(_place(path), _MAGIC + head.tobytes() + index.blocks.tobytes(), status.st_mode)


def put_beside(place: Path, content: bytes, mode: int) -> None:
    """Write what a log's answers come sooner by, in one step or not at all; no reading waits or fails for it.

    Without a sync, for it can be made again. By the log's own mode, whoever may read that may read this.
    """
    with contextlib.suppress(OSError):
        handle, draft = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")
        try:
            with os.fdopen(handle, "wb") as new:
                new.write(content)
            Path(draft).chmod(stat.S_IMODE(mode))
            Path(draft).replace(place)
        except OSError:
            Path(draft).unlink()
