"""Questions to a log by its index, against reading all of it, whatever has happened to the log meanwhile."""

import contextlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrolux.device import log_index
from retrolux.device.errors import LogUnreadable, LogUnwritable
from retrolux.device.jsonl import JsonLines
from retrolux.device.log import each_record, read_records
from retrolux.device.log_index import STRIDE, Index, index_of
from retrolux.device.log_queries import count, devices, mentioning, newest

times = st.none() | st.integers(0, 40).map(float)
steps = st.one_of(
    st.tuples(st.just("append"), st.lists(times, min_size=1, max_size=12)),
    st.tuples(st.just("torn"), st.sampled_from([b'{"in": [0.1', b"{", b"\0\0\0"])),
    st.tuples(st.just("repair"), st.none()),
    st.tuples(st.just("cut"), st.integers(0, 30)),
    st.tuples(st.just("drop"), st.integers(0, 30)),
    st.tuples(st.just("replace"), st.integers(0, 30)),
    st.tuples(st.just("delete"), st.none()),
    st.tuples(st.just("spoil the index"), st.binary(max_size=60)),
    st.tuples(st.just("ask"), st.none()),
)


def line(time: float | None, i: int = 0, **more: object) -> bytes:
    stamp = {} if time is None else {"time": time}
    return json.dumps({"in": [0.5], "out": {"nir": i}, "device": "sim"} | stamp | more).encode() + b"\n"


def act(path: Path, name: str, what, serial: list[int]) -> None:
    """Do to a log what programs, editors and power failures do."""
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    whole = [one for one in lines if one.endswith(b"\n")]
    cut = {
        "cut": lambda: whole[: max(len(whole) - what, 0)],  # the same file, shorter
        "drop": lambda: whole[:what] + whole[what + 1 :],
        "append": lambda: whole,  # without the torn end
    }
    if name in cut and len(cut[name]()) < len(lines):
        path.write_bytes(b"".join(cut[name]()))
    ACTS.get(name, lambda *_: None)(path, what, whole, serial)


def append(path: Path, stamps, whole, serial) -> None:
    with path.open("ab") as file:
        for stamp in stamps:
            serial[0] += 1
            file.write(line(stamp, serial[0]))


def tear(path: Path, end: bytes, whole, serial) -> None:
    with path.open("ab") as file:
        file.write(end)


def repair(path: Path, what, whole, serial) -> None:
    with contextlib.suppress(LogUnwritable):
        JsonLines(path).close()


def replace(path: Path, n: int, whole, serial) -> None:
    new = path.with_name("new")
    new.write_bytes(b"".join(whole[n:]))
    new.replace(path)


ACTS = {
    "append": append,
    "torn": tear,
    "repair": repair,
    "replace": replace,
    "delete": lambda path, *_: path.unlink(missing_ok=True),
    "spoil the index": lambda path, content, *_: path.with_name(path.name + ".index").write_bytes(content),
}


def answer(question):
    """Return an answer, or that there is none: of zeros that a beginning stands before, at the log's end."""
    try:
        return question()
    except LogUnreadable:
        return LogUnreadable


def told(path: Path, n: int, since: float | None, until: float | None):
    rows = list(each_record(path)) if path.exists() else []
    if since is not None or until is not None:
        low, high = (0 if since is None else since), (99 if until is None else until)
        return len(rows), [r for r in rows if "time" in r and low <= r["time"] < high][-n:]
    return len(rows), rows[-n:]


@given(st.lists(steps, max_size=14), st.integers(1, 20), times, times)
@settings(max_examples=150, deadline=None)
def test_whatever_happens_to_a_log_the_answer_is_that_of_reading_it_all(tmp_path_factory, sequence, n, since, until):
    path, serial = tmp_path_factory.mktemp("log") / "rgb.jsonl", [0]
    with pytest.MonkeyPatch.context() as patch:
        for module in ("log_index", "log_queries"):
            patch.setattr(f"retrolux.device.{module}.STRIDE", 3)
        for name, what in [*sequence, ("ask", None)]:
            if name in {"cut", "drop", "replace"} and not path.exists():
                continue
            act(path, name, what, serial)
            if name == "ask":
                expected = answer(lambda: told(path, n, since, until))
                assert answer(lambda: (count(path), newest(path, n, since=since, until=until))) == expected


def grown(path: Path, n: int, first: int = 0) -> None:
    with path.open("ab") as file:
        file.write(b"".join(line(float(i), i) for i in range(first, first + n)))


def test_what_stands_in_blocks_is_not_read_again(tmp_path, monkeypatch):
    path = tmp_path / "rgb.jsonl"
    grown(path, 40 * STRIDE + 7)
    count(path)
    read = []
    block = log_index.block
    monkeypatch.setattr("retrolux.device.log_queries.block", lambda f, x, i: read.append(i) or block(f, x, i))
    assert count(path) == 40 * STRIDE + 7
    assert read == []
    assert [r["out"]["nir"] for r in newest(path, 10)] == list(range(40 * STRIDE - 3, 40 * STRIDE + 7))
    assert read == [39]
    read.clear()
    found = newest(path, 100, since=5.0 * STRIDE + 3, until=5.0 * STRIDE + 9)
    assert [r["time"] for r in found] == [5.0 * STRIDE + i for i in range(3, 9)]
    assert read == [5]


def test_only_new_lines_are_indexed(tmp_path, monkeypatch):
    path = tmp_path / "rgb.jsonl"
    grown(path, 10 * STRIDE)
    count(path)
    known = []
    times = log_index._times
    monkeypatch.setattr(log_index, "_times", lambda content: known.append(1) or times(content))
    grown(path, 2 * STRIDE, 10 * STRIDE)
    assert count(path) == 12 * STRIDE
    assert len(known) == 2
    with path.open("rb") as file:
        index = index_of(path, file)
    assert isinstance(index, Index)
    assert len(index.blocks) == 12
    assert len(known) == 2


def test_a_block_that_was_edited_in_its_place_is_noticed_when_it_is_read(tmp_path):
    path = tmp_path / "rgb.jsonl"
    grown(path, 5 * STRIDE)
    count(path)
    content = bytearray(path.read_bytes())
    at = content.index(b'"time": 600.0')
    content[at : at + 13] = b'"time": 999.0'
    path.write_bytes(content)
    os.utime(path)
    assert newest(path, 9, since=600, until=601) == []
    assert len(newest(path, 9, since=999, until=1000)) == 2


def test_a_log_that_was_edited_without_growing_is_indexed_anew(tmp_path):
    """Also where the question would not have looked at the block that was edited."""
    path = tmp_path / "rgb.jsonl"
    grown(path, 5 * STRIDE)
    count(path)
    content = path.read_bytes().replace(b'"time": 600.0', b'"time": 9e5  ')
    with path.open("r+b") as file:
        file.write(content)
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    assert [record["time"] for record in newest(path, 9, since=8e5)] == [9e5]


def test_an_index_that_was_spoilt_is_not_believed(tmp_path):
    """It is written without a sync: power may fail and leave zeros in it."""
    path = tmp_path / "rgb.jsonl"
    grown(path, 5 * STRIDE)
    count(path)
    index = path.with_name(path.name + log_index.SUFFIX)
    whole = index.read_bytes()
    for at in range(20, len(whole) - 16, 16):
        index.write_bytes(whole[:at] + bytes(16) + whole[at + 16 :])
        assert len(newest(path, 10_000, since=0)) == len(read_records(path))


def test_none_of_the_newest_are_none(tmp_path):
    path = tmp_path / "rgb.jsonl"
    grown(path, 20)
    assert newest(path, 0) == []


def test_a_key_that_is_spelt_otherwise_is_found(tmp_path):
    path = tmp_path / "rgb.jsonl"
    odd = line(7.0).replace(b'"time"', b'"\\u0074ime"')
    path.write_bytes(b"".join(line(None) for _ in range(STRIDE - 1)) + odd + b"".join(line(1.0) for _ in range(STRIDE)))
    assert [r["time"] for r in newest(path, 3, since=6)] == [7.0]


def test_without_a_place_for_the_index_the_answers_are_the_same(tmp_path, monkeypatch):
    path = tmp_path / "rgb.jsonl"
    grown(path, 3 * STRIDE + 1)

    def refuse(*given: object, **named: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(log_index.tempfile, "mkstemp", refuse)
    assert count(path) == 3 * STRIDE + 1
    assert newest(path, 2) == read_records(path)[-2:]
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_record_is_named_where_it_is_looked_at(tmp_path):
    path = tmp_path / "rgb.jsonl"
    grown(path, STRIDE)
    with path.open("ab") as file:
        file.write(b'{"in": []}\n')
    with pytest.raises(LogUnreadable, match=f"line {STRIDE + 1}:"):
        newest(path, 1)
    with pytest.raises(LogUnreadable, match="cannot be read"):
        count(tmp_path)


def test_a_runs_readings_are_found_by_its_name(tmp_path):
    path = tmp_path / "rgb.jsonl"
    path.write_bytes(b"".join(line(float(i), i, run=f"r-{i % 3}") for i in range(600)) + b'{"run": "r-1", "in": [0')
    found = list(mentioning(path, "r-1"))
    assert found == [r for r in read_records(path) if r["run"] == "r-1"]
    assert len(found) == 200


@pytest.mark.parametrize("more", [{}, {"device": "pi"}, {"note": {"device": "pi"}}, {"device": '\u00e9"'}])
def test_a_logs_instruments(tmp_path, more):
    path = tmp_path / "rgb.jsonl"
    path.write_bytes(b"".join(line(1.0) for _ in range(5)) + line(2.0, **more))
    assert devices(path) == {str(r["device"]) for r in each_record(path)}
