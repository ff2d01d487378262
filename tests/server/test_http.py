"""The HTTP interface, asked without a network."""

import json
from pathlib import Path

import numpy as np
import pytest
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from retrolux.device.log import read_records
from retrolux.device.measurement import CHANNELS, INPUTS
from retrolux.models.dataset import Dataset
from retrolux.models.scale import Scale
from retrolux.server.http import create_app
from retrolux.server.jobs import Jobs
from retrolux.server.laboratory import Laboratory
from retrolux.server.playback import error_percent
from tests.server.conftest import TARGET

FORM = ["model", "target", "inputs", "std", "interval90", "predicted", "feasible", "in_domain", "warnings", "weight"]
FORM += ["solutions", "attainable", "novelty_p", "ellipsoid90", "n_rows", "until"]
BAD_DUTIES = ["NaN", "Infinity", "-Infinity", "1.2", "-0.1", '"abc"', '"0.5"', "null", "true"]


def post(client: FlaskClient, path: str, document: object) -> object:
    return client.post(path, data=json.dumps(document), content_type="application/json")


class TestClaudeLight:
    def test_answers_exactly_as_claude_light_does(self, client: FlaskClient) -> None:
        answer = client.get("/api?R=0.1&G=0.2&B=0.3")
        assert answer.status_code == 200
        document = answer.get_json()
        assert list(document) == ["in", "out"]
        assert document["in"] == [0.1, 0.2, 0.3]
        assert list(document["out"]) == list(CHANNELS)
        assert all(isinstance(v, int) for v in document["out"].values())

    @pytest.mark.parametrize(
        ("query", "inputs"),
        [("", [0, 0, 0]), ("G=0.5", [0, 0.5, 0]), ("R=&B=1", [0, 0, 1]), ("R=7&G=-3&B=1e-3", [1, 0, 0.001])],
    )
    def test_a_missing_value_is_0_and_numbers_are_clamped(
        self, client: FlaskClient, query: str, inputs: list[float]
    ) -> None:
        assert client.get(f"/api?{query}").get_json()["in"] == inputs

    @pytest.mark.parametrize("value", ["nan", "inf", "-inf", "abc", "1e999", "0,5"])
    def test_what_is_no_finite_number_is_refused_and_nothing_is_measured(
        self, client: FlaskClient, laboratory: Laboratory, value: str
    ) -> None:
        answer = client.get(f"/api?R={value}")
        assert answer.status_code == 400
        assert answer.get_json()["type"] == "/problems/bad-request"
        assert not laboratory.log_path.exists() or not read_records(laboratory.log_path)


class TestMeasure:
    def test_the_answer_is_the_logged_record(self, client: FlaskClient, laboratory: Laboratory) -> None:
        answer = post(client, "/v1/measure", {"inputs": {"R": 0.5, "G": 0.25, "B": 0}, "channels": ["515nm", "nir"]})
        record = answer.get_json()
        (logged,) = read_records(laboratory.log_path)
        assert {k: logged[k] for k in record} == record
        assert list(record["out"]) == ["515nm", "nir"]
        assert record["device"] == "sim"

    @pytest.mark.parametrize("value", BAD_DUTIES)
    def test_a_bad_duty_is_refused_before_anything_moves(
        self, client: FlaskClient, laboratory: Laboratory, value: str
    ) -> None:
        body = f'{{"inputs": {{"R": {value}, "G": 0, "B": 0}}}}'
        answer = client.post("/v1/measure", data=body, content_type="application/json")
        assert answer.status_code == 422
        assert answer.content_type == "application/problem+json"
        assert not laboratory.log_path.exists()

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (b"", 400),
            (b"{", 400),
            (b"[]", 422),
            (b'{"inputs": {"R": 0.1}}', 422),
            (b'{"inputs": {"R": 0, "G": 0, "B": 0, "W": 0}}', 422),
            (b'{"inputs": {"R": 0, "G": 0, "B": 0}, "colour": 1}', 400),
            (b'{"inputs": {"R": 0, "G": 0, "B": 0}, "channels": ["700nm"]}', 422),
            (b'{"inputs": {"R": 0, "G": 0, "B": 0}, "channels": []}', 422),
            (b"\xff\xfe", 400),
        ],
    )
    def test_a_bad_body_is_one_problem_document(self, client: FlaskClient, body: bytes, status: int) -> None:
        answer = client.post("/v1/measure", data=body, content_type="application/json")
        assert answer.status_code == status
        assert answer.get_json()["remedy"]

    @pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None])
    def test_only_json_is_taken(self, client: FlaskClient, laboratory: Laboratory, kind: str | None) -> None:
        body = '{"inputs": {"R": 1, "G": 1, "B": 1}}'
        assert client.post("/v1/measure", data=body, content_type=kind).status_code == 415
        assert client.head("/api?R=1").status_code == 405
        assert not laboratory.log_path.exists()


class TestModels:
    @pytest.fixture
    def client(self, fitted: Laboratory, jobs: Jobs) -> FlaskClient:
        return create_app(fitted, jobs).test_client()

    @pytest.mark.parametrize("model", ["linear", "pls", "gmm"])
    def test_invert_answers_in_the_promised_form(self, client: FlaskClient, model: str) -> None:
        answer = post(client, "/v1/invert", {"target": TARGET, "model": model, "samples": 100}).get_json()
        assert list(answer) == FORM
        assert answer["target"] == TARGET
        for name in "RGB":
            low, high = answer["interval90"][name]
            assert low <= answer["inputs"][name] <= high
            assert answer["std"][name] > 0
        assert answer["feasible"] is True

    def test_an_answer_can_be_played_back(self, client: FlaskClient, fitted: Laboratory) -> None:
        answer = post(client, "/v1/invert", {"target": TARGET, "model": "linear", "playbacks": 4}).get_json()
        records = read_records(fitted.log_path)
        assert len(records) == 4
        mean = sum(r["out"]["515nm"] for r in records) / 4
        assert answer["measured"]["515nm"] == pytest.approx(mean)
        assert answer["error_percent"]["515nm"] == pytest.approx(100 * (mean - 16384) / 16384)

    @pytest.mark.parametrize(
        ("target", "status"),
        [
            ({}, 422),
            ({"700nm": 1}, 422),
            ({"515nm": float("nan")}, 422),
            ({"515nm": float("inf")}, 422),
            ({"515nm": "abc"}, 422),
            ({"515nm": None}, 422),
        ],
    )
    def test_a_bad_target_is_refused(self, client: FlaskClient, target: dict[str, object], status: int) -> None:
        answer = post(client, "/v1/invert", {"target": target, "model": "linear"})
        assert answer.status_code == status
        assert answer.content_type == "application/problem+json"

    @pytest.mark.parametrize("asked", [{"net": True}, {"playbacks": 1}])
    def test_a_table_s_model_knows_no_light(self, laboratory: Laboratory, jobs: Jobs, asked: dict[str, object]) -> None:
        """Inputs called R, G, B, between 0 and 1, are none of the instrument's yet."""
        x = np.random.default_rng(0).random((30, 3))
        table = Dataset.between(Scale.enclosing(x), x, INPUTS, x @ np.ones((3, 1)), ("y",), np.zeros((30, 1), bool))
        laboratory.store.save(laboratory.fit(table, ["linear"])[0], "unknown")
        answer = (
            create_app(laboratory, jobs)
            .test_client()
            .post("/v1/invert", json={"target": {"y": 1.5}, "model": "linear"} | asked)
        )
        assert answer.status_code == 422
        assert "A table knows of no instrument" in answer.json["detail"]
        assert not laboratory.log_path.exists()

    def test_a_model_of_another_instrument_is_named(self, fitted: Laboratory, jobs: Jobs) -> None:
        fitted.config = fitted.config.model_copy(update={"device": "sim:7"})
        asked = {"target": TARGET, "model": "linear"}
        answer = post(create_app(fitted, jobs).test_client(), "/v1/invert", asked).get_json()
        assert any("sim:7" in warning for warning in answer["warnings"])

    @pytest.mark.parametrize("model", ["linear", "pls", "gmm"])
    @pytest.mark.parametrize("huge", [1e10, 1e300, -1e308])
    def test_an_absurd_number_is_refused(self, client: FlaskClient, model: str, huge: float) -> None:
        assert post(client, "/v1/invert", {"target": {"515nm": huge}, "model": model}).status_code == 422
        assert post(client, "/v1/sample", {"given": {"515nm": huge}, "model": model}).status_code == 422

    def test_a_seed_is_what_every_generator_takes(self, client: FlaskClient) -> None:
        asked = {"n": 2, "model": "gmm"}
        assert post(client, "/v1/sample", asked | {"seed": 2**31 - 1}).status_code == 200
        assert post(client, "/v1/sample", asked | {"seed": 2**31}).status_code == 422

    def test_an_unattainable_target_is_answered_and_said(self, client: FlaskClient) -> None:
        answer = post(client, "/v1/invert", {"target": {"445nm": 65000}, "model": "linear"}).get_json()
        assert answer["feasible"] is False
        assert answer["warnings"]
        assert 0 <= answer["inputs"]["B"] <= 1

    def test_predict_is_the_forward_model(self, client: FlaskClient, fitted: Laboratory) -> None:
        inputs = {"R": 0.4, "G": 0.3, "B": 0.2}
        predicted = post(client, "/v1/predict", {"inputs": inputs, "model": "linear"}).get_json()["predicted"]
        measured = [fitted.measure((0.4, 0.3, 0.2)).outputs["515nm"] for _ in range(5)]
        assert predicted["515nm"] == pytest.approx(sum(measured) / 5, rel=0.03)

    def test_samples_are_conditional_where_columns_are_given(self, client: FlaskClient) -> None:
        answer = post(client, "/v1/sample", {"model": "gmm", "n": 50, "given": {"515nm": 16384}}).get_json()
        assert len(answer["rows"]) == 50
        green = answer["columns"].index("G")
        assert all(abs(row[green] - 0.24) < 0.1 for row in answer["rows"])

    def test_models_lists_what_is_fitted(self, client: FlaskClient) -> None:
        document = client.get("/v1/models").get_json()
        assert [m["method"] for m in document["models"]] == ["linear", "pls", "gmm"]
        assert all(m["device"] == "sim" and m["n_rows"] == 60 for m in document["models"])

    def test_the_same_question_gives_the_same_answer(self, client: FlaskClient) -> None:
        asked = {"target": TARGET, "model": "gmm"}
        assert post(client, "/v1/invert", asked).data == post(client, "/v1/invert", asked).data


class TestState:
    def test_without_a_model_the_remedy_is_named(self, client: FlaskClient) -> None:
        answer = post(client, "/v1/invert", {"target": TARGET, "model": "linear"})
        assert answer.status_code == 409
        assert "fit" in answer.get_json()["remedy"]

    def test_the_log_is_answered_from_its_end(self, client: FlaskClient) -> None:
        assert client.get("/v1/log").get_json() == {"total": 0, "readings": []}
        for green in (0.1, 0.2, 0.3):
            client.get(f"/api?G={green}")
        document = client.get("/v1/log?limit=2").get_json()
        assert document["total"] == 3
        assert [r["in"][1] for r in document["readings"]] == [0.2, 0.3]

    def test_the_log_is_answered_by_time(self, client: FlaskClient) -> None:
        for green in (0.1, 0.2, 0.3):
            client.get(f"/api?G={green}")
        times = [r["time"] for r in client.get("/v1/log").get_json()["readings"]]
        document = client.get(f"/v1/log?since={times[1]!r}&until={times[2]!r}").get_json()
        assert document["total"] == 3
        assert [r["time"] for r in document["readings"]] == [times[1]]

    @pytest.mark.parametrize("name", ["since", "until"])
    @pytest.mark.parametrize("time", ["", "now", "nan", "inf", "1e999", "9" * 5000])
    def test_a_bad_time_is_refused(self, client: FlaskClient, name: str, time: str) -> None:
        assert client.get("/v1/log", query_string={name: time}).status_code == 400

    @pytest.mark.parametrize("limit", ["0", "-1", "abc", "10001", "1.5", "²", "9" * 5000])
    def test_a_bad_limit_is_refused(self, client: FlaskClient, limit: str) -> None:
        assert client.get("/v1/log", query_string={"limit": limit}).status_code == 400

    def test_status_says_what_the_server_is(self, client: FlaskClient) -> None:
        document = client.get("/v1/status").get_json()
        assert document["device"] == "sim"
        assert document["instrument"]["device"] == "sim"
        assert document["uptime"] >= 0

    def test_healthz(self, client: FlaskClient) -> None:
        assert client.get("/healthz").get_json() == {"status": "ok"}

    def test_nothing_is_cached(self, client: FlaskClient) -> None:
        assert client.get("/v1/status").headers["Cache-Control"] == "no-store"
        assert client.get("/nothing").headers["Cache-Control"] == "no-store"

    def test_an_instrument_that_is_not_there_is_a_problem(self, tmp_path: Path) -> None:
        from retrolux.server.config import Config

        lab = Laboratory(Config(state=tmp_path, device="http://127.0.0.1:9/"))
        queue = Jobs(lab.journal)
        answer = create_app(lab, queue).test_client().get("/api")
        queue.close()
        lab.close()
        assert answer.status_code == 502
        assert answer.get_json()["type"] == "/problems/remote"


class TestOpenApi:
    def test_the_description_is_valid_and_lists_every_address(self, client: FlaskClient) -> None:
        document = client.get("/openapi.json").get_json()
        validate(document)
        served = {str(rule).replace("<", "{").replace(">", "}") for rule in client.application.url_map.iter_rules()}
        assert served - {"/openapi.json"} == set(document["paths"])

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("get", "/api", None),
            ("post", "/v1/measure", {"inputs": {"R": 0, "G": 0, "B": 0}}),
            ("post", "/v1/invert", {"target": TARGET, "model": "gmm", "playbacks": 1}),
            ("post", "/v1/predict", {"inputs": {"R": 0, "G": 0, "B": 0}, "model": "pls"}),
            ("post", "/v1/sample", {"n": 3}),
            ("get", "/v1/models", None),
            ("get", "/v1/log", None),
            ("get", "/v1/status", None),
            ("get", "/healthz", None),
            ("get", "/readyz", None),
        ],
    )
    def test_answers_keep_to_it(
        self, client: FlaskClient, fitted: Laboratory, method: str, path: str, body: object
    ) -> None:
        document = client.get("/openapi.json").get_json()
        answer = client.open(path, method=method.upper(), json=body)
        assert answer.status_code == 200
        content = document["paths"][path][method]["responses"]["200"]["content"]["application/json"]
        schema = content["schema"] | {"components": document["components"]}
        Draft202012Validator(schema).validate(answer.get_json())


def test_a_reading_may_have_an_exposure_of_its_own_or_an_automatic_one(client: FlaskClient) -> None:
    body = {"inputs": {"R": 0.5, "G": 1.0, "B": 0.02}}
    own = client.post("/v1/measure", json=body | {"exposure": {"gain": 64, "atime": 49}}).get_json()
    assert (own["gain"], own["atime"], own["astep"]) == (64, 49, 999)
    auto = client.post("/v1/measure", json=body | {"exposure": "auto"}).get_json()
    assert auto["gain"]["clear"] < auto["gain"]["415nm"]
    assert auto["saturated"] == []
    for wrong in ({"gain": 3}, "manual", {"gain": "64"}, {"speed": 1}):
        assert client.post("/v1/measure", json=body | {"exposure": wrong}).status_code in {400, 422}


def test_a_reading_may_have_a_dark_frame(client: FlaskClient) -> None:
    body = {"inputs": {"R": 0.5, "G": 0.5, "B": 0.5}, "dark": "after"}
    reading = client.post("/v1/measure", json=body).get_json()
    assert reading["ambient"]["by"] == "dark"
    assert reading["dark"]["515nm"] < reading["out"]["515nm"] / 10
    assert client.post("/v1/measure", json=body | {"dark": "sometimes"}).status_code == 422


def test_an_error_in_per_cent_of_next_to_nothing_is_none():
    target = {"445nm": 100.0, "515nm": 0.0, "630nm": 1e-308}
    measured = {"445nm": 103.0, "515nm": 5.0, "630nm": 5.0, "nir": 1.0}
    assert error_percent(target, measured) == {"445nm": pytest.approx(3.0), "515nm": None, "630nm": None}
