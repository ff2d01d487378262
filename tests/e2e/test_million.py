"""A million readings: read, fitted and asked within the memory of a Raspberry Pi, and while a person waits."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

N = 1_000_000
SECONDS = 600
MEGABYTES = 1500
SLOPES = np.array([[37.0, 264, 28830], [304, 63452, 1129], [30177, 324, 512]])
OFFSET = np.array([628.0, 1212, 1652])
ASK = """
import json, resource, sys
from pathlib import Path
from retrolux.models import registry
from retrolux.server.readings import load_dataset
data, _ = load_dataset(Path(sys.argv[1]))
told = {}
for method in registry.METHODS:
    answer = registry.create(method).fit(data).invert({"445nm": 16384, "515nm": 16384, "630nm": 16384})
    told[method] = list(answer.inputs.values())
print(json.dumps([len(data), told, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """Readings a second apart of a straight instrument, 137 MB."""
    path = tmp_path_factory.mktemp("million") / "log.jsonl"
    rng = np.random.default_rng(0)
    inputs = rng.random((N, 3)).round(4)
    counts = (OFFSET + inputs @ SLOPES + 30 * rng.normal(size=(N, 3))).round().astype(int)
    with path.open("w", encoding="utf-8") as file:
        for i, (x, y) in enumerate(zip(inputs.tolist(), counts.tolist(), strict=True)):
            out = dict(zip(("445nm", "515nm", "630nm"), y, strict=True))
            file.write(json.dumps({"time": 1.7e9 + i, "device": "sim", "in": x, "out": out}) + "\n")
    return path


@pytest.mark.slow
def test_a_million_readings_are_answered_rightly(log: Path):
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(log)], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    n, told, megabytes = json.loads(done.stdout)
    assert n == N
    assert megabytes < MEGABYTES
    expected = np.linalg.solve(SLOPES.T, 16384 - OFFSET)
    for method, inputs in told.items():
        assert inputs == pytest.approx(expected, abs=0.01 if method == "forest" else 0.002), method
