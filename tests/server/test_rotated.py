"""A log in several files, from the configuration to all that reads it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from flask.testing import FlaskClient

from retrolux.device import log_queries
from retrolux.device.designs import design
from retrolux.device.log import each_record, read_records
from retrolux.device.series import BESIDE, Rotation, closed_files
from retrolux.models.dataset import Dataset
from retrolux.server import columns
from retrolux.server.collect import Plan, collect, done_readings
from retrolux.server.config import Config, Log, load_config
from retrolux.server.errors import BadConfiguration, MixedDevices
from retrolux.server.http import create_app
from retrolux.server.jobs import Jobs
from retrolux.server.laboratory import Laboratory
from retrolux.server.readings import load_dataset, refuse_mixing, to_dataset
from tests.server.conftest import TARGET, Outcome

Cli = Callable[..., Outcome]
SMALL = 4000  # bytes: some six readings


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Laboratory]:
    with Laboratory(Config(state=tmp_path / "lab", log=Log(rotate_bytes=SMALL))) as lab:
        yield lab


@pytest.fixture
def queue(lab: Laboratory) -> Iterator[Jobs]:
    jobs = Jobs(lab.journal)
    yield jobs
    jobs.close()


@pytest.fixture
def http(lab: Laboratory, queue: Jobs) -> FlaskClient:
    return create_app(lab, queue).test_client()


def measured(lab: Laboratory, n: int, seed: int = 7) -> None:
    for point in design("lhs", n, seed):
        lab.measure(point)


class TestConfiguration:
    @pytest.mark.parametrize(
        ("text", "name", "rotation"),
        [
            ("", "rgb.jsonl", Rotation(64 * 2**20)),
            ('log = "mine.jsonl"', "mine.jsonl", Rotation(64 * 2**20)),
            ('[log]\npath = "mine.jsonl"\nrotate_bytes = 0', "mine.jsonl", Rotation()),
            ('[log]\nrotate_bytes = 5000\nrotate_every = "day"', "rgb.jsonl", Rotation(5000, "day")),
        ],
    )
    def test_the_log_is_a_path_or_a_table(self, tmp_path: Path, text: str, name: str, rotation: Rotation) -> None:
        file = tmp_path / "retrolux.toml"
        file.write_text(f'state = "/s"\n{text}\n')
        config = load_config(file)
        assert config.log_path == Path("/s") / name
        assert config.log.rotation == rotation
        assert Config.model_validate(config.model_dump(mode="json")) == config  # as another process is told it

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ('rotate_every = "week"', "log.rotate_every: 'week' is not one of day, month."),
            ("rotate_bytes = -1", "log.rotate_bytes"),
            ("rotate = 5", "log.rotate: there is no such entry"),
        ],
    )
    def test_what_cannot_be_is_refused(self, tmp_path: Path, text: str, said: str) -> None:
        file = tmp_path / "retrolux.toml"
        file.write_text(f"[log]\n{text}\n")
        with pytest.raises(BadConfiguration, match=said):
            load_config(file)


def test_over_http_the_parts_are_one_log(lab: Laboratory, http: FlaskClient) -> None:
    measured(lab, 40)
    files = (*closed_files(lab.log_path), lab.log_path)
    every = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    assert len(files) > 5
    answer = http.get("/v1/log?limit=30").get_json()
    assert (answer["total"], answer["readings"]) == (40, every[-30:])
    since, until = every[3]["time"], every[25]["time"]
    answer = http.get(f"/v1/log?since={since!r}&until={until!r}").get_json()
    assert answer["readings"] == every[3:25]
    assert http.get("/v1/status").get_json()["log"]["bytes"] == sum(file.stat().st_size for file in files)


def test_a_fit_learns_from_all_of_them_and_the_model_from_what_comes_then(
    lab: Laboratory, http: FlaskClient, queue: Jobs
) -> None:
    measured(lab, 60)
    job = http.post("/v1/fit", json={"models": ["linear"]}).get_json()["id"]
    queue.wait()
    assert http.get(f"/v1/jobs/{job}").get_json()["result"]["n_rows"] == 60
    measured(lab, 30, seed=8)  # four files more
    assert http.post("/v1/invert", json={"target": TARGET, "model": "linear"}).get_json()["n_rows"] == 90


def test_the_ambient_light_is_that_of_the_latest_readings_in_whichever_file(lab: Laboratory) -> None:
    measured(lab, 40)
    (last, *_) = reversed(read_records(lab.log_path))
    assert last["ambient"]["by"] == "estimate"
    lab.close()
    with Laboratory(lab.config) as again:
        assert again.measure((0.5, 0.5, 0.5)).ambient is not None  # recalled


def test_the_command_line_takes_all_parts(cli: Cli, home: Path) -> None:
    (home / "retrolux.toml").write_text(f"state = '{home}'\n[log]\nrotate_bytes = {SMALL}\n")
    assert cli("collect", "-n", 40).code == 0
    assert len(closed_files(home / "rgb.jsonl")) >= 5
    assert cli("fit", "rgb.jsonl", "--model", "linear", "--json").json["n_rows"] == 40
    (first, *_) = closed_files(home / "rgb.jsonl")
    assert cli("fit", first, "--model", "linear", "--json").json["n_rows"] == len(first.read_text().splitlines())


def test_a_collection_goes_on_whatever_file_its_readings_are_in(lab: Laboratory) -> None:
    plan = Plan("lhs", 40, 0, "sim", str(lab.log_path))

    def stop(done: int, _total: int) -> None:
        if done in {11, 29}:
            raise KeyboardInterrupt

    for made in (11, 29):
        with pytest.raises(KeyboardInterrupt):
            collect(plan, lab.recorder, lab.journal, stop)
        assert len(read_records(lab.log_path)) == made
    done = collect(plan, lab.recorder, lab.journal, lambda *_: None)
    assert done.resumed == 29
    assert [r["i"] for r in read_records(lab.log_path)] == list(range(40))
    assert set(done_readings(lab.log_path, done.run)) == set(range(40))


def test_a_run_is_looked_for_in_no_file_that_was_closed_before_it(
    lab: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured(lab, 30)
    before = closed_files(lab.log_path)
    plan = Plan("lhs", 20, 0, "sim", str(lab.log_path))

    def stop(done: int, _total: int) -> None:
        if done == 14:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collect(plan, lab.recorder, lab.journal, stop)
    seen: list[Path] = []
    real = log_queries._parsed
    monkeypatch.setattr(log_queries, "_parsed", lambda place, *more: seen.append(place) or real(place, *more))
    for old in before:
        old.write_bytes(b"no record\n" * 9)  # whoever reads it fails
    assert collect(plan, lab.recorder, lab.journal, lambda *_: None).resumed == 14
    assert seen
    assert not set(seen) & set(before)


def test_another_instruments_readings_are_seen_in_a_closed_file(lab: Laboratory) -> None:
    measured(lab, 20)
    closed = closed_files(lab.log_path)[0]
    closed.write_text(closed.read_text().replace('"device": "sim"', '"device": "pi"', 1))
    with pytest.raises(MixedDevices, match="pi"):
        refuse_mixing(lab.log_path, "sim")


def test_columns_are_kept_beside_each_file(lab: Laboratory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "LEAST", 1)
    measured(lab, 40)
    path = lab.log_path
    expected, _ = to_dataset(each_record(path), source=str(path))
    parsed: list[Path] = []
    real = columns.objects
    for _ in range(2):
        data, device = load_dataset(path)
        assert (data.hash, device) == (expected.hash, "sim")
        np.testing.assert_array_equal(data.outputs, expected.outputs)
        monkeypatch.setattr(columns, "objects", lambda p, rows, n: parsed.append(p) or real(p, rows, n))
    assert parsed == []  # the second time all is kept, also of short files
    measured(lab, 20, seed=9)
    assert Dataset.from_records(each_record(path)).hash == load_dataset(path)[0].hash
    assert columns.SUFFIX in BESIDE
    assert set(parsed) <= {*closed_files(path)[-4:], path}
