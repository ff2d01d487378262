"""The processes that another one has started, as /proc tells."""

import contextlib
import os
import select
import time
from collections.abc import Callable
from pathlib import Path

SECONDS = 60  # for what takes one where the machine is idle


def children(of: int) -> list[int]:
    """Return the processes of :mod:`retrolux.server.child` that this one has started and that have not ended."""
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            state, parent = (folder / "stat").read_text().rpartition(") ")[2].split()[:2]
            if int(parent) == of and state != "Z" and b"retrolux.server.child" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


def niceness(pid: int) -> int:
    return os.getpriority(os.PRIO_PROCESS, pid)


def first(look: Callable[[], list[int]]) -> int:
    """Return the first that is found; looks until there is one."""
    until = time.monotonic() + SECONDS
    while not (found := look()):
        assert time.monotonic() < until
    return found[0]


def gone(descriptor: int) -> bool:
    """Wait until the process of a ``pidfd`` has ended."""
    ended, _, _ = select.select([descriptor], [], [], SECONDS)
    os.close(descriptor)
    return bool(ended)
