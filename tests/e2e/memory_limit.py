"""A limit on the memory of a command and all its processes together, and on the cores they may use.

``python -m tests.e2e.memory_limit --megabytes 512 --cores 2 -- retrolux demo`` runs it and tells the peak on stderr.
The limit is a control group's where this process may make one (root, as a rule; version 1 or 2); files that were read
count, as they do on a board, and give way. Elsewhere it is one on the addresses of each process, and it is said why.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.server.processes import gone

MOUNT = Path("/sys/fs/cgroup")
MEGABYTE = 1 << 20
ENTER_GROUP = 'echo $$ > "$0" && exec "$@"'
# a thread otherwise takes 8 MiB of addresses for its stack and 64 for its allocations, most of which never are memory
LIMIT_EACH = 'ulimit -s 1024 && ulimit -v "$0" && MALLOC_ARENA_MAX=2 exec "$@"'


@dataclass(frozen=True)
class Version:
    """What a version of control groups calls its files; ``swap`` beside ``memory``, or on both together."""

    number: int
    memory: str
    swap: str
    together: bool
    peak: str
    kills: str


V1 = Version(1, "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", True, "memory.max_usage_in_bytes",
             "memory.oom_control")  # fmt: skip
V2 = Version(2, "memory.max", "memory.swap.max", False, "memory.peak", "memory.events")


@dataclass(frozen=True)
class Limit:
    """What commands run in.

    Attributes
    ----------
    kind : str
        In words.
    prefix : tuple of str
        What has to stand before a command.
    group : Path, optional
        The control group's folder.
    version : Version
    """

    kind: str
    prefix: tuple[str, ...]
    group: Path | None = None
    version: Version = V1

    def command(self, *command: str) -> list[str]:
        """Return the command that runs another within the limit."""
        return [*self.prefix, *command]

    def peak(self) -> float | None:
        """Return the most memory that all had at once so far, in MiB; None where nobody counts it."""
        if self.group is None or not (counted := self.group / self.version.peak).exists():  # Linux 5.19 began to
            return None
        return int(counted.read_text()) / MEGABYTE

    def killed(self) -> int | None:
        """Return how many processes the limit has killed; None where nobody counts them."""
        if self.group is None:
            return None
        told = dict(line.split() for line in (self.group / self.version.kills).read_text().splitlines())
        return int(told["oom_kill"])


@contextmanager
def limited(megabytes: int, cores: int, mount: Path = MOUNT) -> Iterator[Limit]:
    """Make a limit; whatever still runs in it at the end is killed.

    Parameters
    ----------
    megabytes : int
        MiB, swap included.
    cores : int
        How many of those that this process may use.
    mount : Path
        Where control groups are.
    """
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    pinned = ("taskset", "-c", ",".join(map(str, allowed)))
    made, why = _group(megabytes * MEGABYTE, mount)
    if made is None:
        each = ("sh", "-c", LIMIT_EACH, str(megabytes * 1024))
        yield Limit(f"{megabytes} MiB of address space for each process ({why})", (*pinned, *each))
        return
    group, version = made
    kind = f"{megabytes} MiB for all processes together (control group, version {version.number})"
    try:
        yield Limit(kind, (*pinned, "sh", "-c", ENTER_GROUP, str(group / "cgroup.procs")), group, version)
    finally:
        _remove(group)


def _group(most: int, mount: Path) -> tuple[tuple[Path, Version] | None, str]:
    """Return a new group that has the limit, or None and the reason."""
    why = f"no control groups for memory below {mount}"
    for parent, version in _places(mount):
        try:
            group = Path(tempfile.mkdtemp(prefix="retrolux-", dir=parent))
        except OSError as error:
            why = f"no control group can be made: {error}"
            continue
        try:
            _set(group, version, most)
        except OSError as error:
            why = f"the control group takes no limit: {error}"
            group.rmdir()
        else:
            return (group, version), ""
    return None, why


def _places(mount: Path) -> list[tuple[Path, Version]]:
    """Return where a group may be made: in version 1 first below this process's own, whose limits hold as well."""
    if (mount / "cgroup.controllers").exists():
        with suppress(OSError):  # done already, or refused, which setting the limit will tell
            (mount / "cgroup.subtree_control").write_text("+memory")
        return [(mount, V2)]
    root = mount / "memory"
    own = [line.split(":", 2)[2] for line in Path("/proc/self/cgroup").read_text().splitlines() if ":memory:" in line]
    places = [root / path.lstrip("/") for path in own] + [root]
    return [(place, V1) for place in places if place.is_dir()]


def _set(group: Path, version: Version, most: int) -> None:
    (group / version.memory).write_text(str(most))
    if (group / version.swap).exists():
        (group / version.swap).write_text(str(most if version.together else 0))


def _remove(group: Path) -> None:
    for pid in map(int, (group / "cgroup.procs").read_text().split()):
        with suppress(ProcessLookupError):
            ended = os.pidfd_open(pid)
            os.kill(pid, signal.SIGKILL)
            gone(ended)
    group.rmdir()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command within a limit, tell its peak, and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.memory_limit", description=__doc__)
    parser.add_argument("--megabytes", type=int, default=512)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("command", nargs="+")
    asked = parser.parse_args(arguments)
    with limited(asked.megabytes, asked.cores) as limit:
        code = subprocess.run(limit.command(*asked.command), check=False).returncode
        peak = limit.peak()
        told = "not counted" if peak is None else f"{peak:.0f} MiB, {limit.killed()} killed"
        print(f"limit: {limit.kind}\npeak: {told}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
