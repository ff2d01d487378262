"""A process that collects readings again and again until it is killed: ``python -m tests.e2e.killed STATE N BYTES``.

It imports everything once and forks for each try, so that a thousand tries take no thousand imports. At each line on
its standard input a child goes on with the same collection of N readings, into a log whose files have so many bytes,
and says on the standard output which process it is (``+PID``), how many readings are acknowledged (``a N``), each time
one is, and ``done``. When it has ended, however it did, there is a line ``ended STATUS``.
"""

import os
import sys
from pathlib import Path

from retrolux.server.collect import Plan, collect
from retrolux.server.config import Config, Log
from retrolux.server.station import Station


def say(text: str) -> None:
    """Write a line at once and in one piece, as a pipe takes so few bytes."""
    os.write(1, f"{text}\n".encode())


def go_on(state: Path, n: int, largest: int) -> None:
    """Collect what is missing."""
    say(f"+{os.getpid()}")
    with Station(Config(state=state, log=Log(rotate_bytes=largest))) as station:
        plan = Plan("lhs", n, 0, "sim", str(station.log_path))
        collect(plan, station.recorder, station.journal, lambda made, _: say(f"a {made}"))
    say("done")


def main(state: str, n: str, largest: str) -> None:
    """Fork at each line."""
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                go_on(Path(state), int(n), int(largest))
                status = 0
            finally:
                os._exit(status)
        say(f"ended {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}")


if __name__ == "__main__":
    main(*sys.argv[1:])
