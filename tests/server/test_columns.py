"""A long log's columns, kept beside it, against reading every line of it."""

import json
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrolux.device.errors import LogUnreadable
from retrolux.device.log import each_record
from retrolux.models.dataset import Dataset
from retrolux.models.errors import ModelError
from retrolux.server import columns
from retrolux.server.errors import MixedDevices, ServerError
from retrolux.server.readings import load_dataset, to_dataset

duty = st.integers(0, 100).map(lambda n: n / 100)
record = st.fixed_dictionaries(
    {
        "in": st.tuples(duty, duty).map(list),
        "out": st.dictionaries(st.sampled_from("abc"), st.integers(0, 70000), min_size=1),
    },
    optional={
        "time": st.integers(0, 9).map(float),
        "device": st.sampled_from(["sim", "sim (x)"]),
        "saturated": st.lists(st.sampled_from("abc"), unique=True),
        "duty": st.tuples(duty, duty).map(list),
        "gain": st.sampled_from([64, 128]),
        "v": st.just(1),
    },
)
logs = st.lists(st.lists(record, min_size=1, max_size=12), min_size=1, max_size=4)
RATIOS = {64: 0.5, 128: 1.0}


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(columns, "LEAST", 1)
    monkeypatch.setattr(columns, "STRETCH", 300)


def lines(records) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in records)


def answer(question):
    try:
        data, device = question()
    except (ModelError, ServerError) as error:
        return type(error), str(error)
    return data.hash, data.times is None, device


def every(path, only=None):
    return answer(lambda: to_dataset(each_record(path), source=str(path), only=only, gain_ratios=RATIOS))


@given(logs, st.sampled_from([None, "sim", "pi"]))
@settings(max_examples=100, deadline=None)
def test_as_a_log_grows_its_columns_are_those_of_all_its_lines(tmp_path_factory, parts, only):
    path = tmp_path_factory.mktemp("log") / "rgb.jsonl"
    for part in parts:
        with path.open("ab") as file:
            file.write(lines(part))
        for _ in range(2):
            assert answer(lambda: load_dataset(path, only=only, gain_ratios=RATIOS)) == every(path, only)


def reading(i: int, **more):
    return {"in": [i % 7 / 7, i % 5 / 5], "out": {"a": i, "b": 2 * i}, "time": float(i), "device": "sim"} | more


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "rgb.jsonl"
    path.write_bytes(lines(reading(i) for i in range(60)))
    return path


def test_only_new_lines_are_parsed(log, monkeypatch):
    load_dataset(log)
    parsed = []
    objects = columns.objects
    monkeypatch.setattr(columns, "objects", lambda p, rows, n: parsed.append(n) or objects(p, rows, n))
    with log.open("ab") as file:
        file.write(lines([reading(60), reading(61)]))
    data, _ = load_dataset(log)
    assert parsed == [61]
    assert data.outputs[:, 0].tolist() == list(range(62))


@pytest.mark.parametrize("spoil", ["edit", "shorter", "cache", "names", "torn"])
def test_what_is_kept_is_believed_only_of_the_very_log(log, spoil):
    load_dataset(log)
    folder = log.with_name("rgb.jsonl.columns")
    kept = sorted(folder.iterdir())
    assert len(kept) > 3
    if spoil == "edit":
        status = log.stat()
        log.write_bytes(log.read_bytes().replace(b'"a": 3,', b'"a": 9,'))
        os.utime(log, ns=(status.st_atime_ns, status.st_mtime_ns))
    elif spoil == "shorter":
        log.write_bytes(lines(reading(i) for i in range(30)))
    elif spoil == "cache":
        kept[1].write_bytes(b"PK" + kept[1].read_bytes()[:90])
    elif spoil == "names":
        kept[0].rename(folder / "0-5-00000000.npz")
    else:
        with log.open("ab") as file:
            file.write(b'{"in": [0.')
    assert answer(lambda: load_dataset(log)) == every(log)


def test_errors_name_the_line(log):
    load_dataset(log)
    with log.open("ab") as file:
        file.write(b'{"in": 3}\n')
    with pytest.raises(LogUnreadable, match="line 61:"):
        load_dataset(log)


def test_several_instruments_are_refused_as_ever(log):
    with log.open("ab") as file:
        file.write(lines([reading(60, device="pi")]))
    with pytest.raises(MixedDevices, match="pi, sim"):
        load_dataset(log)
    data, device = load_dataset(log, only="pi")
    assert (len(data), device) == (1, "pi")


def test_a_short_log_has_nothing_beside_it(log, monkeypatch):
    monkeypatch.setattr(columns, "LEAST", 1_000_000)
    data, _ = load_dataset(log)
    assert isinstance(data, Dataset)
    assert list(log.parent.iterdir()) == [log]


def test_times_that_are_alike_stay_in_the_logs_order(log):
    log.write_bytes(lines(reading(i, time=float(i // 3)) for i in range(60)))
    data, _ = load_dataset(log)
    assert data.times is not None
    assert data.times == pytest.approx(np.arange(60) // 3 + 1e-3 * (np.arange(60) % 3))
