"""Sensitivity, paths and several answers on the command line and over HTTP."""

from collections.abc import Callable
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from retrolux.server.http import create_app
from retrolux.server.jobs import Jobs
from retrolux.server.laboratory import Laboratory
from tests.server.conftest import TARGET, Outcome

Cli = Callable[..., Outcome]
ASKED = [f"{channel}={counts:.0f}" for channel, counts in TARGET.items()]
START = {"R": 0.2, "G": 0.3, "B": 0.7}


@pytest.fixture
def client(fitted: Laboratory, jobs: Jobs) -> FlaskClient:
    return create_app(fitted, jobs).test_client()


class TestCommandLine:
    def test_a_path_is_a_table_that_fits_the_terminal_and_says_how_it_ended(self, cli: Cli, readings: Path) -> None:
        done = cli("invert", *ASKED, "--data", readings, "--model", "linear", "--path", "0.2,0.3,0.7", "--sensitivity")
        assert done.code == 0
        assert "path to the target by linear" in done.out
        assert "0 %   0.2000   0.3000   0.7000" in done.out
        assert "100 %" in done.out
        assert "move of the inputs for 1000 counts more" in done.out
        assert "The path arrives at the target." in done.err
        assert max(len(line) for line in (done.out + done.err).splitlines()) <= 80

    def test_a_path_that_ends_early_is_no_failure_and_says_why(self, cli: Cli, readings: Path) -> None:
        done = cli("invert", "630nm=60000", "--data", readings, "--model", "linear", "--path", "0.2,0.3,0.7")
        assert done.code == 0
        assert "R reaches 1, and goes no further" in " ".join(done.err.split())

    def test_json_has_path_and_sensitivity_in_one_document(self, cli: Cli, readings: Path) -> None:
        asked = ["invert", *ASKED, "--data", readings, "--model", "gmm", "--json"]
        answer = cli(*asked, "--path", "0.2,0.3,0.7", "--sensitivity").json
        assert answer["path"]["complete"]
        assert answer["path"]["path"][0]["inputs"] == START
        assert answer["path"]["inputs"]["R"] == pytest.approx(answer["inputs"]["R"], abs=0.01)
        moves = answer["sensitivity"]["per_1000_counts"]
        assert moves["445nm"]["B"] == pytest.approx(1000 / 30177, rel=0.2)
        assert not {"path", "sensitivity"} & set(cli(*asked).json)

    def test_what_the_start_gave_moves_the_end(self, cli: Cli, readings: Path) -> None:
        asked = ["invert", "445nm=16384", "--data", readings, "--model", "linear", "--json", "--path", "0.2,0.3,0.5"]
        plain, lit = cli(*asked).json["path"], cli(*asked, "--known", "445nm=16384").json["path"]
        assert lit["inputs"] == pytest.approx({"R": 0.2, "G": 0.3, "B": 0.5})
        assert plain["inputs"] != pytest.approx(lit["inputs"])

    def test_several_answers_are_a_table(self, cli: Cli, readings: Path) -> None:
        done = cli("invert", "445nm=16384", "--data", readings, "--model", "linear")
        assert "answers by linear" in done.out
        assert "weight" in done.out
        assert "answers that lie apart" in done.err

    def test_ten_channels_leave_the_tables_eighty_columns_wide(self, cli: Cli, readings: Path) -> None:
        predicted = cli("predict", "0.4", "0.4", "0.4", "--data", readings, "--model", "linear", "--json").json
        every = [f"{channel}={counts:.0f}" for channel, counts in predicted["predicted"].items()]
        more = ["--model", "linear", "--sensitivity", "--path", "0.2,0.3,0.7"]
        done = cli("invert", *every, "--data", readings, *more)
        assert max(len(line) for line in done.out.splitlines()) <= 80
        assert "100 %   0.4" in done.out
        assert "…" not in done.out

    @pytest.mark.parametrize(
        ("more", "words"),
        [
            (["--path", "0.2,0.3"], "has 2 inputs"),
            (["--path", "0.2,0.3,two"], "no finite number"),
            (["--path", "0.2,0.3,1.2"], "outside 0 to 1"),
            (["--known", "445nm=5"], "Give --path"),
            (["--path", "0.2,0.3,0.7", "--net"], "Leave --net out"),
            (["--path", "0.2,0.3,0.7", "--known", "999nm=5"], "no column '999nm'"),
        ],
    )
    def test_what_is_no_path_is_refused(self, cli: Cli, readings: Path, more: list[str], words: str) -> None:
        done = cli("invert", *ASKED, "--data", readings, "--model", "linear", *more)
        assert done.code == 2
        assert words in " ".join(done.err.split())


class TestHttp:
    @pytest.mark.parametrize("model", ["linear", "pls", "gmm"])
    def test_sensitivity_and_path_come_when_asked_for(self, client: FlaskClient, model: str) -> None:
        asked = {"target": TARGET, "model": model, "sensitivity": True, "path": {"inputs": START}}
        answer = client.post("/v1/invert", json=asked).get_json()
        assert answer["path"]["complete"]
        assert answer["path"]["stopped"] is None
        assert set(answer["sensitivity"]["per_1000_counts"]) == set(TARGET)
        assert answer["sensitivity"]["of"] == "the method's own answer"

    def test_sensitivity_of_the_light_alone(self, client: FlaskClient) -> None:
        answer = client.post("/v1/invert", json={"target": TARGET, "model": "gmm", "net": True, "sensitivity": True})
        assert answer.get_json()["sensitivity"]["per_1000_counts"]["445nm"]["B"] == pytest.approx(1 / 30, rel=0.3)

    @pytest.mark.parametrize(
        "path", [{}, {"inputs": {"R": 0.5}}, {"inputs": START | {"R": 2}}, {"inputs": START, "outputs": {"x": 1}}, 5]
    )
    def test_what_is_no_pair_is_refused(self, client: FlaskClient, path: object) -> None:
        asked = {"target": TARGET, "model": "linear", "path": path}
        assert client.post("/v1/invert", json=asked).status_code in {400, 422}

    def test_a_path_of_the_light_alone_is_refused(self, client: FlaskClient) -> None:
        asked = {"target": TARGET, "model": "linear", "path": {"inputs": START}, "net": True}
        refused = client.post("/v1/invert", json=asked)
        assert refused.status_code == 422
        assert "ambient light" in refused.get_json()["detail"]

    def test_weights_of_all_answers_are_one(self, client: FlaskClient) -> None:
        answer = client.post("/v1/invert", json={"target": {"445nm": 16384}, "model": "linear"}).get_json()
        assert len(answer["solutions"]) >= 2
        assert answer["weight"] + sum(one["weight"] for one in answer["solutions"]) == pytest.approx(1)
