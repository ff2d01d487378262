"""A log of a million readings: the server's start beside it, and fits of three methods. Minutes: ``--long`` only."""

from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.children import COMMAND, Child
from tests.benchmarks.conftest import Record
from tests.benchmarks.readings import write_log
from tests.benchmarks.timing import seconds

pytestmark = pytest.mark.slow
N = 1_000_000
METHODS = ("linear", "pls", "gmm")
OURS = """
from retrolux.models import registry
from retrolux.server.readings import load_dataset
data, _ = load_dataset(Path(sys.argv[1]))
registry.create(sys.argv[2]).fit(data)
"""
FITS = """
import os, time
os.environ["OPENBLAS_NUM_THREADS"] = "1"
from retrolux.models import registry
from retrolux.server.readings import load_dataset
data, _ = load_dataset(Path(sys.argv[1]))
began = time.process_time()
for method in sys.argv[2:]:
    registry.create(method).fit(data)
told = time.process_time() - began
"""
PLAIN = """
import numpy as np
from gmr import GMM
from sklearn.cross_decomposition import PLSRegression
from sklearn.linear_model import LinearRegression
rows = []
with open(sys.argv[1]) as file:
    for line in file:
        record = json.loads(line)
        rows.append(record["in"] + list(record["out"].values()))
table = np.array(rows, dtype=float)
x, y = table[:, :3], table[:, 3:]
plain = {
    "linear": lambda: LinearRegression().fit(x, y),
    "pls": lambda: PLSRegression(n_components=3).fit(y, x),
    "gmm": lambda: GMM(n_components=3, random_state=0).from_samples(table),
}
plain[sys.argv[2]]()
"""


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("million") / "rgb.jsonl"
    write_log(path, N)
    return path


def test_the_server_starts_beside_it(benchmark: Any, record: Record, child: Child, log: Path) -> None:
    def started() -> tuple[float, float]:
        with child.serving() as (ready, megabytes, _):
            return ready, megabytes

    alone = started()
    state = child.folder / ".local" / "state" / "retrolux"
    state.mkdir(parents=True, exist_ok=True)
    (state / "rgb.jsonl").unlink(missing_ok=True)
    (state / "rgb.jsonl").symlink_to(log)
    ready, megabytes = benchmark.pedantic(started, rounds=1)
    what = "no log"
    record("log-serve", f"log of {N:,}, `retrolux serve` listens", ours=ready, peer=alone[0], beside=what)
    record("log-idle", f"log of {N:,}, idle memory", "MB", ours=megabytes, peer=alone[1], beside=what)


@pytest.mark.parametrize("method", METHODS)
def test_a_fit(method: str, benchmark: Any, record: Record, child: Child, log: Path) -> None:
    """Reading it included, each in a process of its own; the peer has the plainest loop over lines."""
    most: dict[str, float] = {}

    def run(name: str, code: str) -> None:
        _, most[name] = child.told(code, str(log), method)

    ours = benchmark.pedantic(lambda: seconds(lambda: run("ours", OURS)), rounds=1)
    plain = seconds(lambda: run("peer", PLAIN))
    beside = "json.loads, NumPy and " + {"gmm": "gmr"}.get(method, "scikit-learn")
    record(f"log-fit-{method}", f"log of {N:,}, read and fit {method}", ours=ours, peer=plain, beside=beside)
    record(f"log-memory-{method}", f"log of {N:,}, peak memory, {method}", "MB", **most, beside=beside)


def test_all_fits(benchmark: Any, record: Record, child: Child, log: Path) -> None:
    """All three, the readings once in memory: the processor's time alone, with one thread as ``retrolux`` has."""
    took, _ = benchmark.pedantic(lambda: child.told(FITS, str(log), *METHODS), rounds=1)
    record("log-fits", f"log of {N:,}, fits of {', '.join(METHODS)}, processor time", ours=took)


def test_the_command(benchmark: Any, record: Record, child: Child, log: Path) -> None:
    """All three by the command line, which also tells the light from the ambient light."""
    command = (COMMAND, "fit", str(log), *(word for method in METHODS for word in ("--model", method)))
    took = benchmark.pedantic(lambda: seconds(lambda: child.run(*command)), rounds=1)
    record("log-command", f"log of {N:,}, `retrolux fit` of {', '.join(METHODS)}", ours=took)
