"""Every error of the three rooms keeps the same promise."""

import inspect
import pickle
from types import ModuleType

import pytest
from flask.testing import FlaskClient

from retrolux.device import errors as device
from retrolux.models import errors as models
from retrolux.server import errors as server
from retrolux.server.problems import problem

ROOMS = {device: device.DeviceError, models: models.ModelError, server: server.ServerError}


def classes(room: ModuleType) -> list[type]:
    return [c for _, c in inspect.getmembers(room, inspect.isclass) if c.__module__ == room.__name__]


EVERY = [(ROOMS[room], c) for room in ROOMS for c in classes(room)]


@pytest.mark.parametrize(("base", "kind"), EVERY, ids=lambda c: c.__name__)
def test_an_error_says_what_happened_and_what_to_do(base: type, kind: type) -> None:
    error = kind("The cause.", "The remedy.")
    document = problem(error)
    assert document["detail"] == "The cause."
    assert document["remedy"] == "The remedy."
    assert document["type"].startswith("/problems/")
    assert 400 <= document["status"] < 600
    assert str(error) == "The cause. The remedy."
    assert kind.__doc__


@pytest.mark.parametrize(("base", "kind"), EVERY, ids=lambda c: c.__name__)
def test_an_error_is_the_same_in_another_process(base: type, kind: type) -> None:
    again = pickle.loads(pickle.dumps(kind("The cause.", "The remedy.")))
    assert type(again) is kind
    assert (again.cause, again.remedy, str(again)) == ("The cause.", "The remedy.", "The cause. The remedy.")


@pytest.mark.parametrize(("base", "kind"), EVERY, ids=lambda c: c.__name__)
def test_an_error_has_its_room_and_a_builtin_as_parents(base: type, kind: type) -> None:
    assert issubclass(kind, base)
    if kind is not base:
        parents = {p for p in kind.__mro__ if p.__module__ == "builtins"}
        assert parents - {Exception, BaseException, object}


def test_problem_types_are_stable_and_distinct() -> None:
    types = [c.type for _, c in EVERY]
    assert len(types) == len(set(types))


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("GET", "/v1/measure", 405), ("POST", "/api", 405), ("GET", "/v1/jobs/none", 404)],
)
def test_an_unknown_address_is_a_problem_document(client: FlaskClient, method: str, path: str, status: int) -> None:
    answer = client.open(path, method=method)
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    assert set(answer.get_json()) == {"type", "title", "status", "detail", "remedy"}


def test_a_method_that_is_not_allowed_names_those_that_are(client: FlaskClient) -> None:
    assert "POST" in client.get("/v1/measure").headers["Allow"]


def test_a_body_that_is_too_large_is_refused(client: FlaskClient) -> None:
    answer = client.post("/v1/measure", data=b" " * 1_000_001, content_type="application/json")
    assert answer.status_code == 413
    assert answer.content_type == "application/problem+json"
