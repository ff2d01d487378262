"""How long commands take to start, beside the bare interpreter and the libraries alone, and the idle server's size."""

import sys
from typing import Any

import numpy as np
import pytest

from tests.benchmarks.children import COMMAND, Child
from tests.benchmarks.conftest import Record

ROUNDS = 5
PYTHON = (sys.executable, "-c", "pass")
LIBRARIES = (sys.executable, "-c", "import numpy, scipy.optimize, sklearn")
COMMANDS = {"help": ("--help",), "measure": ("measure", "0.1", "0.2", "0.3")}


@pytest.mark.gate
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command(name: str, benchmark: Any, record: Record, child: Child) -> None:
    """The simulator's time passes at once, so that all of it is the program's own."""
    ours = [COMMAND, *COMMANDS[name]]
    python, mine = benchmark.pedantic(lambda: child.in_turn([PYTHON, ours], ROUNDS), rounds=1)
    what = f"start, `retrolux {' '.join(COMMANDS[name])}`"
    record(f"start-{name}", what, ours=mine, peer=python, beside="`python -c pass`")


@pytest.mark.gate
def test_the_server(benchmark: Any, record: Record, child: Child) -> None:
    def started() -> tuple[float, float]:
        with child.serving() as (ready, megabytes, _):
            return ready, megabytes

    started()
    ready, megabytes = np.median([benchmark.pedantic(started, rounds=1), started(), started()], axis=0).tolist()
    (libraries,) = child.in_turn([LIBRARIES], 3)
    _, bare = child.told(LIBRARIES[-1])
    what = "NumPy, SciPy, scikit-learn imported"
    record("start-serve", "start, `retrolux serve` listens", ours=ready, peer=libraries, beside=what)
    record("start-idle", "idle `retrolux serve`, memory", "MB", ours=megabytes, peer=bare, beside=what)
