"""What an interruption leaves at the end of a file of JSON lines, and how that is mended.

A process that is killed leaves the beginning of its line. When the power goes, a line that was not yet acknowledged may
be there in part: blocks of it that did not reach the disk are zeros, in its beginning, its middle or its end. What was
acknowledged stands before it and is whole.
"""

import codecs
import errno
import json
import math
import os
import re
from dataclasses import dataclass
from typing import Any, NoReturn

BLOCK = 65536
LONGEST = 2_000_000
"""Bytes of a line at most, its newline included; a record has hundreds, a journal's event as many as a request."""
_CONTROL = re.compile(r"[\x01-\x1f]")  # which no JSON line has
_INSIDE = bytes(range(0x80, 0xC0))  # of a character of UTF-8, but for its first byte


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


def parse_line(line: bytes) -> dict[str, Any] | None:
    """Return a line's object; None where it is too long, or no JSON object of finite numbers."""
    if len(line) > LONGEST:
        return None
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


def is_torn(line: bytes) -> bool:
    """Whether a last line that is no object may be what an interruption left of one: its beginning, or zeros in it."""
    text = line.removesuffix(b"\n")
    if b"\0" in text:
        return all(map(_is_text, text.split(b"\0")))  # a file that is no log is left alone
    return text.startswith(b"{") and not line.endswith(b"\n")


def _is_text(part: bytes) -> bool:
    """Return whether this may be some of a line's bytes: text, whose first and last character may lack some."""
    try:
        text, _ = codecs.utf_8_decode(part.lstrip(_INSIDE), "strict", False)
    except UnicodeDecodeError:
        return False
    return _CONTROL.search(text) is None


def repair(file: int, *, opening: bool) -> Repair | None:
    """Cut a torn last line off, or give a whole one its newline; what was done is on disk then.

    Parameters
    ----------
    file : int
        Its lock is held.
    opening : bool
        Whether power may have failed since the last look: then a line with its newline may be torn, too.

    Raises
    ------
    OSError
        Also where the file ends in what is no part of a log; it is left as it is.
    """
    end = os.lseek(file, 0, os.SEEK_END)
    ended = end > 0 and os.pread(file, 1, end - 1) == b"\n"
    if not end or (ended and not opening):
        return None
    line, start = last_line(file, end)
    return _mended(file, line, start)


def _mended(file: int, line: bytes, start: int) -> Repair | None:
    if len(line) > LONGEST:
        raise OSError(errno.EFBIG, f"its last line is longer than {LONGEST} bytes")
    ended, whole = line.endswith(b"\n"), parse_line(line) is not None
    if ended and (whole or not is_torn(line)):  # what is neither is for readers to name
        return None
    if whole:
        os.pwrite(file, b"\n", start + len(line))
    elif is_torn(line):
        os.ftruncate(file, start)
    else:
        raise OSError(errno.EINVAL, "its end is no part of a log")
    os.fdatasync(file)
    return Repair(_count_lines(file, start) + 1, b"" if whole else line)


def last_line(file: int, end: int) -> tuple[bytes, int]:
    """Return the last line, with its newline where it has one, and where it begins; of one too long only its end."""
    tail, start = b"", end
    while start > 0:
        step = min(BLOCK, start)
        block = os.pread(file, step, start - step)
        cut = block.rfind(b"\n", 0, len(block) - (not tail))  # a newline at the very end is this line's own
        if cut >= 0:
            return block[cut + 1 :] + tail, start - step + cut + 1
        tail, start = block + tail, start - step
        if len(tail) > LONGEST:
            return tail, start
    return tail, 0


def _count_lines(file: int, end: int) -> int:
    return sum(os.pread(file, min(BLOCK, end - at), at).count(b"\n") for at in range(0, end, BLOCK))
