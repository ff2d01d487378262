"""The closed loop from outside: one run of the log, refused before the light moves, a job over HTTP."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from retrolux.device.log import read_records
from retrolux.server.jobs import Jobs
from retrolux.server.laboratory import Laboratory
from tests.server.conftest import TARGET, Outcome

Cli = Callable[..., Outcome]
WANTED = [f"{name}={counts:.0f}" for name, counts in TARGET.items()]
NEVER = {"590nm": 1024.0, "630nm": 16384.0}  # no light gives one without the other


def own_log(home: Path) -> list[dict[str, Any]]:
    return [dict(r) for path in home.rglob("rgb.jsonl") for r in read_records(path)]


def test_the_shots_are_one_run_of_the_log(fitted: Laboratory, jobs: Jobs, client: FlaskClient) -> None:
    answer = client.post("/v1/aim", json={"target": TARGET, "model": "linear", "shots": 4})
    assert answer.status_code == 202
    jobs.wait()
    job = client.get(answer.headers["Location"]).get_json()
    assert (job["state"], job["kind"], job["progress"]) == ("finished", "aim", 1.0)
    result, records = job["result"], read_records(fitted.log_path)
    assert [(r["run"], r["i"], r["origin"]) for r in records] == [
        (result["run"], i, "aim") for i in range(len(result["shots"]))
    ]
    for record, shot in zip(records, result["shots"], strict=True):
        assert record["in"] == list(shot["inputs"].values())
        assert shot["measured"]["630nm"] == record["out"]["630nm"]
    assert result["predicted"]["515nm"] == pytest.approx(TARGET["515nm"], rel=1e-3)


def test_what_cannot_be_met_moves_nothing_unless_it_is_asked_for(
    fitted: Laboratory, jobs: Jobs, client: FlaskClient
) -> None:
    body = {"target": NEVER, "model": "linear"}
    refused = client.post("/v1/aim", json=body)
    tried = client.post("/v1/aim", json=body | {"anyway": True, "shots": 2})
    jobs.wait()
    problem = client.get(refused.headers["Location"]).get_json()["problem"]
    assert problem["type"] == "/problems/unattainable"
    assert "590nm" in problem["detail"]
    result = client.get(tried.headers["Location"]).get_json()["result"]
    assert {r["run"] for r in read_records(fitted.log_path)} == {result["run"]}
    assert not result["settled"]


@pytest.mark.parametrize(
    "body",
    [{}, {"target": {"630nm": "many"}}, {"target": TARGET, "shots": 0}, {"target": TARGET, "shots": 21, "x": 1}],
    ids=str,
)
def test_a_bad_request_is_refused_at_once(client: FlaskClient, body: dict[str, object]) -> None:
    assert client.post("/v1/aim", json=body).status_code in {400, 422}


def test_without_a_model_there_is_no_job(client: FlaskClient, laboratory: Laboratory) -> None:
    answer = client.post("/v1/aim", json={"target": TARGET})
    assert (answer.status_code, answer.get_json()["type"]) == (409, "/problems/no-model")
    assert list(laboratory.journal.events()) == []


def test_the_command_tells_each_shot_and_what_it_settled_on(cli: Cli, home: Path, readings: Path) -> None:
    done = cli("aim", *WANTED, "--model", "linear", "--data", readings, "--shots", 2)
    assert done.code == 0
    shots = [r for r in own_log(home) if r.get("origin") == "aim"]
    assert done.err.count("times the noise of a reading") == len(shots) >= 1
    assert "settled on" in done.out
    assert max(len(line) for line in done.out.splitlines()) <= 80


def test_its_json_is_one_document(cli: Cli, readings: Path) -> None:
    done = cli("aim", *WANTED, "--model", "linear", "--data", readings, "--json")
    document = json.loads(done.out)
    assert set(TARGET) == set(document["target"])
    assert 1 <= len(document["shots"]) <= 3
    assert document["unsure"] < 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "The target is empty"),
        (["590nm=1024", "630nm=16384"], "cannot be met"),
        (["333nm=5"], "333nm"),
    ],
    ids=str,
)
def test_what_is_asked_wrongly_is_refused_before_the_light_moves(
    cli: Cli, home: Path, readings: Path, arguments: list[str], said: str
) -> None:
    done = cli("aim", *arguments, "--model", "linear", "--data", readings)
    assert done.code in {1, 2}
    assert said in done.err
    assert own_log(home) == []
