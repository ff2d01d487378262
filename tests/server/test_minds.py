"""The process that answers questions to models: the same answers and errors, and how it comes and goes."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from retrolux.device import errors as device
from retrolux.models import errors as models
from retrolux.models.errors import BadTarget
from retrolux.server import errors as server
from retrolux.server import processes
from retrolux.server.config import Config
from retrolux.server.errors import ProcessEnded
from retrolux.server.http import create_app
from retrolux.server.jobs import Jobs, JobState, Reporting
from retrolux.server.laboratory import Laboratory
from retrolux.server.minds import Beside, Own
from retrolux.server.passing import passed, problem, raised
from retrolux.server.processes import Process
from tests.server.conftest import TARGET
from tests.server.processes import children, first, gone, niceness
from tests.server.test_problems import EVERY

IDLE = 600.0
ASKED = {"inputs": {"R": 0.4, "G": 0.2, "B": 0.5}, "model": "linear"}
WANTED = {"target": TARGET, "model": "linear", "samples": 50, "net": False, "sensitivity": True, "path": None}
QUESTIONS = [
    ("predict", ASKED),
    ("invert", WANTED | {"path": {"inputs": {"R": 0.2, "G": 0.3, "B": 0.7}, "outputs": None}}),
    ("invert", WANTED | {"target": {"445nm": 16384.0}, "model": "gmm", "net": True}),
    ("invert", WANTED | {"target": {"445nm": 65000.0}, "model": "pls"}),
    ("sample", {"model": "gmm", "n": 3, "given": {"515nm": 16384.0}, "seed": 1}),
]


class Clock:
    """A time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def beside(fitted: Laboratory, clock: Clock) -> Iterator[Beside]:
    """Another process that answers for a fitted laboratory, whose log tells the ambient light of a simulated now."""
    for _ in range(3):
        fitted.measure((0.2, 0.4, 0.6))
    mind = Beside(fitted, IDLE, clock)
    yield mind
    mind.kept.close()


@pytest.mark.parametrize(("base", "kind"), EVERY, ids=lambda c: c.__name__)
def test_an_error_is_the_same_in_another_process(base: type, kind: type) -> None:
    error = kind("The cause.", "The remedy.")
    again = raised(json.loads(json.dumps(passed(error))))
    assert type(again) is kind
    assert isinstance(again, base)
    assert problem(again) == problem(error)


def test_an_error_that_was_not_foreseen_says_what_it_was() -> None:
    assert str(raised(passed(ZeroDivisionError("by nothing")))) == "ZeroDivisionError: by nothing"
    assert not {device, models, server} & {type(raised(passed(KeyError("x"))))}


def test_a_configuration_is_the_same_in_another_process() -> None:
    asked = {"calibration": {"gain_ratios": {"64": 0.5}}, "light": {"channels": [2, 1, 0]}, "state": "~/light"}
    config = Config.model_validate(asked | {"simulator": {"begins": 1.5e9, "ambient_log": "a.jsonl"}})
    assert Config.model_validate(json.loads(json.dumps(config.model_dump(mode="json")))) == config


def test_it_answers_as_the_process_itself_would_and_is_let_go_when_nobody_asks(
    beside: Beside, clock: Clock, fitted: Laboratory
) -> None:
    assert children(os.getpid()) == []  # nothing was asked yet
    own = Own(fitted)
    for question, asked in QUESTIONS:
        assert beside.ask(question, asked) == own.ask(question, asked)
    assert b'"ambient"' in beside.ask("invert", WANTED)
    for mind in (beside, own):
        with pytest.raises(BadTarget, match="1e\\+300"):
            mind.ask("invert", WANTED | {"target": {"515nm": 1e300}})
    (child,) = children(os.getpid())
    assert os.getpgid(child) != os.getpgid(0)  # the terminal's Ctrl-C is not for it
    clock.now += IDLE - 1
    beside.kept.rest()
    assert children(os.getpid()) == [child]
    with beside.used():
        clock.now += 2 * IDLE
        beside.kept.rest()
        assert children(os.getpid()) == [child]
    beside.kept.rest()
    assert children(os.getpid()) == [child]  # its last use has just ended
    clock.now += IDLE
    beside.kept.rest()
    assert children(os.getpid()) == []
    assert beside.kept.process is None


def test_when_it_is_killed_the_asker_is_told_and_the_next_question_starts_another(beside: Beside) -> None:
    told: list[str | bytes] = []
    beside.ask("predict", ASKED)
    process = beside.kept.process
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)  # so that the question is not answered before it is killed

    def ask() -> None:
        try:
            told.append(process.ask(0, {"question": "predict", "asked": ASKED, "now": 0.0}))
        except ProcessEnded as error:
            told.extend([error.cause, error.remedy, str(problem(error)["status"])])

    asker = threading.Thread(target=ask)
    asker.start()
    os.kill(process.pid, signal.SIGKILL)
    asker.join()
    cause, remedy, status = told
    assert "memory" in cause
    assert "memory" in remedy
    assert status == "503"
    assert json.loads(beside.ask("predict", ASKED))["model"] == "linear"
    (another,) = children(os.getpid())
    assert another != process.pid


def test_one_that_stands_still_is_ended_and_one_that_works_is_not(
    beside: Beside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A question takes the second that its process needs to begin; stopped, the process has no processor time."""
    worked: list[str] = []
    beside.moved = lambda: worked.append("worked")
    monkeypatch.setattr(processes, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(processes, "STILL_SECONDS", 2)
    beside.ask("predict", ASKED)
    assert len(worked) > 5
    process = beside.kept.process
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)
    before = len(worked)
    with pytest.raises(ProcessEnded, match="stood still for 2 s"):
        beside.ask("predict", ASKED)
    assert len(worked) - before <= 1  # what it did before it was stopped
    assert json.loads(beside.ask("predict", ASKED))["model"] == "linear"


def test_a_fit_lets_readings_and_answers_pass_and_can_be_cancelled(
    beside: Beside, fitted: Laboratory, jobs: Jobs, readings: Path
) -> None:
    fitted.log_path.write_bytes(fitted.log_path.read_bytes() + readings.read_bytes())
    beside.ask("predict", ASKED)
    client = create_app(fitted, jobs, beside).test_client()
    aim = client.post("/v1/aim", json={"target": TARGET, "model": "linear"}).headers["Location"]
    jobs.wait()
    assert client.get(aim).get_json()["result"]["shots"][0]["measured"]["630nm"] == pytest.approx(16384, rel=0.05)
    job = client.post("/v1/fit", json={"models": ["linear", "gmm"]}).get_json()["id"]
    fit = first(lambda: [child for child in children(os.getpid()) if niceness(child) >= 10])
    os.kill(fit, signal.SIGSTOP)  # it is under way, and stays so
    ended = os.pidfd_open(fit)
    assert client.get("/api?G=0.5").status_code == 200
    assert client.post("/v1/predict", json=ASKED).status_code == 200
    assert client.get(f"/v1/jobs/{job}").get_json()["state"] == "running"
    answer = client.delete(f"/v1/jobs/{job}").get_json()
    assert (answer["state"], answer["problem"], answer["result"]) == ("cancelled", None, None)
    assert client.get(f"/v1/jobs/{job}").get_json() == answer
    assert gone(ended)
    assert [e.get("state") for e in fitted.journal.events() if e["job"] == job] == [None, "cancelled"]


def test_a_fit_in_its_own_process_is_saved_and_says_how_far_it_is(
    laboratory: Laboratory, readings: Path, clock: Clock
) -> None:
    laboratory.log_path.parent.mkdir(parents=True, exist_ok=True)
    laboratory.log_path.write_bytes(readings.read_bytes())
    state = JobState("1", "fit", 0.0)
    seen: list[float] = []

    class Seen(Reporting):
        def __call__(self, fraction: float) -> None:
            super().__call__(fraction)
            seen.append(fraction)

    mind = Beside(laboratory, IDLE, clock)
    wanted = {"models": ["linear", "pls"], "seed": 0, "preset": None}
    assert mind.fit(wanted, Seen(state))["n_rows"] == 60
    assert laboratory.store.methods() == ("linear", "pls")
    assert seen == sorted(seen)
    assert seen[-1] == 1.0 == state.progress
    assert children(os.getpid()) == []


def test_a_process_that_cannot_begin_is_an_error_and_not_waited_for() -> None:
    process = Process({"nice": "very"})
    with pytest.raises(ProcessEnded, match="exit code 1"):
        process.ask(0, {"question": "load", "asked": {"model": "linear"}, "now": 0.0})
    process.end()


def test_after_the_end_nobody_starts_another(beside: Beside) -> None:
    """Those who wait for their turn while the server ends are told, and leave no process behind."""
    beside.ask("predict", ASKED)
    beside.kept.close()
    with pytest.raises(ProcessEnded, match="ending"):
        beside.ask("predict", ASKED)
    assert beside.kept.process is None
    assert children(os.getpid()) == []
