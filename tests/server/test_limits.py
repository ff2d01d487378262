"""No request asks for gigabytes or hours: every number and list of the schemas has a bound."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from retrolux.server import jobs as queues
from retrolux.server.config import Sensor
from retrolux.server.errors import BadArgument
from retrolux.server.http import OPERATIONS
from retrolux.server.jobs import Jobs
from retrolux.server.laboratory import Laboratory
from retrolux.server.playback import play_back

DUTIES = {"R": 0, "G": 0, "B": 0}
TOO_MUCH = [
    ("/v1/measure", {"inputs": {str(i): 0 for i in range(1001)}}),
    ("/v1/measure", {"inputs": {"R" * 201: 0}}),
    ("/v1/measure", {"inputs": DUTIES, "channels": ["515nm"] * 101}),
    ("/v1/measure", {"inputs": DUTIES, "exposure": {"gain": 1, "atime": 256}}),
    ("/v1/invert", {"target": {"515nm": 1}, "samples": 100_001}),
    ("/v1/invert", {"target": {"515nm": 1}, "playbacks": 1001}),
    ("/v1/invert", {"target": {str(i): 0 for i in range(1001)}}),
    ("/v1/invert/many", {"names": ["515nm"], "targets": [[1]] * 100_001, "samples": 2}),
    ("/v1/invert/many", {"names": ["515nm"], "targets": [[1]] * 101, "samples": 100_000}),
    ("/v1/invert/many", {"names": ["515nm"] * 1001, "targets": [[1]]}),
    ("/v1/invert/many", {"names": ["515nm"], "targets": [[1] * 1001]}),
    ("/v1/aim", {"target": {"515nm": 1}, "shots": 21}),
    ("/v1/sample", {"n": 100_001}),
    ("/v1/sample", {"given": {str(i): 0 for i in range(1001)}}),
    ("/v1/fit", {"models": ["linear"] * 6}),
]


@pytest.mark.parametrize(("path", "body"), TOO_MUCH)
def test_too_much_is_refused_in_words(
    client: FlaskClient, laboratory: Laboratory, path: str, body: dict[str, Any]
) -> None:
    answer = client.post(path, json=body)
    assert answer.status_code == 422
    assert answer.content_type == "application/problem+json"
    assert answer.get_json()["remedy"]
    assert not laboratory.log_path.exists()


def unbounded(schema: Any, definitions: dict[str, Any], where: str) -> list[str]:
    """Return the places of a JSON schema where something may be as large as it likes."""
    if "$ref" in schema:
        return unbounded(definitions[schema["$ref"].rsplit("/", 1)[-1]], definitions, where)
    found = []
    for part in schema.get("anyOf", []):
        found += unbounded(part, definitions, where)
    kind = schema.get("type")
    if kind == "integer" and not {"maximum", "exclusiveMaximum"} & schema.keys():
        found.append(where)
    if kind == "string" and not {"maxLength", "enum", "const"} & schema.keys():
        found.append(where)
    if kind == "array":
        found += [] if "maxItems" in schema else [where]
        found += unbounded(schema["items"], definitions, f"{where}[]")
    if kind == "object" and "properties" not in schema:
        found += [] if "maxProperties" in schema else [where]
    for name, part in schema.get("properties", {}).items():
        found += unbounded(part, definitions, f"{where}.{name}")
    return found


@pytest.mark.parametrize("form", sorted({op.body for op in OPERATIONS if op.body}, key=lambda form: form.__name__))
def test_everything_in_a_request_has_a_bound(form: Any) -> None:
    schema = form.model_json_schema()
    assert unbounded(schema, schema.get("$defs", {}), form.__name__) == []


def test_playbacks_of_hours_are_refused(laboratory: Laboratory, jobs: Jobs) -> None:
    laboratory.config = laboratory.config.model_copy(update={"sensor": Sensor(atime=255, astep=65534)})
    with pytest.raises(BadArgument, match="take more than 900 s"):
        play_back(laboratory, DUTIES, {"515nm": 1}, 20)
    assert not laboratory.log_path.exists() or not laboratory.log_path.read_bytes()


def test_jobs_that_wait_are_bounded(client: FlaskClient, jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    monkeypatch.setattr(queues, "WAITING", 3)
    going, begun = threading.Event(), threading.Event()

    def work(report: object) -> None:
        begun.set()
        going.wait(30)

    jobs.submit("aim", {}, work)
    assert begun.wait(30)
    for _ in range(3):
        jobs.submit("aim", {}, work)
    with pytest.raises(queues.TooMany, match="3 jobs wait"):
        jobs.submit("aim", {}, work)
    going.set()
    jobs.wait()


def test_states_of_ended_jobs_are_forgotten_and_the_journal_tells(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "REMEMBERED", 5)
    made = []
    for _ in range(12):
        made.append(jobs.submit("aim", {}, lambda report: {"x": 1}).id)
        jobs.wait()
    assert len(jobs._states) <= 6
    assert all(jobs.get(job).state == "finished" for job in made)
