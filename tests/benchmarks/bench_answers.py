"""How long answers take: one by one in the library, through Flask and over loopback, and 10,000 in one call.

Not part of the default tests, for no test asserts the machine's speed: ``pytest tests/benchmarks/bench_answers.py -s``.
One by one is by the clock on the wall, and by the processor's time, in which others on the machine hardly count; the
ratio is by the latter.
"""

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from retrolux.device.designs import design
from retrolux.server.config import Config
from retrolux.server.http import create_app
from retrolux.server.jobs import Jobs
from retrolux.server.laboratory import Laboratory

METHODS = ("linear", "pls", "gmm", "bayes")
TARGET = {"445nm": 16384.0, "515nm": 16384.0, "630nm": 16384.0}
NAMES = tuple(TARGET)
QUESTIONS = 500
MANY = 10_000


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    """A hundred readings of the simulator, so late that they tell the ambient light of now, and four models of them."""
    folder: Path = tmp_path_factory.mktemp("lab")
    with Laboratory(Config(state=folder)) as made:
        for point in design("lhs", 100, 1):
            made.measure(point)
        data, device = made.dataset(made.log_path)
        for model in made.fit(data, METHODS):
            made.store.save(model, device)
        yield made


@pytest.mark.parametrize("method", METHODS)
def test_one_by_one(lab: Laboratory, method: str, tmp_path: Path) -> None:
    model, jobs = lab.model(method), Jobs(lab.journal)
    app = create_app(lab, jobs)
    client, body = app.test_client(), {"target": TARGET, "model": method}
    assert lab.ambient(model) is not None
    told("library", method, lambda: model.invert(TARGET))
    told("library, ambient light", method, lambda: lab.invert(model, TARGET))
    told("Flask", method, lambda: client.post("/v1/invert", json=body))
    from waitress.server import create_server

    server = create_server(app, host="127.0.0.1", port=0, threads=2)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    connection = http.client.HTTPConnection("127.0.0.1", server.effective_port)

    def ask() -> None:
        connection.request("POST", "/v1/invert", json.dumps(body), {"Content-Type": "application/json"})
        assert connection.getresponse().read()

    told("loopback", method, ask)
    connection.close()
    server.close()
    jobs.close()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["attainable", "any counts"])
def test_many(lab: Laboratory, method: str, kind: str) -> None:
    model, rng = lab.model(method), np.random.default_rng(0)
    columns = [model.output_names.index(name) for name in NAMES]
    rows = model.predict(rng.random((MANY, 3)))[:, columns] * (1 + 0.003 * rng.normal(size=(MANY, 3)))
    if kind == "any counts":
        rows = rng.uniform(0, 65535, (MANY, 3))
    some = rows[: 1000 if kind == "attainable" else 60]
    every = [dict(zip(NAMES, row, strict=True)) for row in some]
    model.invert_many(NAMES, rows[:2])
    whole = min(spent(lambda: model.invert_many(NAMES, rows)) for _ in range(3 if method != "bayes" else 1))
    one = spent(lambda: [model.invert(target) for target in every]) / len(every)
    ratio = MANY * one / whole
    print(f"{method:8}{kind:24}{1e3 * one:8.2f} ms each, {MANY} in {1e3 * whole:8.0f} ms: {ratio:6.0f} times faster")


def told(what: str, method: str, act: Callable[[], object]) -> None:
    act()
    taken = []
    for _ in range(QUESTIONS):
        began = time.perf_counter(), time.process_time()
        act()
        taken.append((1e3 * (time.perf_counter() - began[0]), 1e3 * (time.process_time() - began[1])))
    (wall, cpu), (wall99, cpu99) = np.quantile(taken, (0.5, 0.99), axis=0)
    print(f"{method:8}{what:24} p50 {wall:5.2f} ms, p99 {wall99:6.2f}; of the processor {cpu:5.2f}, {cpu99:5.2f}")


def spent(act: Callable[[], object]) -> float:
    began = time.process_time()
    act()
    return time.process_time() - began
