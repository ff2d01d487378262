"""All that a small board has to do, in little memory: the demo, and a server that measures, fits, answers and aims.

``python -m tests.e2e.small_board --megabytes 512 --cores 2 -- .venv/bin/retrolux`` does it, and tells time and peak.
The program is asked from outside of the limit, as from another machine. ``--fresh FOLDER`` has the files of the virtual
environment read anew from disk, since a control group counts only what was not in memory already.
"""

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.memory_limit import Limit, limited

METHODS = ("linear", "pls", "gmm", "forest", "bayes")
TARGET = {"445nm": 16384, "515nm": 16384, "630nm": 16384}
NEAR = {"R": 0.50, "G": 0.23, "B": 0.52}
"""What answers the target on the simulated instrument, whatever the method, to 0.03."""

READINGS = 100
PATIENCE = 1200  # seconds for an answer where the processor is emulated
PAUSE = 0.2  # seconds between questions after a job, whose processor time they would take


@dataclass(frozen=True)
class Done:
    """What was done: in how many seconds, and the most memory meanwhile in MiB, if that is counted."""

    what: str
    seconds: float
    peak: float | None

    def __str__(self) -> str:
        peak = "not counted" if self.peak is None else f"{self.peak:.0f} MiB"
        return f"{self.what}: {self.seconds:.0f} s, peak {peak}"


WHATS = ("retrolux demo", "retrolux serve, 100 readings, a fit of five methods, an answer of each, an aim")


def errand(
    retrolux: Sequence[str], megabytes: int, cores: int, folder: Path, fresh: Path | None = None
) -> Iterator[Done]:
    """Do it all with the program that a command starts, and check what it says.

    Parameters
    ----------
    retrolux : sequence of str
        The command.
    megabytes, cores : int
        The limit, on all processes together.
    folder : Path
        An empty one.
    fresh : Path, optional
        A folder whose files are to be read from disk.
    """
    for what, do in zip(WHATS, (demo, serve), strict=True):
        if fresh is not None:
            _forget(fresh)
        with limited(megabytes, cores) as limit:
            begun = time.monotonic()
            do(limit.command(*retrolux), folder)
            yield Done(f"{what} ({limit.kind})", time.monotonic() - begun, _unharmed(limit))


def _forget(folder: Path) -> None:
    """Have the system drop from memory what it has read of a folder's files."""
    os.sync()  # what is not on disk yet cannot be dropped
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def _unharmed(limit: Limit) -> float | None:
    assert not limit.killed(), "a process was killed for want of memory"
    return limit.peak()


def demo(retrolux: Sequence[str], folder: Path) -> None:
    """Run the demo: it has an answer of each method."""
    command, alone = [*retrolux, "demo"], _alone(folder)
    done = subprocess.run(command, cwd=folder, env=alone, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    assert re.findall(r"^ (\w+) +R 0\.", done.stdout, flags=re.MULTILINE) == list(METHODS), done.stdout


def serve(retrolux: Sequence[str], folder: Path) -> None:
    """Start a server, have it measure, fit, answer by each method and aim, and stop it."""
    with _serving(retrolux, folder) as url:
        chance = random.Random(1)
        for _ in range(READINGS):
            red, green, blue = (round(chance.random(), 3) for _ in range(3))
            _ask(f"{url}/api?R={red}&G={green}&B={blue}")
        assert set(_job(url, "fit", {"models": METHODS})["models"]) == set(METHODS)
        for method in METHODS:
            answer = _ask(f"{url}/v1/invert", {"target": TARGET, "model": method})
            assert answer["feasible"], answer
            assert _near(answer["inputs"]), answer
        aimed = _job(url, "aim", {"target": TARGET, "model": "forest", "shots": 3})
        assert aimed["shots"], aimed
        assert _near(aimed["inputs"]), aimed
        assert _ask(f"{url}/v1/log?limit=1")["total"] == READINGS + len(aimed["shots"])


def _near(inputs: dict[str, float]) -> bool:
    return all(abs(inputs[name] - value) < 0.03 for name, value in NEAR.items())


def _job(url: str, kind: str, body: dict[str, Any]) -> Any:
    """Start a job and return its result."""
    job = _ask(f"{url}/v1/{kind}", body)
    while job["state"] in {"queued", "running"}:
        time.sleep(PAUSE)
        job = _ask(f"{url}/v1/jobs/{job['id']}")
    assert job["state"] == "finished", job
    return job["result"]


def _ask(url: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(
        urllib.request.Request(url, data, {"Content-Type": "application/json"}), timeout=PATIENCE
    ) as answer:
        return json.load(answer)


@contextmanager
def _serving(retrolux: Sequence[str], folder: Path) -> Iterator[str]:
    """Start a server, yield its address, and end it as a service is ended."""
    command = [*retrolux, "serve", "--port", "0"]
    alone, pipe = _alone(folder), subprocess.PIPE
    with subprocess.Popen(command, cwd=folder, env=alone, stderr=pipe, text=True, process_group=0) as server:
        try:
            yield _listening(server.stderr.readline)
            os.killpg(server.pid, signal.SIGTERM)  # all of it: an emulator between would keep the signal to itself
            assert server.wait(timeout=PATIENCE) == 0
        finally:
            with suppress(ProcessLookupError):  # it has ended
                os.killpg(server.pid, signal.SIGKILL)


def _listening(line: Callable[[], str]) -> str:
    said = []
    while heard := line():
        said.append(heard)
        if found := re.search(r"listening on (http\S+)", heard):
            return found[1]
    raise AssertionError("".join(said))


def _alone(folder: Path) -> dict[str, str]:
    """Return an environment without configuration, and with the state in a folder."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("RETROLUX", "XDG", "STATE_"))}
    return kept | {"HOME": str(folder), "PYTHONUNBUFFERED": "1"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Do it and tell of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.small_board", description=__doc__)
    parser.add_argument("--megabytes", type=int, default=512)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--fresh", type=Path)
    parser.add_argument("command", nargs="*", default=[str(Path(sys.executable).with_name("retrolux"))])
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        program, *more = asked.command
        command = [str(Path(shutil.which(program) or program).absolute()), *more]
        for done in errand(command, asked.megabytes, asked.cores, Path(folder), asked.fresh):
            print(done, flush=True)


if __name__ == "__main__":
    main()
