"""Pages of other sites in somebody's browser, and names by which nobody calls this server."""

import socket
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrolux.server.config import Config, Serve
from retrolux.server.http import create_app
from retrolux.server.jobs import Jobs
from retrolux.server.laboratory import Laboratory


@pytest.mark.parametrize("path", ["/api?R=1", "/v1/log", "/v1/status"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://[", "Host": "127.0.0.1:8000"},
        {"Origin": "http://localhost:9999", "Host": "localhost:8000"},
    ],
)
def test_a_page_of_another_site_moves_nothing(
    client: FlaskClient, laboratory: Laboratory, path: str, headers: dict[str, str]
) -> None:
    answer = client.get(path, headers=headers)
    assert (answer.status_code, answer.get_json()["type"]) == (403, "/problems/stranger")
    assert answer.get_json()["remedy"]
    assert not laboratory.log_path.exists()


@pytest.mark.parametrize("name", ["evil.example", "localhost.evil.example", "evil.example:8000", "127.0.0.1.evil.test"])
def test_a_name_that_is_not_the_server_s_is_refused(client: FlaskClient, laboratory: Laboratory, name: str) -> None:
    answer = client.get("/api?R=1", headers={"Host": name})
    assert answer.status_code == 403
    assert "[serve] names" in answer.get_json()["remedy"]
    assert not laboratory.log_path.exists()


@pytest.mark.parametrize(
    "name",
    ["127.0.0.1:8000", "192.168.1.7", "[::1]:8000", "[fe80::1]", "LOCALHOST:80", "localhost.", "light.localhost:8000"],
)
def test_addresses_and_its_own_names_are_answered(client: FlaskClient, name: str) -> None:
    for host in (name, socket.gethostname(), f"{socket.gethostname().split('.')[0]}.local:8000"):
        origin = {"Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
        assert client.get("/v1/jobs", headers={"Host": host} | origin).status_code == 200
        assert client.get("/v1/jobs", headers={"Host": host, "Sec-Fetch-Site": "none"}).status_code == 200


def test_further_names_are_the_configuration_s(tmp_path: Path, jobs: Jobs) -> None:
    config = Config(state=tmp_path, serve=Serve(host="pi.lab.example", names=("light.example.edu",)))
    with Laboratory(config) as lab:
        client = create_app(lab, jobs).test_client()
        for name in ("light.example.edu:8000", "pi.lab.example"):
            assert client.get("/v1/jobs", headers={"Host": name}).status_code == 200
        assert client.get("/v1/jobs", headers={"Host": "example.edu"}).status_code == 403


NAMES = st.text(st.sampled_from("./\\%\0~:;ab0 é"), max_size=12) | st.sampled_from(
    ["../../rgb.jsonl", "..%2f..%2fetc%2fpasswd", "/etc/passwd", "linear/../..", "NUL", "~root", "gmm\0", "\udcff"]
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=NAMES, device=NAMES)
def test_nothing_in_a_request_becomes_a_file_s_name(
    client: FlaskClient, laboratory: Laboratory, tmp_path: Path, name: str, device: str
) -> None:
    before = sorted(tmp_path.rglob("*"))
    named = name.encode(errors="surrogateescape").decode("latin-1")
    query = {"device": device.encode(errors="surrogateescape").decode("latin-1"), "anyway": "true"}
    answers = [
        client.get(f"/v1/jobs/{named}"),
        client.delete(f"/v1/jobs/{named}"),
        client.put(f"/v1/models/{named}", data=b"PK", content_type="application/zip", query_string=query),
        client.post("/v1/predict", json={"inputs": {"R": 0, "G": 0, "B": 0}, "model": named}),
        client.post("/v1/fit", json={"models": [named]}),
        client.get("/v1/log", query_string={"path": named, "since": named}),
    ]
    for answer in answers:
        assert answer.status_code < 500, answer.data
    assert sorted(tmp_path.rglob("*")) == before
