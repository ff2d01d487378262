"""Many targets at once, on the command line and over HTTP: the answers of one by one, and whole refusals."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from flask.testing import FlaskClient

from retrolux.server.http import LARGEST_BODY, create_app
from retrolux.server.jobs import Jobs
from retrolux.server.laboratory import Laboratory
from tests.server.conftest import TARGET

NAMES = ["630nm", "445nm", "515nm"]
ROWS = [[16384.0, 16384.0, 16384.0], [9000.0, 12000.0, 30000.0], [3000.0, 60000.0, 1000.0]]
LINEAR = ("--model", "linear", "--json", "--net")  # of the light alone: the ambient light of now moves on meanwhile
TABLE = "630nm;445nm;515nm\n# remark\n16384;16384;16384\n9000;12000;30000,0\n3000;60000;1000\n"


@pytest.fixture
def client(fitted: Laboratory, jobs: Jobs) -> FlaskClient:
    return create_app(fitted, jobs).test_client()


class TestOverHttp:
    @pytest.mark.parametrize("model", ["linear", "pls", "gmm"])
    def test_they_are_those_of_one_by_one(self, client: FlaskClient, model: str) -> None:
        many = client.post("/v1/invert/many", json={"names": NAMES, "targets": ROWS, "model": model}).get_json()
        assert many["names"] == ["445nm", "515nm", "630nm"]
        for i, row in enumerate(ROWS):
            asked = {"target": dict(zip(NAMES, row, strict=True)), "model": model}
            one = client.post("/v1/invert", json=asked).get_json()
            assert many["inputs"][i] == pytest.approx(list(one["inputs"].values()), abs=1e-9)
            assert np.array(many["interval90"][i]) == pytest.approx(
                np.array(list(one["interval90"].values())), abs=1e-9
            )
            assert many["predicted"][i] == pytest.approx(list(one["predicted"].values()), rel=1e-9)
            assert (many["feasible"][i], many["in_domain"][i]) == (one["feasible"], one["in_domain"])
            assert many["score"][i] == pytest.approx(one["attainable"]["score"], rel=1e-9)
        assert many["feasible"] == [True, True, False]

    def test_ten_thousand_fit_in_a_request(self, client: FlaskClient) -> None:
        rows = np.random.default_rng(0).uniform(2000, 20000, (10_000, 3)).round(1).tolist()
        asked = {"names": NAMES, "targets": rows, "model": "linear", "net": True}
        assert len(json.dumps(asked)) < LARGEST_BODY
        answer = client.post("/v1/invert/many", json=asked).get_json()
        assert len(answer["inputs"]) == len(answer["feasible"]) == len(answer["several"]) == 10_000

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"targets": [*ROWS, [1.0, 2.0]]}, "row 4 has 2 numbers"),
            ({"targets": [*ROWS, [1.0, 2.0, 1e12]]}, "Target 4: 515nm is 1e+12"),
            ({"targets": [*ROWS, [1.0, 2.0, "3"]]}, "targets.3.2"),
            ({"targets": []}, "targets"),
            ({"names": ["630nm", "630nm", "515nm"]}, "columns are"),
            ({"names": ["630nm", "R", "515nm"]}, "no column 'R'"),
            ({"names": []}, "names"),
            ({"model": "best"}, "model"),
        ],
    )
    def test_a_bad_row_refuses_the_whole(self, client: FlaskClient, change: dict[str, object], words: str) -> None:
        answer = client.post("/v1/invert/many", json={"names": NAMES, "targets": ROWS, "model": "linear"} | change)
        assert answer.status_code in {400, 404, 422}
        assert answer.content_type == "application/problem+json"
        assert words in answer.get_json()["detail"]
        assert answer.get_json()["remedy"]


class TestOnTheCommandLine:
    def test_a_table_answers_a_table(self, cli, readings: Path, home: Path) -> None:
        (home / "t.csv").write_text(TABLE, encoding="utf-8")
        told = cli("invert", "--targets", "t.csv", "--data", readings, "--model", "linear", "--net")
        assert told.code == 0
        rows = list(csv.DictReader(told.out.splitlines()))
        assert [float(row["target_630nm"]) for row in rows] == [row[0] for row in ROWS]
        one = cli("invert", *(f"{c}={v}" for c, v in TARGET.items()), "--data", readings, *LINEAR)
        for name, value in one.json["inputs"].items():
            assert float(rows[0][name]) == pytest.approx(value, abs=1e-8)
            assert float(rows[0][f"low_{name}"]) == pytest.approx(one.json["interval90"][name][0], abs=1e-8)
        assert [row["feasible"] for row in rows] == ["true", "true", "false"]

    def test_json_lines_answer_json_lines(self, cli, readings: Path, home: Path) -> None:
        lines = [json.dumps(dict(zip(NAMES, row, strict=True))) for row in ROWS]
        (home / "t.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        told = cli("invert", "--targets", "t.jsonl", "--data", readings, "--model", "gmm", "--json", "--net")
        every = [json.loads(line) for line in told.out.splitlines()]
        one = cli(
            "invert", *(f"{c}={v}" for c, v in TARGET.items()), "--data", readings, "--model", "gmm", "--json", "--net"
        ).json
        assert len(every) == 3
        for key in ("target", "inputs", "std", "predicted"):
            assert every[0][key] == pytest.approx(one[key], rel=1e-9)
        assert every[0]["interval90"].keys() == one["interval90"].keys()

    def test_a_table_instruments_targets_go_the_same_way(self, cli, home: Path) -> None:
        cli("example", "-o", "formulation.csv")
        learnt = ["--data", "formulation.csv", "--inputs", "surfactant,salt,polymer,glycerol,acid"]
        (home / "t.csv").write_text("viscosity,pH,turbidity\n250,6.5,20\n300,5.5,15\n", encoding="utf-8")
        told = cli("invert", "--targets", "t.csv", *learnt, "--model", "linear")
        rows = list(csv.DictReader(told.out.splitlines()))
        assert len(rows) == 2
        assert float(rows[0]["salt"]) >= 0

    def test_a_logs_readings_are_targets_at_the_reference_exposure(self, cli, readings: Path, home: Path) -> None:
        """Half the gain gives half the counts, and the same inputs."""
        record = json.loads(readings.read_text(encoding="utf-8").splitlines()[5])
        found = []
        for gain, part in ((128, 1.0), (64, 0.5)):
            counts = {channel: part * value for channel, value in record["out"].items()}
            (home / "t.jsonl").write_text(json.dumps(record | {"out": counts, "gain": gain}) + "\n", encoding="utf-8")
            told = cli("invert", "--targets", "t.jsonl", "--data", readings, "--model", "linear", "--net")
            (row,) = csv.DictReader(told.out.splitlines())
            found.append([float(row[name]) for name in "RGB"])
        assert found[0] == pytest.approx(found[1], abs=1e-6)
        assert found[0] == pytest.approx(record["in"], abs=0.1)  # with the ambient light in it

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("445nm,515nm\n16384,\n", "line 2"),
            ("445nm,515nm\n16384,16384\n16384,>9\n", "line 3"),
            ("445nm,515nm\n16384,many\n", "line 2: 515nm is 'many'"),
            ("445nm,515nm\n16384\n", "line 2 has 1 cells"),
            ('{"445nm": 1}\n{"445nm": 1, "515nm": 2}\n', "line 2"),
            ("445nm\n", "no rows"),
            ("445nm,lux\n1,2\n", "no column 'lux'"),
        ],
    )
    def test_a_bad_row_refuses_the_whole(self, cli, readings: Path, home: Path, text: str, words: str) -> None:
        (home / "t.csv").write_text(text, encoding="utf-8")
        told = cli("invert", "--targets", "t.csv", "--data", readings, "--model", "linear")
        assert told.code in {1, 2}
        assert told.out == ""
        assert words in told.err

    def test_what_a_table_has_no_answer_to_is_refused(self, cli, readings: Path, home: Path) -> None:
        (home / "t.csv").write_text(TABLE, encoding="utf-8")
        for more in (["445nm=1"], ["--verify"], ["--sensitivity"], ["--model", "all"], ["--path", "0.1,0.2,0.3"]):
            told = cli("invert", "--targets", "t.csv", "--data", readings, *more)
            assert told.code == 2
            assert "--targets" in told.err
