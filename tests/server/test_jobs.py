"""Jobs: progress, ends good and bad, and what a restart makes of them."""

import threading
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from retrolux.device.errors import LogUnwritable
from retrolux.device.jsonl import JsonLines
from retrolux.device.log import read_records
from retrolux.models.errors import BadData
from retrolux.server.errors import NotFound
from retrolux.server.http import create_app
from retrolux.server.jobs import Jobs, JobState
from retrolux.server.journal import Journal
from retrolux.server.laboratory import Laboratory
from tests.server.conftest import TARGET


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.jsonl")


def finish(queue: Jobs, job: JobState) -> JobState:
    queue.wait()
    queue.close()
    return queue.get(job.id)


def test_a_job_reports_its_progress_and_its_result(journal: Journal) -> None:
    seen, go_on, half = [], threading.Event(), threading.Event()

    def work(report: object) -> dict[str, int]:
        report(0.5)
        half.set()
        go_on.wait()
        return {"answer": 42}

    queue = Jobs(journal)
    job = queue.submit("fit", {}, work)
    half.wait()
    seen.append((job.state, job.progress))
    go_on.set()
    done = finish(queue, job)
    assert seen == [("running", 0.5)]
    assert (done.state, done.progress, done.result) == ("finished", 1.0, {"answer": 42})


def test_a_job_that_fails_says_why(journal: Journal) -> None:
    def work(_report: object) -> None:
        raise BadData("One reading is too few.", "Collect more.")

    queue = Jobs(journal)
    done = finish(queue, queue.submit("fit", {}, work))
    assert done.state == "failed"
    assert done.problem is not None
    assert done.problem["remedy"] == "Collect more."


def test_a_job_that_breaks_does_not_take_the_queue_with_it(journal: Journal) -> None:
    queue = Jobs(journal)
    broken = queue.submit("fit", {}, lambda _report: 1 // 0)
    after = queue.submit("fit", {}, lambda _report: None)
    finish(queue, after)
    assert broken.state == "failed"
    assert "ZeroDivisionError" in broken.problem["detail"]
    assert after.state == "finished"


def test_a_full_disk_does_not_end_the_queue(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object, **_more: object) -> None:
        raise LogUnwritable("The disk is full.", "Free some space.")

    queue = Jobs(journal)
    with monkeypatch.context() as patch:
        patch.setattr(journal, "finished", full)
        first = queue.submit("fit", {}, lambda _report: 1)
        queue.wait()
    second = finish(queue, queue.submit("fit", {}, lambda _report: 2))
    assert (first.state, second.state, second.result) == ("finished", "finished", 2)


def test_a_later_process_knows_how_an_earlier_ones_jobs_ended(journal: Journal) -> None:
    queue = Jobs(journal)
    done = finish(queue, queue.submit("fit", {}, lambda _report: "result"))
    cut_off = journal.started("fit", {})
    later = Jobs(journal)
    later.close()
    assert later.get(done.id).state == "finished"
    assert later.get(done.id).result == "result"
    assert later.get(cut_off).state == "interrupted"
    with pytest.raises(NotFound):
        later.get("none")


def test_the_journal_finds_what_was_interrupted(journal: Journal) -> None:
    first, second = journal.started("collect", {"n": 1}), journal.started("collect", {"n": 2})
    journal.started("fit", {})
    journal.finished(first, "collect", "finished")
    assert [event["job"] for event in journal.interrupted("collect")] == [second]


def test_lines_of_another_kind_are_left_alone(journal: Journal) -> None:
    job = journal.started("collect", {"n": 1})
    with JsonLines(journal.path) as lines:
        lines.append({"event": "started", "kind": "collect"})
        lines.append({"event": "paused", "job": job, "kind": "collect"})
    assert [event["job"] for event in journal.interrupted("collect")] == [job]
    queue = Jobs(journal)
    queue.close()
    assert queue.get(job).state == "interrupted"


def test_a_fit_over_http_is_a_job(client: FlaskClient, laboratory: Laboratory, jobs: Jobs, readings: Path) -> None:
    laboratory.log_path.parent.mkdir(parents=True)
    laboratory.log_path.write_bytes(readings.read_bytes())
    answer = client.post("/v1/fit", json={"models": ["linear", "gmm"]})
    assert answer.status_code == 202
    job = answer.get_json()["id"]
    assert answer.headers["Location"] == f"/v1/jobs/{job}"
    jobs.wait()
    document = client.get(f"/v1/jobs/{job}").get_json()
    assert document["state"] == "finished"
    assert document["result"]["models"] == ["linear", "gmm"]
    assert laboratory.store.methods() == ("linear", "gmm")
    assert [e["event"] for e in laboratory.journal.events()] == ["started", "finished"]


@pytest.mark.parametrize("count", [0, 1])
def test_a_log_of_too_few_readings_is_refused(
    client: FlaskClient, laboratory: Laboratory, jobs: Jobs, count: int
) -> None:
    for _ in range(count):
        client.get("/api")
    answer = client.post("/v1/fit", json={"models": ["linear"]})
    if answer.status_code == 202:  # one reading is data; that it is too few, the method says
        jobs.wait()
        document = client.get(answer.headers["Location"]).get_json()
        assert document["state"] == "failed"
        assert document["problem"]["type"] == "/problems/bad-data"
    else:
        assert answer.status_code == 422
    assert laboratory.store.methods() == ()


@pytest.mark.parametrize("body", [{"models": []}, {"models": ["tree"]}, {"model": ["linear"]}, {"seed": -1}])
def test_a_bad_fit_request_is_refused(client: FlaskClient, body: dict[str, object]) -> None:
    assert client.post("/v1/fit", json=body).status_code in {400, 422}


def test_from_a_log_of_several_instruments_the_servers_own_is_learnt(
    client: FlaskClient, laboratory: Laboratory, jobs: Jobs, readings: Path
) -> None:
    laboratory.log_path.parent.mkdir(parents=True)
    own = readings.read_text()
    laboratory.log_path.write_text(own.replace('"device": "sim"', '"device": "pi"') + own)
    client.post("/v1/fit", json={"models": ["linear"]})
    jobs.wait()
    (entry,) = laboratory.store.entries()
    assert (entry["device"], entry["n_rows"]) == ("sim", 60)


class TestCancel:
    def test_one_that_waits_never_begins(self, journal: Journal) -> None:
        begun, go_on = threading.Event(), threading.Event()
        done: list[str] = []

        def first(_report: object) -> None:
            begun.set()
            go_on.wait()

        queue = Jobs(journal)
        running = queue.submit("fit", {}, first)
        waiting = queue.submit("fit", {}, lambda _report: done.append("second"))
        begun.wait()
        assert queue.cancel(waiting.id).state == "cancelled"
        assert queue.active() == 1
        go_on.set()
        finish(queue, running)
        assert (running.state, waiting.state, done) == ("finished", "cancelled", [])
        later = Jobs(journal)
        assert later.get(waiting.id).state == "cancelled"
        assert later.cancel(running.id).state == "finished"  # what has ended is left as it is
        later.close()

    def test_one_that_runs_ends_where_it_tells_how_far_it_is(self, journal: Journal) -> None:
        begun, told = threading.Event(), threading.Event()

        def work(report: object) -> None:
            begun.set()
            told.wait()
            report(0.5)

        queue = Jobs(journal)
        job = queue.submit("fit", {}, work)
        begun.wait()
        assert queue.cancel(job.id, seconds=0).state == "running"
        told.set()
        done = finish(queue, job)
        assert (done.state, done.progress, done.problem) == ("cancelled", 0.0, None)
        assert [e.get("state") for e in journal.events()] == [None, "cancelled"]

    def test_there_is_none_of_that_name(self, client: FlaskClient) -> None:
        answer = client.delete("/v1/jobs/none")
        assert (answer.status_code, answer.get_json()["type"]) == (404, "/problems/not-found")

    def test_an_aim_ends_after_the_reading_that_is_under_way_and_the_light_is_dark(
        self, fitted: Laboratory, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client, measure = create_app(fitted, jobs).test_client(), fitted.measure
        measuring, cancelled = threading.Event(), threading.Event()

        def hold(*asked: object, **more: object) -> object:
            measuring.set()
            cancelled.wait()
            return measure(*asked, **more)

        monkeypatch.setattr(fitted, "measure", hold)
        job = client.post("/v1/aim", json={"target": TARGET, "model": "linear", "shots": 5}).get_json()["id"]
        measuring.wait()
        assert jobs.cancel(job, seconds=0).state == "running"
        cancelled.set()
        jobs.wait()
        assert client.get(f"/v1/jobs/{job}").get_json()["state"] == "cancelled"
        (shot,) = read_records(fitted.log_path)
        assert max(shot["in"]) > 0
        assert [pin.duty_cycle for pin in fitted.instrument._light._outputs] == [0, 0, 0]


def test_what_is_interrupted_by_the_end_of_the_server_stays_open_in_the_journal(journal: Journal) -> None:
    begun, stopped = threading.Event(), threading.Event()

    def work(report: object) -> None:
        with report.stopping(stopped.set):
            begun.set()
            stopped.wait()
        report(0.9)

    queue = Jobs(journal)
    job = queue.submit("fit", {}, work)
    after = queue.submit("fit", {}, lambda _report: None)
    begun.wait()
    queue.close()
    assert job.state == "interrupted"
    assert after.state == "queued"
    assert len(journal.interrupted("fit")) == 2


def test_a_fit_does_not_keep_an_aim_from_its_turn(journal: Journal) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def fit(_report: object) -> None:
        begun.set()
        go_on.wait()

    queue = Jobs(journal)
    long = queue.submit("fit", {}, fit)
    begun.wait()
    aimed = threading.Event()
    queue.submit("aim", {}, lambda _report: aimed.set())
    aimed.wait()
    assert long.state == "running"
    go_on.set()
    finish(queue, long)
