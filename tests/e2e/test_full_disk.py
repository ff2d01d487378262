"""A card that is full, or read-only: a real file system of 400 KB, mounted for the test."""

import contextlib
import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from retrolux.device.designs import design
from retrolux.device.log import read_records
from retrolux.device.sim.pwm import PwmPin
from retrolux.server.config import Config, Log
from retrolux.server.http import create_app
from retrolux.server.jobs import Jobs
from retrolux.server.laboratory import Laboratory
from tests.e2e.conftest import COMMAND, Start

SETTING = {"inputs": {"R": 0.5, "G": 0.25, "B": 0.125}}
ROTATED = 8000  # bytes


def mount(*arguments: object) -> None:
    done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no file system can be mounted: {done.stderr.strip()}")


@pytest.fixture
def card(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of its own."""
    folder = tmp_path / "card"
    folder.mkdir()
    mount("-t", "tmpfs", "-o", "size=400k", "tmpfs", folder)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(card: Path, leaving: int = 0) -> Path:
    """Take all the space but so many pages."""
    filler = card / "filler"
    with filler.open("ab", buffering=0) as file:
        with contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                pass
        file.truncate(file.tell() // 4096 * 4096 - 4096 * leaving)
    return filler


@pytest.fixture
def lab(card: Path) -> Iterator[Laboratory]:
    with Laboratory(Config(state=card / "state", log=Log(rotate_bytes=ROTATED))) as lab:
        yield lab


@pytest.fixture
def jobs(lab: Laboratory) -> Iterator[Jobs]:
    jobs = Jobs(lab.journal)
    yield jobs
    jobs.close()


@pytest.fixture
def client(lab: Laboratory, jobs: Jobs) -> FlaskClient:
    return create_app(lab, jobs).test_client()


def pins(lab: Laboratory) -> list[PwmPin]:
    return lab.instrument._light._outputs


def refused(answer: Any, words: str) -> None:
    assert answer.status_code == 507
    document = answer.get_json()
    assert words in document["detail"]
    assert document["remedy"]


def not_ready(answer: Any, words: str) -> None:
    assert answer.status_code == 503
    document = answer.get_json()
    assert document["type"] == "/problems/not-ready"
    assert words in document["detail"]
    assert {c["name"]: c["state"] for c in document["checks"]}["disk"] == "bad"


def test_readings_until_the_card_is_full(lab: Laboratory, client: FlaskClient, card: Path) -> None:
    """Each is acknowledged and on the card, or refused; its index cannot be kept, and nothing waits for that."""
    told, status = [], 200
    filler = fill(card, leaving=6)
    while status == 200:
        answer = client.post("/v1/measure", json=SETTING)
        status = answer.status_code
        told += [answer.get_json()["id"]] if status == 200 else []
        assert client.get("/v1/log?limit=1").get_json()["total"] == len(told)
    assert len(told) > 10
    refused(answer, "No space left")
    assert [r["id"] for r in read_records(lab.log_path)] == told
    moves = [len(pin.history) for pin in pins(lab)]
    refused(client.get("/api?R=1"), "No space left")
    not_ready(client.get("/readyz"), "No space left")
    assert [len(pin.history) for pin in pins(lab)] == moves  # refused before the light moves
    assert [pin.duty_cycle for pin in pins(lab)] == [0, 0, 0]
    assert [r["id"] for r in client.get("/v1/log?limit=10000").get_json()["readings"]] == told
    assert client.get("/v1/models").status_code == 200
    assert client.get("/healthz").status_code == 200
    filler.unlink()
    assert client.get("/readyz").status_code == 200
    assert client.post("/v1/measure", json=SETTING).status_code == 200
    assert [r["id"] for r in read_records(lab.log_path)][:-1] == told


def test_a_job_is_refused_where_the_journal_cannot_say_so(lab: Laboratory, client: FlaskClient, card: Path) -> None:
    for point in design("lhs", 12, 7):
        lab.measure(point)
    filler = fill(card)
    refused(client.post("/v1/fit", json={"models": ["linear"]}), "journal.jsonl cannot be written: No space left")
    assert list(lab.journal.events()) == []
    filler.unlink()
    assert client.post("/v1/fit", json={"models": ["linear"]}).status_code == 202


def test_a_model_that_cannot_be_saved_leaves_the_one_before(
    lab: Laboratory, client: FlaskClient, jobs: Jobs, card: Path
) -> None:
    for point in design("lhs", 12, 7):
        lab.measure(point)

    def fitted() -> dict[str, Any]:
        job = client.post("/v1/fit", json={"models": ["linear"]}).get_json()["id"]
        jobs.wait()
        return client.get(f"/v1/jobs/{job}").get_json()

    assert fitted()["state"] == "finished"
    before = sorted(path.name for path in lab.store.folder.rglob("*"))
    lab.measure((0.1, 0.2, 0.3))
    filler = fill(card, leaving=1)
    failed = fitted()
    assert (failed["state"], failed["problem"]["status"]) == ("failed", 507)
    assert failed["problem"]["type"] == "/problems/model-unwritable"
    assert "No space left" in failed["problem"]["detail"]
    assert sorted(path.name for path in lab.store.folder.rglob("*")) == before  # no draft is left
    assert lab.store.entries()[0]["n_rows"] == 12
    filler.unlink()
    assert fitted()["result"]["n_rows"] == 13


def test_a_card_that_is_read_only(card: Path) -> None:
    config = Config(state=card / "state")
    with Laboratory(config) as lab:
        lab.measure((0.1, 0.2, 0.3))
    mount("-o", "remount,ro", card)
    with Laboratory(config) as lab:
        jobs = Jobs(lab.journal)
        client = create_app(lab, jobs).test_client()
        refused(answer := client.post("/v1/measure", json=SETTING), "Read-only file system")
        not_ready(asked_too := client.get("/readyz"), "Read-only file system")
        for each in (answer, asked_too):
            assert "`dmesg`" in each.get_json()["remedy"]
        refused(client.post("/v1/fit", json={"models": ["linear"]}), "Read-only")
        assert client.get("/v1/log").get_json()["total"] == 1
        mount("-o", "remount,rw", card)
        assert client.post("/v1/measure", json=SETTING).status_code == 200
        jobs.close()


def test_a_server_starts_on_a_full_card_answers_and_measures_when_there_is_space(
    card: Path, start: Start, tmp_path: Path
) -> None:
    config = Config(state=card / "state")
    with Laboratory(config) as lab:
        lab.measure((0.1, 0.2, 0.3))
    filler = fill(card)
    (tmp_path / "retrolux.toml").write_text(f"state = '{config.state}'\n")
    _, url = start()
    assert asked(f"{url}/v1/log")["total"] == 1
    assert asked(f"{url}/healthz")["status"] == "ok"
    assert asked(f"{url}/readyz")["status"] == 503
    assert asked(f"{url}/api?R=0.5")["status"] == 507
    filler.unlink()
    assert asked(f"{url}/api?R=0.5")["in"] == [0.5, 0, 0]
    assert asked(f"{url}/v1/log")["total"] == 2


def asked(url: str) -> Any:
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return json.load(error)


def test_a_collection_goes_on_when_there_is_space_again(
    card: Path, tmp_path: Path, command: Callable[..., Any]
) -> None:
    (tmp_path / "retrolux.toml").write_text(f"state = '{card}'\n[log]\nrotate_bytes = {ROTATED}\n")
    fill(card, leaving=8)
    stopped = command("collect", "-n", "60")
    assert (stopped.returncode, "No space left" in stopped.stderr) == (1, True)
    made = len(read_records(card / "rgb.jsonl"))
    assert 5 < made < 60
    (card / "filler").unlink()
    done = json.loads(command("collect", "--resume", "--json").stdout)
    assert (done["readings"], done["resumed"]) == (60, made)
    assert [r["i"] for r in read_records(card / "rgb.jsonl")] == list(range(60))


@pytest.fixture
def command(tmp_path: Path, environment: dict[str, str]) -> Callable[..., Any]:
    def run(*arguments: str) -> Any:
        return subprocess.run(
            [COMMAND, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    return run
