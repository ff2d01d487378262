"""One answer: as a library, inside the server, and over loopback, beside the plain call of each method's peer."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from retrolux.device.designs import design
from retrolux.models.dataset import Dataset
from retrolux.models.model import Array, Model
from retrolux.server.config import Config
from retrolux.server.laboratory import Laboratory
from tests.benchmarks.children import Child
from tests.benchmarks.conftest import Record
from tests.benchmarks.peers.lines import Backward, Programme
from tests.benchmarks.peers.mixture import Mixture
from tests.benchmarks.places import PLACES, WORDS
from tests.benchmarks.readings import NAMES, asked_of, parted
from tests.benchmarks.timing import Act, side_by_side

pytestmark = [pytest.mark.usefixtures("as_served"), pytest.mark.filterwarnings("ignore")]
ROUNDS = {"linear": 500, "pls": 500, "gmm": 500, "bayes": 50, "forest": 200}
GATED = {"linear", "pls", "gmm"}
METHODS = [pytest.param(m, marks=pytest.mark.gate) if m in GATED else m for m in ROUNDS]
READINGS = 180  # as many as the demo makes
Answer = Callable[[Array], object]


@pytest.fixture(scope="module")
def parts() -> tuple[Dataset, Dataset]:
    """Readings for the peers to learn from, and 100 to ask about."""
    return parted(READINGS, 100)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    """As many readings of the same simulated unit in a log, so late that they tell the ambient light of now."""
    with Laboratory(Config(state=tmp_path_factory.mktemp("lab"))) as made:
        for point in design("lhs", READINGS, 1):
            made.measure(point)
        yield made


@pytest.fixture(scope="module")
def fitted(lab: Laboratory) -> Callable[[str], Model]:
    """Models of 445, 515 and 630 nm, saved where the server looks."""
    kept: dict[str, Model] = {}
    data, device = lab.dataset(lab.log_path)

    def get(method: str) -> Model:
        if method == "forest":
            pytest.importorskip("ForestDiffusion", reason="the extra `forest` is not installed")
        if method not in kept:
            (kept[method],) = lab.fit(data.select(NAMES), [method])
            lab.store.save(kept[method], device)
        return kept[method]

    return get


def peer(method: str, data: Dataset) -> tuple[str, Answer] | None:
    """What a user would write instead; nothing for ``bayes``, and the forest's in bench_forest."""
    made: dict[str, Callable[[], tuple[str, Answer]]] = {
        "linear": lambda: ("SciPy's SLSQP", Programme(data).answer),
        "pls": lambda: ("PLSRegression.predict", Backward(data).answer),
        "gmm": lambda: ("gmr, condition and 500 samples", Mixture(data).answer),
    }
    return made[method]() if method in made else None


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("place", PLACES)
def test_one_answer(
    method: str,
    place: str,
    benchmark: Any,
    record: Record,
    parts: tuple[Dataset, Dataset],
    lab: Laboratory,
    fitted: Callable[[str], Model],
    child: Child,
) -> None:
    """Targets of readings that it has not seen, each after the other; the first questions are not counted."""
    model = fitted(method)
    assert lab.ambient(model) is not None
    beside, rows = peer(method, parts[0]), itertools.cycle(parts[1].outputs)
    act: Act = (lambda: None) if beside is None else (lambda: beside[1](next(rows)))
    with PLACES[place](lab, model, asked_of(parts[1]), child) as ours:
        times = side_by_side(benchmark, ours, act, ROUNDS[method], warm=10)
    for name, q in {"p50": 0.5, "p99": 0.99}.items():
        values: dict[str, Any] = times.quantiles(q)
        named = {"beside": beside[0]} if beside else {"peer": None}
        record(f"invert-{method}-{place}-{name}", f"{method}, an answer, {WORDS[place]}, {name}", **(values | named))


@pytest.mark.gate
@pytest.mark.parametrize("kind", [Programme, Backward])
def test_the_peers_answer_rightly(kind: type[Programme] | type[Backward], parts: tuple[Dataset, Dataset]) -> None:
    """Or their times would be worth nothing."""
    data, unseen = parts
    missed = np.array([kind(data).answer(row) for row in unseen.outputs[:20]]) - unseen.inputs[:20]
    assert np.sqrt((missed**2).mean()) < 0.05
