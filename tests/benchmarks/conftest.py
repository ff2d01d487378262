"""Figures are gathered here, printed at the end, and written into pytest-benchmark's JSON."""

import os
import signal
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from threadpoolctl import threadpool_limits

from tests.benchmarks.children import Child
from tests.benchmarks.figures import Figure, by_columns, circumstances, table

_FIGURES = pytest.StashKey[list[Figure]]()
_COLUMNS = pytest.StashKey[dict[tuple[str, str], dict[int, Figure]]]()

_BEGAN = pytest.StashKey[tuple[float, ...]]()

Record = Callable[..., Figure]


def pytest_configure(config: pytest.Config) -> None:
    """Take being told to end as Ctrl-C, after which the table is still printed."""
    config.stash[_BEGAN] = os.getloadavg()
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture
def record(pytestconfig: pytest.Config) -> Record:
    """Take down a figure, which stands in the table whatever follows; refuse a ratio below the gate's."""
    kept = pytestconfig.stash.setdefault(_FIGURES, [])

    def taken(key: str, what: str, unit: str = "s", **values: Any) -> Figure:
        figure = Figure(key, what, unit=unit, **values)
        kept.append(figure)
        return figure

    return taken


@pytest.fixture(autouse=True)
def gate(pytestconfig: pytest.Config) -> Iterator[None]:
    """Refuse ratios below the gate's when a benchmark has taken down all of its figures."""
    kept = pytestconfig.stash.setdefault(_FIGURES, [])
    before = len(kept)
    yield
    low = [f"{f.what}: {f.ratio}" for f in kept[before:] if not f.holds]
    assert not low, low


@pytest.fixture(scope="session")
def columns(pytestconfig: pytest.Config) -> dict[tuple[str, str], dict[int, Figure]]:
    """Figures by method and act, and number of columns."""
    return pytestconfig.stash.setdefault(_COLUMNS, {})


@pytest.fixture
def child(tmp_path: Path) -> Child:
    """Processes with no configuration, their state in an empty folder, and threads as they themselves choose."""
    left = ("RETROLUX", "XDG", "STATE_", "OMP_", "OPENBLAS_", "PYTHONPATH")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left)}
    return Child(tmp_path, kept | {"HOME": str(tmp_path), "PYTHONUNBUFFERED": "1"})


@pytest.fixture
def workers_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    """Worker processes divide the cores among themselves, as joblib has it where nothing is said of threads."""
    for library in ("OMP", "OPENBLAS"):
        monkeypatch.delenv(f"{library}_NUM_THREADS", raising=False)


@pytest.fixture
def as_served(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One thread for BLAS, as ``retrolux`` sets for itself; for the peers too, whose matrices are as small."""
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")  # for the process that answers beside the server
    for name in ("scipy.linalg", "sklearn.linear_model"):  # each brings a BLAS, which is limited once it is there
        import_module(name)
    with threadpool_limits(1, "blas"):
        yield


def pytest_benchmark_update_json(config: pytest.Config, output_json: dict[str, Any]) -> None:
    columns = config.stash.get(_COLUMNS, {})
    every = [*config.stash.get(_FIGURES, []), *(f for row in columns.values() for f in row.values())]
    output_json["figures"] = [figure.to_json() for figure in every]
    output_json["circumstances"] = _circumstances(config)


def _circumstances(config: pytest.Config) -> str:
    return circumstances(config.stash[_BEGAN][0], os.getloadavg()[0])


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if figures := config.stash.get(_FIGURES, []):
        terminalreporter.section("figures: ratio is the peer's over ours")
        terminalreporter.write_line(_circumstances(config) + "\n")
        terminalreporter.write_line(table(figures))
    if columns := config.stash.get(_COLUMNS, {}):
        terminalreporter.section("cost against the number of inputs and outputs, the peer's in brackets")
        terminalreporter.write_line(by_columns(columns))
