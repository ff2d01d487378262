"""Which process a line of the journal is of, and whether that still runs: after a power cut none does."""

import contextlib
import os
from pathlib import Path

_PROC = Path("/proc")


def this_process() -> str:
    """Return what tells this process from all others, of earlier starts of the machine too."""
    return _mark(os.getpid()) or ""


def runs(mark: object) -> bool:
    """Return whether the process of this mark still runs; False of none that is known."""
    if not isinstance(mark, str) or not mark:
        return False
    return _mark(mark.split(":")[0]) == mark


def _mark(process: int | str) -> str | None:
    """Return number, start in ticks since the machine's, and the machine's own start; None where there is none."""
    with contextlib.suppress(OSError, IndexError):
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        behind_name = (_PROC / str(process) / "stat").read_text().rpartition(")")[2].split()
        state, begun = behind_name[0], behind_name[19]
        return None if state in "ZX" else f"{process}:{begun}:{boot}"
    return None
