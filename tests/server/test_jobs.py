"""Jobs: progress, ends good and bad, and what a restart makes of them."""

import threading
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from retrolux.device.errors import LogUnwritable
from retrolux.device.jsonl import JsonLines
from retrolux.models.errors import BadData
from retrolux.server.errors import NotFound
from retrolux.server.jobs import Jobs, JobState
from retrolux.server.journal import Journal
from retrolux.server.laboratory import Laboratory


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
