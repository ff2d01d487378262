"""What a fit and an answer cost with 3, 10, 30 and 100 inputs, and as many outputs, by every method; and EM's part."""

import subprocess
from typing import Any

import numpy as np
import pytest

from retrolux.models import mixture, registry
from retrolux.models.dataset import Dataset
from tests.benchmarks.children import Child
from tests.benchmarks.figures import Figure
from tests.benchmarks.peers.lines import Backward, Programme
from tests.benchmarks.peers.mixture import Mixture
from tests.benchmarks.timing import seconds

pytestmark = [pytest.mark.usefixtures("as_served"), pytest.mark.filterwarnings("ignore")]
SIZES = (3, 10, 30, 100)
PATIENCE = 60.0  # seconds for a fit and four answers
PEERS = {"linear": Programme, "pls": Backward, "gmm": Mixture}
Columns = dict[tuple[str, str], dict[int, Figure]]
OURS = """
import numpy as np
from time import perf_counter
from retrolux.models import registry
from retrolux.models.dataset import Dataset
method, path = sys.argv[1:3]
file = np.load(path)
names = tuple(f"x{i}" for i in range(file["inputs"].shape[1])), tuple(f"y{i}" for i in range(file["outputs"].shape[1]))
data = Dataset(file["inputs"], file["outputs"], np.zeros(file["outputs"].shape, bool), *names)
registry.create(method)  # what is imported is not counted
began = perf_counter()
model = registry.create(method, targets=names[1]).fit(data)
fit, asked = perf_counter() - began, []
for row in data.outputs[:4]:
    began = perf_counter()
    answer = model.invert(dict(zip(names[1], row.tolist())))
    asked.append(perf_counter() - began)
off = np.array(list(answer.inputs.values())) - data.inputs[3]
told = [fit, float(np.median(asked[1:])), float(np.abs(off).max())]
"""


def readings(n: int) -> Dataset:
    """Of a straight instrument of n inputs and n outputs, each seeing one input most; 40 an input, 500 at least."""
    rng = np.random.default_rng(n)
    inputs = rng.random((max(500, 40 * n), n))
    slopes = 900.0 * np.eye(n) + rng.uniform(0, 100 / n, (n, n))
    outputs = 50 + inputs @ slopes + rng.normal(size=inputs.shape)
    names = tuple(f"x{i}" for i in range(n)), tuple(f"y{i}" for i in range(n))
    return Dataset(inputs, outputs, np.zeros(outputs.shape, dtype=bool), *names)


@pytest.fixture(scope="module")
def given_up() -> dict[str, int]:
    """At how many columns a method took too long: more are not tried."""
    return {}


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("method", registry.METHODS)
def test_columns(method: str, n: int, benchmark: Any, child: Child, columns: Columns, given_up: dict[str, int]) -> None:
    if method == "forest":
        pytest.importorskip("ForestDiffusion", reason="the extra `forest` is not installed")
    data = readings(n)
    told = benchmark.pedantic(lambda: None if method in given_up else _told(child, method, data), rounds=1)
    if told is None:
        given_up.setdefault(method, n)
    peers = _peer(method, data)
    for i, act in enumerate(("fit", "an answer")):
        ours = None if told is None else told[i]
        values = {"ours": ours, "peer": peers[i], "remark": "" if told else f"over {PATIENCE:.0f} s"}
        key, what = f"columns-{method}-{act}-{n}", f"{method}, {act}, {n} inputs and outputs"
        columns.setdefault((method, act), {})[n] = Figure(key, what, unit="s", **values)
    assert told is None or told[2] < 0.15  # of an input


@pytest.mark.parametrize("k", [1, 4])
@pytest.mark.parametrize("n", SIZES)
def test_an_iteration(n: int, k: int, benchmark: Any, columns: Columns) -> None:
    """Expectation maximisation of so many components, one iteration, and the parameters that it finds."""
    table = np.random.default_rng(0).normal(size=(40 * n + 500, 2 * n)) * 10
    start = mixture._expectation_maximisation(table[: 8 * n + 100], k, 0)
    benchmark.pedantic(lambda: start.from_samples(table, n_iter=1), rounds=1)
    took = float(benchmark.stats.stats.data[0])
    d, name = 2 * n, f"mixture of {k}"
    parameters = k * (d + d * (d + 1) // 2) + k - 1
    for act, value, unit in (("an iteration", took, "s"), ("parameters", parameters, "")):
        figure = Figure(f"columns-{name}-{act}-{n}", f"{name}, {act}, {n} inputs and outputs", value, unit)
        columns.setdefault((name, act), {})[n] = figure


def _told(child: Child, method: str, data: Dataset) -> list[float] | None:
    """Seconds of a fit and of an answer, and the answer's error; None where it takes too long."""
    path = child.folder / "readings.npz"
    child.environment["OPENBLAS_NUM_THREADS"] = "1"  # as `retrolux` sets for itself
    np.savez(path, inputs=data.inputs, outputs=data.outputs)
    try:
        return child.told(OURS, method, str(path), timeout=PATIENCE)[0]
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
