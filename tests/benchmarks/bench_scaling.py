"""What a fit and an inversion cost by the number of columns: 3 to 100 inputs and as many outputs, by every method.

Not part of the default tests: ``pytest tests/benchmarks/bench_scaling.py -s`` (``-k "not forest and not bayes"`` for
those that are quick). Of each the table has the seconds, and for the mixture what it rests on: parameters and
an iteration of expectation maximisation. Readings are 40 an input, 500 at least; each case is timed once.
"""

import time
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from retrolux.models import mixture, registry
from retrolux.models.dataset import Dataset

SIZES = (3, 10, 30, 100)
TABLE: dict[tuple[str, str], dict[int, float]] = {}


def readings(size: int) -> Dataset:
    """Return those of a linear instrument with as many outputs as inputs, each input seen by a few of them."""
    rng = np.random.default_rng(size)
    n = max(500, 40 * size)
    inputs = rng.random((n, size))
    slopes = 900.0 * np.eye(size) + rng.uniform(0, 100 / size, (size, size))
    outputs = 50 + inputs @ slopes + rng.normal(size=(n, size))
    names = tuple(f"x{i}" for i in range(size)), tuple(f"y{i}" for i in range(size))
    return Dataset(inputs, outputs, np.zeros(outputs.shape, dtype=bool), *names)


@pytest.fixture(scope="module", autouse=True)
def table() -> Any:
    """Print the table when all have run; on one thread, for the columns are few beside what a thread costs."""
    with threadpool_limits(1):
        yield
    print("\n\n| seconds | " + " | ".join(f"{size} + {size}" for size in SIZES) + " |\n|---|" + "--:|" * len(SIZES))
    for (method, act), row in TABLE.items():
        cells = (f"{row[size]:.3g}" if size in row else "–" for size in SIZES)
        print(f"| {method}, {act} | " + " | ".join(cells) + " |")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("method", registry.METHODS)
def test_fit_and_invert(benchmark: Any, method: str, size: int) -> None:
    data = readings(size)
    targets = data.output_names
    began = time.perf_counter()
    model = registry.create(method, targets=targets).fit(data)
    benchmark.extra_info["fit, s"] = timed(method, "fit", size, began)
    wanted = dict(zip(targets, data.outputs[0].tolist(), strict=True))
    benchmark.group = f"invert, {size} + {size}"
    began = time.perf_counter()
    answer = benchmark.pedantic(lambda: model.invert(wanted, samples=200), rounds=1)
    timed(method, "invert", size, began)
    assert list(answer.inputs.values()) == pytest.approx(data.inputs[0].tolist(), abs=0.15)


@pytest.mark.parametrize("k", [1, 4])
@pytest.mark.parametrize("size", SIZES)
def test_one_mixture(benchmark: Any, size: int, k: int) -> None:
    """Expectation maximisation of so many components: seconds an iteration, the rest of a fit left out."""
    table = np.random.default_rng(0).normal(size=(40 * size + 500, 2 * size)) * 10
    start = mixture._expectation_maximisation(table[: 8 * size + 100], k, 0)
    benchmark.group = f"an iteration, {size} + {size}"
    began = time.perf_counter()
    benchmark.pedantic(lambda: start.from_samples(table, n_iter=1), rounds=1)
    timed(f"gmm of {k}", "an iteration", size, began)
    d = 2 * size
    TABLE.setdefault((f"gmm of {k}", "parameters"), {})[size] = k * (d + d * (d + 1) // 2) + k - 1


def timed(method: str, act: str, size: int, began: float) -> float:
    seconds = time.perf_counter() - began
    TABLE.setdefault((method, act), {})[size] = seconds
    print(f"\n{method}, {act}, {size}: {seconds:.3g} s", end="", flush=True)
    return seconds
