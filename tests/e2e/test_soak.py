"""A day of a server alone, its bus faulty, its sensor taken away each hour; the day takes less than a minute."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.conftest import ROOT

GROWTH = 5 * 2**20  # bytes


def soaked(hours: float, warm_up: float, seed: int) -> dict[str, Any]:
    """Soak in a process of its own, print what came of it, and look at what must hold however long it was."""
    command = [sys.executable, "-m", "tests.e2e.soak", "--hours", str(hours), "--warm-up", str(warm_up)]
    done = subprocess.run(
        [*command, "--seed", str(seed)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    print(f"\n{done.stdout}")
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["availability"] >= 0.999
    assert found["log_is_what_was_acknowledged"]
    assert 0 < found["in_outages"] == found["refused_in_outages"]  # in words, and no reading is made up
    assert found["first_after_outages"] == [200] * round(hours)
    assert sum(found["means"].values()) == found["made"]
    assert len(set(found["open_files"])) == 1
    assert found["memory_growth_bytes"] <= GROWTH
    return found


def test_two_hours_alone() -> None:
    found = soaked(2, 1, seed=2)
    assert found["readings"] > 600
    assert found["faults_struck"] > 0
    assert found["means"]["first attempt"] < found["made"]  # some needed more


@pytest.mark.slow
def test_a_day_alone() -> None:
    found = soaked(24, 2, seed=1)
    assert found["readings"] > 8000
    assert found["faults_struck"] > 50
    assert found["log_files"] > 5
    assert found["means"].keys() == {"first attempt", "retried", "set up anew", "bus reopened"}
