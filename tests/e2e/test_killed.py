"""SIGKILL in mid-run: nothing that was acknowledged is lost, nothing is measured twice, and every restart goes on.

Short here; ``pytest -m slow tests/e2e/test_killed.py -s`` kills a thousand times.
"""

import os
import random
import select
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from retrolux.device.log import read_records
from retrolux.device.series import closed_files
from retrolux.server.journal import Journal
from tests.conftest import ROOT

LARGEST = 4000  # bytes of a file: six readings, so that kills meet rotations


class Collection:
    """One collection that is interrupted by kills."""

    def __init__(self, state: Path, n: int, child: "subprocess.Popen[str]") -> None:
        self.path, self.journal = state / "rgb.jsonl", Journal(state / "journal.jsonl")
        self.n, self._child = n, child
        self.acknowledged, self.restarts = 0, 0
        self._silent = 0  # kills since one was acknowledged
        self.seen: Counter[str] = Counter()

    def killed(self, readings: int, wait: float) -> None:
        """Go on, and kill after so many readings and these seconds, or when there is a further one."""
        process = self._begun()
        for _ in range(readings):
            assert self._heard().startswith("a ")
        select.select([self._out], [], [], wait)
        os.kill(process, signal.SIGKILL)
        while not (last := self._heard()).startswith("ended"):
            pass
        assert last == f"ended {-signal.SIGKILL}"
        self.restarts += 1
        self._silent += 1
        closed = len(closed_files(self.path))
        self.seen["between two files"] += not self.path.exists()
        self.seen["new file, no line"] += closed > 0 and self.path.exists() and not self.path.stat().st_size
        self.seen["torn line"] += self.path.exists() and self.path.read_bytes()[-1:] not in {b"", b"\n"}

    def finished(self) -> None:
        self._begun()
        while (last := self._heard()) != "done":
            assert not last.startswith("ended")
        assert self._heard() == "ended 0"

    def _begun(self) -> int:
        self._in.write("\n")
        self._in.flush()
        return int(self._out.readline().removeprefix("+"))

    def _heard(self) -> str:
        said = self._out.readline().strip()
        if said.startswith("a "):
            untold = int(said.removeprefix("a ")) - 1 - self.acknowledged
            assert 0 <= untold <= self._silent  # each kill may leave one on disk that nobody was told of
            self.acknowledged += untold + 1
            self.seen["reading on disk that was not acknowledged"] += untold
            self._silent = 0
        return said

    @property
    def _in(self) -> IO[str]:
        assert self._child.stdin
        return self._child.stdin

    @property
    def _out(self) -> IO[str]:
        assert self._child.stdout
        return self._child.stdout


@contextmanager
def collecting(state: Path, n: int) -> Iterator[Collection]:
    command = [sys.executable, "-m", "tests.e2e.killed", str(state), str(n), str(LARGEST)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, text=True, bufsize=1, **pipes) as child:
        yield Collection(state, n, child)
        child.stdin.close()


def kill_and_check(state: Path, kills: int, seed: int) -> Collection:
    rng = random.Random(seed)
    n = 3 * kills + 10
    with collecting(state, n) as run:
        for _ in range(kills):
            run.killed(rng.randrange(4), rng.uniform(0, 0.004))  # none: in the middle of its start, too
        run.finished()
    records = read_records(run.path)
    assert [r["i"] for r in records] == list(range(n))  # each once, in their order
    assert len({r["id"] for r in records}) == n
    assert run.acknowledged == n
    (started, *resumed, finished) = run.journal.events()
    assert [started["event"], finished["event"]] == ["started", "finished"]
    assert {event["event"] for event in resumed} == {"resumed"}
    assert {r["run"] for r in records} == {started["job"]}
    assert len(closed_files(run.path)) > kills / 3
    return run


def test_twenty_kills(tmp_path: Path) -> None:
    assert kill_and_check(tmp_path, 20, 1).restarts == 20


@pytest.mark.slow
def test_a_thousand_kills(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = kill_and_check(tmp_path, 1000, 2)
    files, left = len(closed_files(run.path)) + 1, ", ".join(f"{what}: {n}" for what, n in run.seen.items())
    with capsys.disabled():
        print(f"\n{run.restarts} kills, {run.n} readings in {files} files: 0 acknowledged lost, 0 twice")
        print(f"0 restarts failed; what kills left: {left}")
    assert run.restarts == 1000
    assert run.seen["new file, no line"] + run.seen["between two files"] > 0
