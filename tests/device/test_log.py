"""The measurement log: the record's form, and what a reader accepts."""

import json
import string
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrolux.device.errors import LogUnreadable
from retrolux.device.log import MeasurementLog, read_records
from retrolux.device.measurement import CHANNELS, Exposure, Measurement

EXAMPLE = Measurement(
    inputs=(0.47, 0.23, 0.52),
    outputs={"445nm": 16391, "515nm": 16402},
    time=1763870458.21,
    device="sim",
    id="01JDC0000000000000000000AA",
    exposure=Exposure(),
    saturated=(),
    elapsed=0.561,
)
duties = st.floats(0, 1)
measurements = st.builds(
    Measurement,
    inputs=st.tuples(duties, duties, duties),
    outputs=st.dictionaries(st.sampled_from(CHANNELS), st.integers(0, 65535), min_size=1),
    time=st.floats(0, 4e9),
    device=st.sampled_from(["sim", "sim:3", "pi", "http://host (sim)"]),
    id=st.text(string.ascii_uppercase, min_size=26, max_size=26),
    exposure=st.none() | st.builds(Exposure, st.sampled_from([0.5, 64, 512]), st.integers(0, 255), st.integers(1, 999)),
    saturated=st.lists(st.sampled_from(CHANNELS), unique=True).map(tuple),
    elapsed=st.floats(0, 10),
)


def test_a_record_has_the_designs_form(tmp_path: Path) -> None:
    path = tmp_path / "rgb.jsonl"
    with MeasurementLog(path) as log:
        log.add(EXAMPLE)
    assert json.loads(path.read_text()) == {
        "in": [0.47, 0.23, 0.52],
        "out": {"445nm": 16391, "515nm": 16402},
        "time": 1763870458.21,
        "v": 1,
        "id": "01JDC0000000000000000000AA",
        "device": "sim",
        "gain": 128,
        "atime": 100,
        "astep": 999,
        "saturated": [],
        "elapsed": 0.561,
    }


def test_an_unknown_exposure_is_left_out() -> None:
    older = Measurement((0.0,) * 3, {"nir": 1}, 0.0, "x", "y", None, (), 0.0)
    assert not {"gain", "atime", "astep"} & set(older.to_record())


@given(readings=st.lists(measurements, min_size=1, max_size=5), cut=st.integers(0, 400))
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_readings_survive_any_tear_of_the_last_line(tmp_path: Path, readings: list[Measurement], cut: int) -> None:
    path = tmp_path / "rgb.jsonl"
    path.unlink(missing_ok=True)
    with MeasurementLog(path) as log:
        for reading in readings:
            log.add(reading, {"run": "r1"})
    content = path.read_bytes()
    whole = content.rfind(b"\n", 0, -1) + 1
    path.write_bytes(content[: max(whole, len(content) - 2 - cut)])  # the last line is torn, or gone
    with MeasurementLog(path) as log:
        log.add(readings[-1])
    expected = [r.to_record() | {"run": "r1"} for r in readings[:-1]] + [readings[-1].to_record()]
    assert read_records(path) == expected


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"out": {"nir": 1}}', '"in" is no list'),
        ('{"in": [], "out": {"nir": 1}}', '"in" is no list'),
        ('{"in": 0.5, "out": {"nir": 1}}', '"in" is no list'),
        ('{"in": ["a", 0, 0], "out": {"nir": 1}}', '"in" is no list'),
        ('{"in": [0, 0, 0], "out": {"nir": 1}, "time": {"a": 1}}', '"time" is no number'),
        ('{"in": [true, 0, 0], "out": {"nir": 1}}', '"in" is no list'),
        ('{"in": [1e999, 0, 0], "out": {"nir": 1}}', "is no JSON object of finite numbers"),
        ('{"in": [0, 0, 0]}', '"out" does not give'),
        ('{"in": [0, 0, 0], "out": {}}', '"out" does not give'),
        ('{"in": [0, 0, 0], "out": [1]}', '"out" does not give'),
        ('{"in": [0, 0, 0], "out": {"nir": null}}', '"out" does not give'),
        ('{"in": [0, 0, 0], "out": {"nir": 1' + "0" * 400 + "}}", '"out" does not give'),
        ('{"in": [0, 0, 0], "out": {"nir": 1}, "time": "today"}', '"time" is no number'),
        ('{"in": [0, 0, 0], "out": {"nir": 1}, "atime": "long"}', '"atime" is no number'),
        ('{"in": [0, 0, 0], "out": {"nir": 1}, "gain": {"nir": null}}', '"gain" is no number'),
        ('{"in": [0, 0, 0], "out": {"nir": 1}, "duty": ["a"]}', '"duty" is no list'),
        ('{"in": [0, 0, 0], "out": {"nir": 1}, "saturated": 5}', '"saturated" is no list'),
        ('{"in": [0, 0, 0], "out": {"nir": 1}, "mine": 1e999}', "is no JSON object of finite numbers"),
    ],
)
def test_a_line_that_is_no_record_is_named(tmp_path: Path, line: str, words: str) -> None:
    path = tmp_path / "rgb.jsonl"
    path.write_text('{"in": [0, 0, 0], "out": {"nir": 1}}\n' + line + "\n")
    with pytest.raises(LogUnreadable, match=words) as refused:
        read_records(path)
    assert f"{path}, line 2" in refused.value.cause


def test_older_forms_and_unknown_keys_are_accepted(tmp_path: Path) -> None:
    path = tmp_path / "old.jsonl"
    lines = ['{"in": [0, 0.5, 0], "out": {"515nm": -1.0}}', '{"in": [1], "out": {"own": 2}, "tag": "x", "time": 3}']
    path.write_text("\n".join(lines))
    assert read_records(path) == [json.loads(line) for line in lines]


def test_an_empty_log_has_no_records(tmp_path: Path) -> None:
    path = tmp_path / "rgb.jsonl"
    path.touch()
    assert read_records(path) == []


@pytest.mark.parametrize(
    ("name", "rows"), [("claude-light-2025.jsonl", 749), ("claude-light-green-bursts-2024.jsonl", 5377)]
)
def test_real_logs_are_read(real_data: Path, name: str, rows: int) -> None:
    records = read_records(real_data / name)
    assert len(records) == rows == len((real_data / name).read_text().splitlines())
    assert all(len(r["in"]) == 3 and min(r["in"]) >= 0 and max(r["in"]) <= 1 for r in records)
