"""Whatever a client sends, the answer is JSON, and a refusal is a problem document and never a 500."""

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrolux.server.http import OPERATIONS, create_app
from retrolux.server.jobs import Jobs
from retrolux.server.laboratory import Laboratory

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["gmm", "R"])
BODIES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["R", "515nm", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)
WHOLE = {
    "/v1/measure": {"inputs": {"R": 0.1, "G": 0.2, "B": 0.3}, "channels": ["515nm"]},
    "/v1/invert": {"target": {"515nm": 16384}, "model": "linear", "samples": 10, "playbacks": 1},
    "/v1/invert/many": {"names": ["515nm"], "targets": [[16384], [9000]], "model": "linear", "samples": 10},
    "/v1/aim": {"target": {"515nm": 16384}, "model": "linear", "shots": 1, "anyway": True},
    "/v1/predict": {"inputs": {"R": 0.1, "G": 0.2, "B": 0.3}, "model": "pls"},
    "/v1/sample": {"model": "gmm", "n": 3, "given": {"515nm": 16384, "R": 0.5}, "seed": 1},
}
FORMS = [op.path for op in OPERATIONS if op.body is not None and op.path != "/v1/fit"]
HARMLESS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@pytest.fixture
def client(fitted: Laboratory, jobs: Jobs) -> FlaskClient:
    return create_app(fitted, jobs).test_client()


@pytest.mark.parametrize("path", FORMS)
@settings(max_examples=60, deadline=None, suppress_health_check=HARMLESS)
@given(data=st.data())
def test_any_json_is_answered_or_refused(client: FlaskClient, path: str, data: st.DataObject) -> None:
    whole = WHOLE[path]
    field = data.draw(st.sampled_from(sorted(whole)))
    check(client.post(path, json=whole | {field: data.draw(BODIES)}))
    if isinstance(whole[field], dict):
        part = data.draw(st.dictionaries(st.sampled_from(["R", "G", "B", "515nm", "nir"]), LEAVES, max_size=3))
        check(client.post(path, json=whole | {field: whole[field] | part}))


@pytest.mark.parametrize("path", [*FORMS, "/v1/fit"])
@settings(max_examples=30, deadline=None, suppress_health_check=HARMLESS)
@given(body=st.binary(max_size=40))
def test_any_bytes_are_refused(client: FlaskClient, path: str, body: bytes) -> None:
    check(client.post(path, data=body, content_type="application/json"))


@settings(max_examples=60, deadline=None, suppress_health_check=HARMLESS)
@given(query=st.dictionaries(st.sampled_from(["R", "G", "B", "limit", "x"]), st.text(max_size=8), max_size=4))
@pytest.mark.parametrize("path", ["/api", "/v1/log"])
def test_any_query_is_answered_or_refused(client: FlaskClient, path: str, query: dict[str, str]) -> None:
    check(client.get(path, query_string=query))


def check(answer: object) -> None:
    assert answer.status_code < 500, answer.get_data()
    document = answer.get_json(force=True)
    if answer.status_code >= 400:
        assert answer.content_type == "application/problem+json"
        assert document["detail"]
        assert document["remedy"]
