"""One answer: as a library, and through the server without its network, beside the plain call of each method's peer."""

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from retrolux.models import registry
from retrolux.models.dataset import Dataset
from retrolux.models.model import Array, Model
from retrolux.server.config import Config
from retrolux.server.http import create_app
from retrolux.server.jobs import Jobs
from retrolux.server.laboratory import Laboratory
from tests.benchmarks.conftest import Record
from tests.benchmarks.peers.lines import Backward, Programme
from tests.benchmarks.peers.mixture import Mixture
from tests.benchmarks.readings import NAMES, asked_of, parted
from tests.benchmarks.timing import Act, side_by_side

pytestmark = [pytest.mark.usefixtures("as_served"), pytest.mark.filterwarnings("ignore")]
ROUNDS = {"linear": 200, "pls": 200, "gmm": 200, "bayes": 50, "forest": 50}
SAMPLES = 500
METHODS = [pytest.param(m, marks=pytest.mark.gate) if m in {"linear", "pls", "gmm"} else m for m in ROUNDS]
Answer = Callable[[Array], object]


@pytest.fixture(scope="module")
def parts() -> tuple[Dataset, Dataset]:
    """180 readings to learn from, as many as the demo makes, and 100 to ask about."""
    return parted(180, 100)


@pytest.fixture(scope="module")
def fitted(parts: tuple[Dataset, Dataset]) -> Callable[[str], Model]:
    kept: dict[str, Model] = {}

    def get(method: str) -> Model:
        if method == "forest":
            pytest.importorskip("ForestDiffusion", reason="the extra `forest` is not installed")
        if method not in kept:
            kept[method] = registry.create(method, targets=NAMES).fit(parts[0])
        return kept[method]

    return get


@pytest.fixture
def client(tmp_path: Path) -> Iterator[tuple[FlaskClient, Laboratory]]:
    with Laboratory(Config(state=tmp_path / "lab")) as laboratory:
        jobs = Jobs(laboratory.journal)
        yield create_app(laboratory, jobs).test_client(), laboratory
        jobs.close()


def peer(method: str, data: Dataset) -> tuple[str, Answer] | None:
    """What a user would write instead; nothing for ``bayes``, and the forest's in bench_forest."""
    made: dict[str, Callable[[], tuple[str, Answer]]] = {
        "linear": lambda: ("SciPy's SLSQP", Programme(data).answer),
        "pls": lambda: ("PLSRegression.predict", Backward(data).answer),
        "gmm": lambda: ("gmr, condition and 500 samples", Mixture(data).answer),
    }
    return made[method]() if method in made else None


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("place", ["library", "server"])
def test_one_answer(
    method: str,
    place: str,
    benchmark: Any,
    record: Record,
    parts: tuple[Dataset, Dataset],
    fitted: Callable[[str], Model],
    client: tuple[FlaskClient, Laboratory],
) -> None:
    """Targets of readings that it has not seen, each after the other; the first question is not counted."""
    model, targets = fitted(method), itertools.cycle(asked_of(parts[1]))
    ours: Act = lambda: model.invert(next(targets), samples=SAMPLES)  # noqa: E731
    if place == "server":
        client[1].store.save(model, "sim")
        ours = lambda: asked(client[0], method, next(targets))  # noqa: E731
    beside, rows = peer(method, parts[0]), itertools.cycle(parts[1].outputs)
    act: Act = (lambda: None) if beside is None else (lambda: beside[1](next(rows)))
    times = side_by_side(benchmark, ours, act, ROUNDS[method], warm=3)
    for name, q in {"p50": 0.5, "p99": 0.99}.items():
        values: dict[str, Any] = times.quantiles(q)
        named = {"beside": beside[0]} if beside else {"peer": None}
        record(f"invert-{method}-{place}-{name}", f"{method}, an answer, {place}, {name}", **(values | named))


def asked(client: FlaskClient, method: str, target: dict[str, float]) -> None:
    document = {"target": target, "model": method, "samples": SAMPLES}
    answer = client.post("/v1/invert", data=json.dumps(document), content_type="application/json")
    assert answer.status_code == 200, answer.text


@pytest.mark.gate
@pytest.mark.parametrize("kind", [Programme, Backward])
def test_the_peers_answer_rightly(kind: type[Programme] | type[Backward], parts: tuple[Dataset, Dataset]) -> None:
    """Or their times would be worth nothing."""
    data, unseen = parts
    missed = np.array([kind(data).answer(row) for row in unseen.outputs[:20]]) - unseen.inputs[:20]
    assert np.sqrt((missed**2).mean()) < 0.05
