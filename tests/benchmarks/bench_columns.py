"""What a fit and an answer cost with 3, 10, 30 and 100 inputs, and as many outputs."""

import subprocess
from typing import Any

import numpy as np
import pytest

from retrolux.models.dataset import Dataset
from tests.benchmarks.children import Child
from tests.benchmarks.figures import Figure
from tests.benchmarks.peers.lines import Backward, Programme
from tests.benchmarks.peers.mixture import Mixture
from tests.benchmarks.timing import seconds

pytestmark = pytest.mark.filterwarnings("ignore")
N = 300
PATIENCE = 60.0  # seconds for a fit and three answers
PEERS = {"linear": Programme, "pls": Backward, "gmm": Mixture}
OURS = """
import numpy as np
from time import perf_counter
from retrolux.models import registry
from retrolux.models.dataset import Dataset
method, path = sys.argv[1:3]
file = np.load(path)
names = tuple(f"x{i}" for i in range(file["inputs"].shape[1])), tuple(f"y{i}" for i in range(file["outputs"].shape[1]))
data = Dataset(file["inputs"], file["outputs"], np.zeros(file["outputs"].shape, bool), *names)
began = perf_counter()
model = registry.create(method, targets=names[1]).fit(data)
fit, asked = perf_counter() - began, []
for row in data.outputs[:4]:
    began = perf_counter()
    model.invert(dict(zip(names[1], row.tolist())))
    asked.append(perf_counter() - began)
told = [fit, float(np.median(asked[1:]))]
"""


def lines(n: int) -> Dataset:
    """A straight instrument of n inputs and n outputs, slopes in the hundreds, noise of 1."""
    rng = np.random.default_rng(n)
    slopes, inputs = rng.uniform(100, 900, (n, n)), rng.random((N, n))
    outputs = 50 + inputs @ slopes + rng.normal(size=(N, n))
    names = tuple(f"x{i}" for i in range(n)), tuple(f"y{i}" for i in range(n))
    return Dataset(inputs, outputs, np.zeros(outputs.shape, dtype=bool), *names)


@pytest.mark.parametrize("n", [3, 10, 30, 100])
@pytest.mark.parametrize("method", ["linear", "pls", "gmm", "bayes", "forest"])
def test_columns(
    method: str, n: int, benchmark: Any, child: Child, columns: dict[tuple[str, str], dict[int, Figure]]
) -> None:
    if method == "forest":
        pytest.importorskip("ForestDiffusion", reason="the extra `forest` is not installed")
    data = lines(n)
    path = child.folder / "readings.npz"
    np.savez(path, inputs=data.inputs, outputs=data.outputs)
    told = benchmark.pedantic(lambda: _told(child, method, str(path)), rounds=1)
    for i, act in enumerate(("fit", "an answer")):
        ours = None if told is None else told[i]
        values = {"ours": ours, "peer": _peer(method, data)[i], "remark": "" if told else f"over {PATIENCE:.0f} s"}
        key, what = f"columns-{method}-{act}-{n}", f"{method}, {act}, {n} inputs and outputs"
        columns.setdefault((method, act), {})[n] = Figure(key, what, unit="s", **values)


def _told(child: Child, method: str, path: str) -> list[float] | None:
    """Seconds of a fit and of an answer; None where it takes too long."""
    try:
        return child.told(OURS, method, path, timeout=PATIENCE)[0]
    except subprocess.TimeoutExpired:
        return None


def _peer(method: str, data: Dataset) -> tuple[float | None, float | None]:
    if method not in PEERS:
        return None, None
    made: list[Any] = []
    fit = seconds(lambda: made.append(PEERS[method](data)))
    took = [seconds(lambda: made[0].answer(data.outputs[0]))]
    if took[0] < 1:
        took = [seconds(lambda row=row: made[0].answer(row)) for row in data.outputs[:3]]
    return fit, float(np.median(took))
