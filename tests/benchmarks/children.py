"""Whole processes: how long until they have ended or are ready, and how much memory they had at most."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.timing import seconds

COMMAND = str(Path(sys.executable).with_name("retrolux"))
ENDS = "\nprint(json.dumps([told, peak()]))\n"
# VmHWM is the process's own; ru_maxrss begins with what its parent had
BEGINS = """
import json, sys
from pathlib import Path
def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) * 1024 / 1e6
told = None
"""


class Child:
    """What runs in a folder and environment of its own."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder, self.environment = folder, dict(environment)

    def run(self, *command: str, timeout: float = 600) -> str:
        """Run to the end and return what it printed."""
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=timeout, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        return done.stdout

    def told(self, code: str, *arguments: str, timeout: float = 600, python: str = sys.executable) -> tuple[Any, float]:
        """Run Python code that may set ``told``; return that, and the most memory it had, in MB."""
        script = BEGINS + code + ENDS
        told, megabytes = json.loads(self.run(python, "-c", script, *arguments, timeout=timeout))
        return told, megabytes

    def in_turn(self, commands: Sequence[Sequence[str]], rounds: int) -> list[float]:
        """Median seconds of each command from start to end, run in turn; once each beforehand."""
        took = [[seconds(_runner(self, command)) for command in commands] for _ in range(rounds + 1)]
        return [float(m) for m in np.median(took[1:], axis=0)]

    @contextmanager
    def serving(self) -> Iterator[tuple[float, float, str]]:
        """Start ``retrolux serve``; yield seconds until it listens, resident MB a second later, and its address."""
        began = time.perf_counter()
        command = [COMMAND, "serve", "--port", "0"]
        server = subprocess.Popen(command, cwd=self.folder, env=self.environment, stderr=subprocess.PIPE, text=True)
        assert server.stderr is not None
        try:
            url = _listening(server.stderr)
            ready = time.perf_counter() - began
            time.sleep(1)  # whatever it still does
            yield ready, resident(server.pid), url
        finally:
            server.send_signal(signal.SIGTERM)
            server.communicate(timeout=60)


def _runner(child: Child, command: Sequence[str]) -> Callable[[], object]:
    return lambda: child.run(*command)


def _listening(lines: Any) -> str:
    said = []
    while line := lines.readline():
        said.append(line)
        if found := re.search(r"listening on (\S+)", line):
            return found[1]
    raise AssertionError("".join(said))


def resident(pid: int, entry: str = "VmRSS") -> float:
    """MB of 10⁶ bytes that a process has in memory, or had at most (``VmHWM``)."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(re.search(rf"{entry}:\s+(\d+) kB", status)[1]) * 1024 / 1e6  # type: ignore[index]
