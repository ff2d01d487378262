"""What was interrupted is seen at the next start, and begun again where that moves no light."""

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from retrolux.device.designs import design
from retrolux.device.errors import LogUnwritable
from retrolux.device.log import read_records
from retrolux.server import running
from retrolux.server.collect import Plan, collect
from retrolux.server.config import Config
from retrolux.server.http import create_app
from retrolux.server.jobs import Jobs
from retrolux.server.journal import Journal
from retrolux.server.laboratory import Laboratory
from retrolux.server.minds import Own
from retrolux.server.refits import Refits
from retrolux.server.resuming import take_up
from tests.server.conftest import TARGET, Outcome

Cli = Callable[..., Outcome]

# a process that ends in the middle of its work, as by a power cut
ENDED = """
import os, sys
from pathlib import Path
from retrolux.server.journal import Journal
print(Journal(Path(sys.argv[1])).started(sys.argv[2], {params}, **{more}), flush=True)
os.kill(os.getpid(), 9)
"""


def left_behind(journal: Journal, kind: str, params: dict[str, object], **more: object) -> str:
    script = ENDED.format(params=params, more=more)
    done = subprocess.run(
        [sys.executable, "-c", script, str(journal.path), kind], capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    return done.stdout.strip()


@pytest.fixture
def full(laboratory: Laboratory) -> Laboratory:
    """A laboratory with thirty readings."""
    for point in design("lhs", 30, 7):
        laboratory.measure(point)
    return laboratory


def begun_again(lab: Laboratory, jobs: Jobs) -> FlaskClient:
    """A server's next start."""
    mind = Own(lab)
    take_up(jobs, mind, lab.journal, lab.log_path)
    return create_app(lab, jobs, mind).test_client()


def fit_of(lab: Laboratory, **more: object) -> dict[str, object]:
    return {"models": ["linear"], "seed": 0, "log": str(lab.log_path), "forest": None} | more


def test_a_fit_begins_again_under_its_name(full: Laboratory, jobs: Jobs, caplog: pytest.LogCaptureFixture) -> None:
    job = left_behind(full.journal, "fit", fit_of(full), queued=True)
    client = begun_again(full, jobs)
    jobs.wait()
    document = client.get(f"/v1/jobs/{job}").get_json()
    assert (document["state"], document["result"]["n_rows"]) == ("finished", 30)
    assert full.store.methods() == ("linear",)
    assert f"fit {job} was interrupted; it begins again" in caplog.text
    assert [e["event"] for e in full.journal.events()] == ["started", "resumed", "finished"]
    assert full.journal.left() == []
    assert [(j["id"], j["state"]) for j in client.get("/v1/jobs").get_json()["jobs"]] == [(job, "finished")]


def test_one_that_a_model_asked_for_is_made_as_the_model_was(full: Laboratory, jobs: Jobs) -> None:
    for model in full.fit(full.own_dataset()[0], ["linear"], seed=5):
        full.store.save(model, "sim")
    full.measure((0.1, 0.2, 0.3))
    params = {"models": ["linear"], "log": str(full.log_path), "reason": "drifted"}
    job = left_behind(full.journal, "fit", params, queued=True)
    client = begun_again(full, jobs)
    jobs.wait()
    assert client.get(f"/v1/jobs/{job}").get_json()["state"] == "finished"
    assert full.store.made("linear")["seed"] == 5
    assert full.store.entries()[0]["n_rows"] == 31


def test_what_a_server_submits_is_what_it_takes_up(full: Laboratory, jobs: Jobs) -> None:
    """Of a fit that was asked for and one that a model asked for: their journal says all that is needed."""
    asked: list[dict[str, object]] = []

    class Listening(Own):
        def fit(self, wanted: object, report: object) -> dict[str, object]:
            asked.append(dict(wanted))
            return {}

    mind = Listening(full)
    client = create_app(full, jobs, mind).test_client()
    client.post("/v1/fit", json={"models": ["forest"], "seed": 3, "forest": {"preset": "paper"}})
    Refits(full.log_path, jobs, mind).wanted("linear", "drifted")
    jobs.wait()
    first = list(asked)
    events = [e for e in full.journal.events() if e["event"] == "started"]
    full.journal.path.unlink()
    for event in events:
        left_behind(full.journal, "fit", event["params"], queued=event["queued"])
    take_up(jobs, mind, full.journal, full.log_path)
    jobs.wait()
    assert asked == first * 2
    assert first[0] == {"models": ["forest"], "seed": 3, "preset": "paper"}


def test_a_fit_that_ends_its_server_each_time_is_given_up(full: Laboratory, jobs: Jobs) -> None:
    job = left_behind(full.journal, "fit", fit_of(full), queued=True)
    with full.journal.path.open("a") as file:
        file.write(json.dumps({"job": job, "kind": "fit", "event": "resumed", "by": "1:1:another boot"}) + "\n")
    client = begun_again(full, jobs)
    document = client.get(f"/v1/jobs/{job}").get_json()
    assert (document["state"], document["problem"]["type"]) == ("interrupted", "/problems/interrupted")
    assert "Ask for the fit again" in document["problem"]["remedy"]
    assert full.store.methods() == ()
    assert full.journal.left() == []


def test_an_aim_is_never_begun_again_of_itself(full: Laboratory, jobs: Jobs, caplog: pytest.LogCaptureFixture) -> None:
    job = left_behind(full.journal, "aim", {"target": TARGET, "model": "linear"}, queued=True)
    client = begun_again(full, jobs)
    jobs.wait()
    assert client.get(f"/v1/jobs/{job}").get_json()["state"] == "interrupted"
    assert f"aim {job} was interrupted" in caplog.text
    assert client.get("/v1/jobs").get_json() == {"jobs": []}  # it has ended, and its name says how
    assert len(read_records(full.log_path)) == 30


@pytest.mark.parametrize(("kind", "words"), [("collect", "retrolux collect --resume"), ("fit", "asked for again")])
def test_what_the_command_line_left_is_named_and_left(
    full: Laboratory, jobs: Jobs, kind: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    job = left_behind(full.journal, kind, fit_of(full))
    begun_again(full, jobs)
    assert f"{kind} {job} was interrupted" in caplog.text
    assert words in caplog.text
    (listed,) = create_app(full, jobs).test_client().get("/v1/jobs").get_json()["jobs"]
    assert (listed["id"], listed["kind"], listed["state"]) == (job, kind, "interrupted")
    assert [event["job"] for event in full.journal.interrupted(kind)] == [job]


def test_another_logs_fit_is_not_begun_on_this_one(full: Laboratory, jobs: Jobs) -> None:
    job = left_behind(full.journal, "fit", fit_of(full, log="/elsewhere/rgb.jsonl"), queued=True)
    client = begun_again(full, jobs)
    assert client.get(f"/v1/jobs/{job}").get_json()["state"] == "interrupted"


def test_what_still_runs_is_left_alone(full: Laboratory, jobs: Jobs) -> None:
    job = full.journal.started("fit", fit_of(full), queued=True)  # by this process, which runs
    begun_again(full, jobs)
    jobs.wait()
    assert [e["event"] for e in full.journal.events()] == ["started"]
    assert [event["job"] for event in full.journal.interrupted("fit")] == [job]


@pytest.mark.parametrize("how", ["unreadable", "unwritable"])
def test_a_server_starts_whatever_its_journal_is(
    full: Laboratory, jobs: Jobs, how: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    left_behind(full.journal, "fit", fit_of(full), queued=True)

    def refuse(*_: object) -> None:
        raise LogUnwritable("The disk is full.", "Free some space.")

    if how == "unreadable":
        full.journal.path.write_text("[]\n{}\n")
    else:
        monkeypatch.setattr(full.journal, "_write", refuse)
    client = begun_again(full, jobs)
    assert "what was interrupted is not taken up" in caplog.text
    assert client.get("/readyz").status_code == 200


class TestProcesses:
    def test_this_one_runs_and_one_that_has_ended_does_not(self) -> None:
        assert running.runs(running.this_process())
        ended = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        mark = running._mark(ended.pid)
        assert running.runs(mark)
        ended.communicate(b"\n")
        assert not running.runs(mark)

    def test_neither_does_one_of_that_number_of_another_boot(self) -> None:
        number, begun, boot = running.this_process().split(":")
        assert not running.runs(f"{number}:{begun}:{boot[::-1]}")
        assert not running.runs(f"{number}:{int(begun) + 1}:{boot}")

    @pytest.mark.parametrize("mark", [None, "", "x", "1:2", 7, "../self:1:2"])
    def test_nor_what_is_no_process(self, mark: object) -> None:
        assert not running.runs(mark)


class TestResume:
    @pytest.fixture
    def interrupted(self, cli: Cli, home: Path) -> str:
        with Laboratory(Config(state=home / "state" / "retrolux")) as lab:
            log = str(home / "mine.jsonl")
            plan = Plan("sobol", 16, 3, "sim:2", log)
            with Laboratory(lab.config.model_copy(update={"device": "sim:2"}), Path(log)) as other:

                def stop(done: int, _total: int) -> None:
                    if done == 5:
                        raise KeyboardInterrupt

                with pytest.raises(KeyboardInterrupt):
                    collect(plan, other.recorder, other.journal, stop)
        return log

    def test_it_goes_on_as_it_was_begun(self, cli: Cli, home: Path, interrupted: str) -> None:
        done = cli("collect", "--resume", "--json")
        assert done.code == 0, done.err
        assert (done.json["readings"], done.json["resumed"], done.json["log"]) == (16, 5, interrupted)
        assert "device: sim:2" in done.err
        records = read_records(Path(interrupted))
        assert [tuple(r["in"]) for r in records] == Plan("sobol", 16, 3, "sim:2", interrupted).points()
        again = cli("collect", "--resume")
        assert again.code == 2
        assert "No collection was interrupted" in again.err

    @pytest.mark.parametrize("option", [("-n", 9), ("--design", "grid"), ("--seed", 4)])
    def test_what_it_is_cannot_be_changed(self, cli: Cli, interrupted: str, option: tuple[object, ...]) -> None:
        refused = cli("collect", "--resume", *option)
        assert (refused.code, "cannot be changed" in refused.err) == (2, True)
        assert len(read_records(Path(interrupted))) == 5

    def test_another_log_or_device_has_none(self, cli: Cli, interrupted: str) -> None:
        assert cli("collect", "--resume", "-o", "other.jsonl").code == 2
        assert cli("collect", "--resume", "--device", "sim").code == 2
        assert cli("collect", "--resume", "-o", "mine.jsonl", "--device", "sim:2").code == 0

    def test_at_another_exposure_it_does_not_go_on(self, cli: Cli, home: Path, interrupted: str) -> None:
        (home / "retrolux.toml").write_text("[sensor]\ngain = 64\n")
        refused = cli("collect", "--resume")
        assert (refused.code, "begun at gain 128" in refused.err) == (2, True)


def test_a_killed_server_begins_its_fit_again(tmp_path: Path, readings: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The whole way: a process whose fit waits is killed, and another finishes it."""
    state = tmp_path / "state"
    state.mkdir()
    (state / "rgb.jsonl").write_bytes(readings.read_bytes())
    script = f"""
import os, threading
from pathlib import Path
from retrolux.server.config import Config
from retrolux.server.http import create_app
from retrolux.server.jobs import Jobs
from retrolux.server.laboratory import Laboratory
from retrolux.server.minds import Own
class Slow(Own):
    def fit(self, asked, report):
        os.write(1, b"fitting\\n")  # in one piece, as two threads speak
        threading.Event().wait()
lab = Laboratory(Config(state=Path({str(state)!r})))
client = create_app(lab, Jobs(lab.journal), Slow(lab)).test_client()
os.write(1, client.post("/v1/fit", json={{"models": ["pls"]}}).get_json()["id"].encode() + b"\\n")
threading.Event().wait()
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as server:
        said = {server.stdout.readline().strip() for _ in range(2)}
        os.kill(server.pid, signal.SIGKILL)
    (job,) = said - {"fitting"}
    with caplog.at_level(logging.WARNING), Laboratory(Config(state=state)) as lab:
        jobs = Jobs(lab.journal)
        client = begun_again(lab, jobs)
        jobs.wait()
        assert client.get(f"/v1/jobs/{job}").get_json()["state"] == "finished"
        assert lab.store.methods() == ("pls",)
        jobs.close()
