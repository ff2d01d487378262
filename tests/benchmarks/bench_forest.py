"""The forest beside ForestDiffusion's defaults: fit, a hundred conditional draws, and how right both are."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from retrolux.models import registry
from retrolux.models.dataset import Dataset
from tests.benchmarks.conftest import Record
from tests.benchmarks.readings import NAMES, asked_of, parted
from tests.benchmarks.timing import Times, seconds, side_by_side

pytest.importorskip("ForestDiffusion", reason="the extra `forest` is not installed")

from tests.benchmarks.peers import forest

pytestmark = [pytest.mark.usefixtures("workers_choose"), pytest.mark.filterwarnings("ignore")]  # the peer's own
DRAWS = 100
SIZES = [pytest.param(80, marks=pytest.mark.gate), 520]
PEER = "ForestDiffusion"
QUESTIONS = 15
WHAT = {"sample": f"{DRAWS} draws of a target", "answer": "an answer of 500 draws"}


@pytest.mark.parametrize("n", SIZES)
def test_fit_and_draw(n: int, benchmark: Any, record: Record) -> None:
    """One fit of each, which is a minute and more of the peer's; then the same targets asked of both."""
    data, unseen = parted(n)
    made: dict[str, Any] = {}

    def ours() -> None:
        made["ours"] = registry.create("forest", targets=NAMES).fit(data)

    def peer() -> None:
        made["peer"] = forest.fitted(data)

    fits = side_by_side(benchmark, ours, peer, rounds=1, warm=0)
    record(f"forest-fit-{n}", f"forest, fit of {n} readings", **fits.medians, beside=PEER)
    model, targets = made["ours"], asked_of(unseen)
    acts: dict[str, tuple[int, Callable[[dict[str, float]], object]]] = {
        "sample": (DRAWS, lambda target: model.sample(DRAWS, target)),
        "answer": (500, lambda target: model.invert(target, samples=500)),
    }
    for act, (draws, ask) in acts.items():
        times = _in_turn(ask, made["peer"], draws, targets, unseen.outputs)
        benchmark.extra_info[act] = times.medians
        record(f"forest-{act}-{n}", f"forest of {n}, {WHAT[act]}", **times.medians, beside=f"{PEER}, {draws} draws")
    _compare(n, made, unseen, record)


def _in_turn(
    ask: Callable[[dict[str, float]], object],
    peer: Any,
    draws: int,
    targets: list[dict[str, float]],
    rows: np.ndarray,
) -> Times:
    """The first question, at which something is learnt, is not counted."""
    ask(targets[0])
    ours = [seconds(lambda target=target: ask(target)) for target in targets[1:QUESTIONS]]
    return Times(ours, [seconds(lambda row=row: forest.drawn(peer, row[None], draws)) for row in rows[1:QUESTIONS]])


def _compare(n: int, made: dict[str, Any], unseen: Dataset, record: Record) -> None:
    """RMSE over the three inputs, and how many 90 % intervals hold them, of readings that neither has seen."""
    found = made["ours"].recover(NAMES, unseen.outputs, samples=500)
    drawn = forest.drawn(made["peer"], unseen.outputs, 500)
    low, high = np.quantile(drawn, [0.05, 0.95], axis=1)
    truth = unseen.inputs
    error = {"ours": _rms(found.mean - truth), "peer": _rms(drawn.mean(axis=1) - truth)}
    held = {"ours": _share(found.low, truth, found.high), "peer": _share(low, truth, high)}
    record(f"forest-rmse-{n}", f"forest of {n}, RMSE of inputs, unseen readings", "", **error, beside=PEER)
    record(f"forest-coverage-{n}", f"forest of {n}, 90 % intervals hold", "%", **held, beside=PEER)


def _rms(errors: np.ndarray) -> float:
    return float(np.sqrt((errors**2).mean()))


def _share(low: np.ndarray, truth: np.ndarray, high: np.ndarray) -> float:
    return 100 * float(((low <= truth) & (truth <= high)).mean())
