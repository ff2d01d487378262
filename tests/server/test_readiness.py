"""Alive is one thing, able to make a reading and keep it another."""

import shutil
import threading
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from retrolux.device.errors import LogUnwritable, SensorMissing
from retrolux.device.findings import Finding, State
from retrolux.server import readiness
from retrolux.server.config import Config
from retrolux.server.errors import NotReady
from retrolux.server.laboratory import Laboratory
from retrolux.server.readiness import TOO_LONG, Readiness
from retrolux.server.station import Station

NOW = 1_763_870_458.0


class Place:
    """A station that is as it is told."""

    def __init__(self, folder: Path) -> None:
        self.log_path = folder / "rgb.jsonl"
        self.sensor: bool | Exception = True
        self.log: Exception | None = None
        self.set: bool | None = True
        self.elsewhere = False
        self.free = threading.Event()
        self.free.set()

    def answers(self, seconds: float) -> bool:
        assert self.free.wait(60)
        if isinstance(self.sensor, Exception):
            raise self.sensor
        return self.sensor

    def check_log(self) -> None:
        if self.log is not None:
            raise self.log

    def synchronised(self) -> bool | None:
        return self.set


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.free.set()
    for thread in threading.enumerate():
        if thread.name == "readiness":
            thread.join()


class Time:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def ready(place: Place, monkeypatch: pytest.MonkeyPatch) -> Readiness:
    usage = namedtuple("usage", "total used free")  # as shutil has it
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(32e9, 0, 9e9))
    return Readiness(place, Time(), lambda: NOW)


def states(found: tuple[Finding, ...]) -> dict[str, str]:
    return {f.name: f.state.value for f in found}


def test_all_is_well(ready: Readiness) -> None:
    assert states(ready.check()) == {"sensor": "good", "disk": "good", "clock": "good"}


def test_a_sensor_that_is_missing_and_back(ready: Readiness, place: Place) -> None:
    place.sensor = SensorMissing("No sensor answers.", "Check the wiring.")
    with pytest.raises(NotReady, match="No sensor answers") as refused:
        ready.check()
    assert refused.value.remedy == "Check the wiring."
    assert states(refused.value.findings) == {"sensor": "bad", "disk": "good", "clock": "good"}
    place.sensor = False  # somebody has it, without a sign of life: what was known last
    with pytest.raises(NotReady):
        ready.check()
    place.sensor = True
    ready.check()
    place.sensor = False
    ready.check()


def test_a_log_that_cannot_be_written(ready: Readiness, place: Place) -> None:
    place.log = LogUnwritable("rgb.jsonl cannot be written: No space left.", "Free space.")
    with pytest.raises(NotReady, match="No space left"):
        ready.check()


@pytest.mark.parametrize("free", [1e5, 1e8])
def test_a_disk_that_is_nearly_full_is_only_odd(ready: Readiness, free: float, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")  # as shutil has it
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(32e9, 0, free))
    assert states(ready.check())["disk"] == "odd"


def test_a_clock_that_is_not_synchronised_is_odd_and_one_that_is_not_set_bad(ready: Readiness, place: Place) -> None:
    place.set = False
    found = ready.check()
    assert states(found)["clock"] == "odd"
    assert "not synchronised" in found[2].seen
    assert "timedatectl" in found[2].remedy
    place.set = None
    assert states(ready.check())["clock"] == "good"
    unset = Readiness(place, Time(), lambda: 1000.0)
    with pytest.raises(NotReady, match="1000 seconds since 1970"):
        unset.check()


def test_what_hangs_keeps_nobody_waiting_and_is_a_finding_in_the_end(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "PATIENCE", 0.01)
    clock = Time()
    ready = Readiness(place, clock, lambda: NOW)
    place.free.clear()
    assert states(ready.check()) == {"sensor": "skipped", "disk": "skipped", "clock": "skipped"}
    looks = [thread for thread in threading.enumerate() if thread.name == "readiness"]
    ready.check()
    assert [thread for thread in threading.enumerate() if thread.name == "readiness"] == looks  # no second one
    assert len(looks) == 1
    clock.seconds = TOO_LONG
    with pytest.raises(NotReady, match="no sign of life for 20 s"):
        ready.check()
    place.free.set()
    looks[0].join()
    monkeypatch.setattr(readiness, "PATIENCE", 60)
    assert states(ready.check())["sensor"] == "good"


def test_what_was_not_foreseen_is_bad(ready: Readiness, place: Place, caplog: pytest.LogCaptureFixture) -> None:
    place.sensor = RuntimeError("what?")
    assert ready.findings()[0].state is State.BAD
    assert "RuntimeError: what?" in caplog.text


def test_another_machine_s_sensor_is_not_said_to_answer(ready: Readiness, place: Place, tmp_path: Path) -> None:
    place.elsewhere = True
    assert states(ready.check())["sensor"] == "skipped"
    assert Station(Config(state=tmp_path, device="http://host:8000")).elsewhere
    assert not Station(Config(state=tmp_path, device="sim")).elsewhere


class TestOverHttp:
    def test_alive_needs_no_instrument_and_opens_none(self, client: FlaskClient, laboratory: Laboratory) -> None:
        assert client.get("/healthz").get_json() == {"status": "ok"}
        assert laboratory.opened is None

    def test_alive_while_the_instrument_and_its_opening_are_taken(
        self, client: FlaskClient, laboratory: Laboratory
    ) -> None:
        with laboratory.recorder._one_at_a_time, laboratory._opening:
            assert client.get("/healthz").status_code == 200

    def test_ready(self, client: FlaskClient) -> None:
        answer = client.get("/readyz")
        assert answer.status_code == 200
        document = answer.get_json()
        assert document["status"] == "ready"
        assert [c["name"] for c in document["checks"]] == ["sensor", "disk", "clock"]

    def test_not_ready_is_a_problem_with_all_checks(
        self, client: FlaskClient, laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def missing() -> None:
            raise SensorMissing("No sensor answers at 0x39.", "Check the wiring.")

        monkeypatch.setattr(laboratory.instrument, "_do_answer", missing)
        answer = client.get("/readyz")
        assert (answer.status_code, answer.content_type) == (503, "application/problem+json")
        document = answer.get_json()
        assert document["type"] == "/problems/not-ready"
        assert (document["detail"], document["remedy"]) == ("No sensor answers at 0x39.", "Check the wiring.")
        assert document["checks"][0]["state"] == "bad"
        assert client.get("/healthz").status_code == 200

    def test_a_reading_under_way_is_no_reason_to_be_unready(self, client: FlaskClient, laboratory: Laboratory) -> None:
        recorder = laboratory.recorder
        recorder.instrument.heartbeat.beat(1000)  # a step that may take so long
        with recorder._one_at_a_time:
            assert client.get("/readyz").status_code == 200

    def test_status_has_the_machine_and_how_many_readings_were_not_dated_for_sure(
        self, client: FlaskClient, laboratory: Laboratory
    ) -> None:
        laboratory.measure((0, 0, 0))
        laboratory.instrument._clock.right = False
        laboratory.measure((0, 0, 0))
        document = client.get("/v1/status").get_json()
        assert document["log"]["unsynchronised"] == 1
        assert document["machine"]["synchronised"] is False
        assert document["machine"].keys() == {
            "temperature",
            "undervoltage",
            "undervoltage_since_boot",
            "synchronised",
        }
        assert client.get("/readyz").get_json()["checks"][2]["state"] == "odd"
        assert [r.get("clock") for r in client.get("/v1/log").get_json()["readings"]] == [None, "unsynchronised"]
