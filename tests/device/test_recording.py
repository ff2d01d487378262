"""The recorder: what was acknowledged is on disk, and what is not on disk was not acknowledged."""

import errno
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from retrolux.device import jsonl
from retrolux.device.errors import BadInput, InstrumentClosed, LogUnwritable, SensorMissing, UnknownChannel
from retrolux.device.log import MeasurementLog, read_records
from retrolux.device.recording import Recorder
from retrolux.device.settings import InstrumentSettings
from retrolux.device.sim import Parts, open_sim

SETTING = (0.2, 0.3, 0.4)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rgb.jsonl"


@pytest.fixture
def recorder(parts: Parts, path: Path) -> Iterator[Recorder]:
    made = Recorder(open_sim(0, InstrumentSettings(), parts), MeasurementLog(path))
    yield made
    made.close()


def duties(parts: Parts) -> list[int]:
    return [pin.duty_cycle for pin in parts.pins]


def test_a_reading_is_on_disk_before_it_is_acknowledged(
    recorder: Recorder, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    real = os.fdatasync

    def spy(file: int) -> None:
        real(file)
        synced.append(os.fstat(file).st_size)

    monkeypatch.setattr(jsonl.os, "fdatasync", spy)
    for n in range(1, 4):
        reading = recorder.measure(SETTING)
        assert read_records(path)[-1] == json.loads(json.dumps(reading.to_record()))
        assert len(synced) == n
        assert synced[-1] == path.stat().st_size


def test_further_keys_are_kept(recorder: Recorder, path: Path) -> None:
    recorder.measure(SETTING, ["nir"], run="01JDC", origin="test")
    (record,) = read_records(path)
    assert (record["run"], record["origin"], list(record["out"])) == ("01JDC", "test", ["nir"])


@pytest.mark.parametrize("call", ["write", "fdatasync"])
def test_a_failing_log_is_an_error_and_leaves_light_and_log_alone(
    recorder: Recorder, parts: Parts, path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    recorder.measure(SETTING)
    before = path.read_bytes()

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(jsonl.os, call, full)
    with pytest.raises(LogUnwritable, match="No space left"):
        recorder.measure(SETTING)
    assert duties(parts) == [0, 0, 0]
    assert path.read_bytes() == before


@pytest.mark.parametrize("how", ["closed", "deleted"])
def test_without_a_log_nothing_moves(recorder: Recorder, parts: Parts, path: Path, how: str) -> None:
    moves = [len(pin.history) for pin in parts.pins]
    if how == "closed":
        recorder.log.close()
    else:
        path.unlink()
    expected = InstrumentClosed if how == "closed" else LogUnwritable
    with pytest.raises(expected):
        recorder.measure(SETTING)
    with pytest.raises(expected):
        recorder.check()
    assert [len(pin.history) for pin in parts.pins] == moves


def test_what_is_refused_or_fails_is_not_logged(recorder: Recorder, parts: Parts, path: Path) -> None:
    recorder.check()
    with pytest.raises(BadInput):
        recorder.measure((2, 0, 0))
    with pytest.raises(UnknownChannel):
        recorder.measure(SETTING, ["x"])
    parts.bus.present = False
    with pytest.raises(SensorMissing):
        recorder.measure(SETTING)
    assert path.read_bytes() == b""
    assert duties(parts) == [0, 0, 0]


def test_lines_are_in_the_order_of_the_readings(recorder: Recorder, path: Path) -> None:
    settings = [(i / 64, 0.0, 0.0) for i in range(64)]
    with ThreadPoolExecutor(8) as pool:
        readings = list(pool.map(recorder.measure, settings))
    records = read_records(path)
    assert sorted(r["id"] for r in records) == sorted(r.id for r in readings)
    assert [r["time"] for r in records] == sorted(r["time"] for r in records)


def test_closing_closes_both_and_may_be_repeated(recorder: Recorder) -> None:
    recorder.close()
    recorder.close()
    with pytest.raises(InstrumentClosed):
        recorder.instrument.measure(SETTING)
    with pytest.raises(InstrumentClosed):
        recorder.log.check()
