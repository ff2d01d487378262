"""A server whose models learn what is logged: as a fit would, and no worse for ends, fits and aims meanwhile."""

import json
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrolux.device.log_queries import newest
from retrolux.models import registry
from retrolux.server import updating
from retrolux.server.config import Config, Serve
from retrolux.server.http import create_app
from retrolux.server.jobs import Jobs, Reporting
from retrolux.server.laboratory import Laboratory, Options
from retrolux.server.minds import Beside, Own
from retrolux.server.refits import EVERY
from retrolux.server.thinking import Thinking
from tests.server.conftest import QUICK, TARGET

FEW_TREES = {"levels": 4, "trees": 6}
POINT = {"R": 0.4, "G": 0.2, "B": 0.5}
WANTED = {"target": TARGET, "samples": 50, "net": False, "sensitivity": False, "path": None}


class Clock:
    """A time that passes when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Laboratory]:
    """A laboratory of 60 readings, fitted to them."""
    with Laboratory(Config(state=tmp_path / "lab")) as found:
        collect(found, 60, 0)
        fit(found, QUICK)
        yield found


@pytest.fixture
def queue(lab: Laboratory) -> Iterator[Jobs]:
    jobs = Jobs(lab.journal)
    yield jobs
    jobs.close()


def collect(lab: Laboratory, n: int, seed: int) -> None:
    for row in np.random.default_rng(seed).random((n, 3)):
        lab.measure([float(x) for x in row * 0.8])


def fit(lab: Laboratory, methods: Sequence[str], seed: int = 0, options: Options | None = None) -> None:
    data, device = lab.own_dataset()
    for model in lab.fit(data, methods, seed=seed, options=options):
        lab.store.save(model, device)


def fitted(lab: Laboratory, method: str) -> dict[str, float]:
    """Return what a model that is fitted to all of the log predicts."""
    data, _ = lab.own_dataset()
    model = registry.create(method).fit(data)
    (predicted,) = model.predict(np.array([list(POINT.values())]))
    return dict(zip(model.output_names, predicted.tolist(), strict=True))


def on_disk(lab: Laboratory, method: str) -> int:
    (entry,) = lab.store.entries([method])
    return int(entry["n_rows"])


def faded(lab: Laboratory, n: int, share: float) -> None:
    """Log the latest readings once more, a minute later each, with less red."""
    known = newest(lab.log_path, 60)
    with lab.log_path.open("a") as file:
        for i in range(n):
            record = known[i % len(known)]
            out = record["out"] | {"630nm": int(share * record["out"]["630nm"])}
            file.write(json.dumps(record | {"out": out, "time": known[-1]["time"] + 60 * (i + 1)}) + "\n")


def test_it_answers_as_models_that_are_fitted_to_the_whole_log(lab: Laboratory, queue: Jobs) -> None:
    client = create_app(lab, queue).test_client()
    for n in (1, 7):
        for i in range(n):
            client.post("/v1/measure", json={"inputs": {"R": 0.1 * i, "G": 0.5, "B": 0.7 - 0.1 * i}})
        for method in QUICK:
            answer = client.post("/v1/predict", json={"inputs": POINT, "model": method}).get_json()
            assert answer["predicted"] == pytest.approx(fitted(lab, method), rel=1e-8)
    answer = client.post("/v1/invert", json={"target": TARGET, "model": "pls"}).get_json()
    (latest,) = newest(lab.log_path, 1)
    assert (answer["n_rows"], answer["until"]) == (68, latest["time"])
    assert {m["method"]: m["n_rows"] for m in client.get("/v1/models").get_json()["models"]} == dict.fromkeys(QUICK, 68)
    assert on_disk(lab, "linear") == 60


def test_another_process_does_and_nothing_is_lost_when_it_ends(lab: Laboratory) -> None:
    mind = Beside(lab, 0.0)

    def ask() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(mind.ask("predict", {"inputs": POINT, "model": "linear"}))
        return found["predicted"]

    try:
        collect(lab, 3, 1)
        assert ask() == pytest.approx(fitted(lab, "linear"), rel=1e-8)
        mind.kept.rest()  # in order: it is saved
        assert on_disk(lab, "linear") == 63
        collect(lab, 3, 2)
        assert ask() == pytest.approx(fitted(lab, "linear"), rel=1e-8)
        process = mind.kept.process
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)  # it is not
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert on_disk(lab, "linear") == 63
        assert ask() == pytest.approx(fitted(lab, "linear"), rel=1e-8)
        assert (mind.known("linear") or {})["n_rows"] == 66
        mind.kept.close()
    finally:
        mind.kept.close()
    assert on_disk(lab, "linear") == 66


def test_a_fit_in_between_is_what_answers(lab: Laboratory, queue: Jobs) -> None:
    mind = Own(lab)
    client = create_app(lab, queue, mind).test_client()
    collect(lab, 2, 1)
    client.post("/v1/predict", json={"inputs": POINT, "model": "linear"})
    client.post("/v1/fit", json={"models": ["linear"], "seed": 4})
    queue.wait()
    collect(lab, 2, 2)
    answer = client.post("/v1/predict", json={"inputs": POINT, "model": "linear"}).get_json()
    assert answer["predicted"] == pytest.approx(fitted(lab, "linear"), rel=1e-8)
    mind.close()
    assert lab.store.made("linear")["seed"] == 4
    assert on_disk(lab, "linear") == 64


def test_it_can_be_turned_off(lab: Laboratory, queue: Jobs) -> None:
    still = Laboratory(lab.config.model_copy(update={"serve": Serve(learn=False)}))
    client = create_app(still, queue).test_client()
    before = client.post("/v1/predict", json={"inputs": POINT, "model": "gmm"}).get_data()
    collect(lab, 5, 1)
    assert client.post("/v1/predict", json={"inputs": POINT, "model": "gmm"}).get_data() == before
    assert client.post("/v1/invert", json={"target": TARGET, "model": "gmm"}).get_json()["n_rows"] == 60


def test_an_aim_is_not_disturbed_by_what_its_model_learns_meanwhile(lab: Laboratory) -> None:
    """One of two is asked between the shots, and learns of them; their corrections are the same."""
    setup = {"config": lab.config.model_dump(mode="json"), "log": str(lab.log_path), "models": str(lab.models_path)}
    asked, left = Thinking.of(setup), Thinking.of(setup)

    def both(question: str, **more: object) -> dict[str, Any]:
        question_of = {"model": "linear", "run": "1"} | more
        one, other = (t.answer(question, question_of, lab.now(), lambda _: None) for t in (asked, left))
        assert one == other
        found: dict[str, Any] = json.loads(one)
        return found

    step = both("begin", target=TARGET, shots=3, anyway=False, seed=0)
    for n in range(1, 4):
        record = lab.measure(step["inputs"]).to_record()
        answer = json.loads(asked.answer("invert", WANTED | {"model": "linear"}, lab.now(), lambda _: None))
        assert answer["n_rows"] == 60 + n
        step = both("see", record=record, seconds=1.0)
    both("settle")


def reasons(lab: Laboratory) -> list[str]:
    return [e["params"]["reason"] for e in lab.journal.events() if e["kind"] == "fit" and e["event"] == "started"]


@pytest.mark.parametrize("method", ["forest", "bayes"])
def test_what_has_drifted_is_fitted_again_once_an_hour_at_most(lab: Laboratory, queue: Jobs, method: str) -> None:
    fit(lab, [method], seed=3, options={"forest": {"settings": FEW_TREES}})
    made = lab.store.made(method)
    clock = Clock()
    client = create_app(lab, queue, clock=clock).test_client()

    def ask() -> dict[str, Any]:
        found: dict[str, Any] = client.post("/v1/invert", json={"target": TARGET, "model": method}).get_json()
        queue.wait()
        return found

    def stale(answer: dict[str, Any]) -> list[str]:
        return [words for words in answer["warnings"] if "drifted" in words]

    assert stale(ask()) == []
    faded(lab, 60, 0.7)
    assert len(stale(ask())) == 1
    assert len(reasons(lab)) == 1
    assert "630nm" in reasons(lab)[0]
    assert on_disk(lab, method) == 120
    assert lab.store.made(method) == made  # its seed and its options
    assert stale(ask()) == []
    faded(lab, 60, 0.4)
    clock.now = EVERY - 1
    assert len(stale(ask())) == 1
    assert len(stale(ask())) == 1
    assert len(reasons(lab)) == 1
    clock.now = EVERY
    ask()
    assert len(reasons(lab)) == 2
    assert on_disk(lab, method) == 180


def test_while_it_is_fitted_again_it_is_not_asked_for_twice(
    lab: Laboratory, queue: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(updating, "MOST", 3)  # more than these were logged: a fit is the better way
    clock, mind, fits = Clock(), Own(lab), list[Reporting]()
    until, own = threading.Event(), mind.fit

    def slow(asked: dict[str, Any], report: Reporting) -> dict[str, Any]:
        fits.append(report)
        until.wait()
        return own(asked, report)

    monkeypatch.setattr(mind, "fit", slow)
    client = create_app(lab, queue, mind, clock).test_client()
    collect(lab, 5, 1)
    for _ in range(3):
        client.post("/v1/predict", json={"inputs": POINT, "model": "linear"})
        clock.now += 2 * EVERY
    until.set()
    queue.wait()
    assert len(fits) == 1
    assert on_disk(lab, "linear") == 65
