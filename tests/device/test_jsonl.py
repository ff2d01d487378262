"""Append-only JSON Lines: nothing that was acknowledged is ever lost, and a torn line spoils nothing."""

import errno
import json
import logging
import multiprocessing
import os
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrolux.device import jsonl
from retrolux.device.errors import InstrumentClosed, LogUnreadable, LogUnwritable
from retrolux.device.jsonl import JsonLines, Repair, read_lines

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
json_objects = st.dictionaries(st.text(), json_values, max_size=4)
on_files = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def objects(path: Path) -> list[dict]:
    return [record for _, record in read_lines(path)]


def write(path: Path, records: list[dict]) -> bytes:
    with JsonLines(path) as lines:
        for record in records:
            lines.append(record)
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rgb.jsonl"


@given(records=st.lists(json_objects, max_size=5))
@on_files
def test_what_is_appended_is_read_back(path: Path, records: list[dict]) -> None:
    path.unlink(missing_ok=True)
    content = write(path, records)
    assert objects(path) == records
    assert content.count(b"\n") == len(records)
    assert [number for number, _ in read_lines(path)] == list(range(1, len(records) + 1))


@given(records=st.lists(json_objects, min_size=1, max_size=4), data=st.data())
@on_files
def test_any_cut_keeps_every_whole_line_and_reports_what_it_drops(
    path: Path, records: list[dict], data: st.DataObject
) -> None:
    path.unlink(missing_ok=True)
    content = write(path, records)
    cut = data.draw(st.integers(0, len(content)), label="cut")
    path.write_bytes(content[:cut])
    kept = content[:cut].count(b"\n")
    tail = content[:cut].rpartition(b"\n")[2]
    lacks_only_newline = bool(tail) and content[cut : cut + 1] == b"\n"
    assert objects(path) == records[: kept + lacks_only_newline]  # readers never write
    assert path.read_bytes() == content[:cut]

    with JsonLines(path) as lines:
        repair = lines.repair
        lines.append({"after": True})
    assert repair == (Repair(kept + 1, b"" if lacks_only_newline else tail) if tail else None)
    assert objects(path) == [*records[: kept + lacks_only_newline], {"after": True}]
    with JsonLines(path) as lines:
        assert lines.repair is None


def test_a_line_longer_than_a_block_is_repaired(path: Path) -> None:
    write(path, [{"a": 1}])
    torn = b'{"b": "' + b"x" * (3 * jsonl.BLOCK)
    path.write_bytes(path.read_bytes() + torn)
    with JsonLines(path) as lines:
        assert lines.repair == Repair(2, torn)
        assert str(lines.repair) == f"line 2 was torn by an interruption; its {len(torn)} bytes were cut off."
    assert objects(path) == [{"a": 1}]


def test_zeros_that_a_power_failure_leaves_are_cut_off(path: Path) -> None:
    write(path, [{"a": 1}])
    path.write_bytes(path.read_bytes() + bytes(100))
    with JsonLines(path) as lines:
        assert lines.repair == Repair(2, bytes(100))


def test_a_torn_line_is_named_when_it_is_left_out(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.write_bytes(b'{"a": 1}\n{"b"')
    with caplog.at_level(logging.WARNING):
        assert objects(path) == [{"a": 1}]
    assert f"{path}: line 2 is torn" in caplog.text


@pytest.mark.parametrize(
    "broken", [b'{"a": ', b"[1]", b"7", b"", b"\xff\xfe\x00", b'{"a": NaN}', b'{"a": -Infinity}', b"[" * 100_000]
)
def test_a_broken_line_in_the_middle_is_named(path: Path, broken: bytes) -> None:
    path.write_bytes(b'{"a": 1}\n' + broken + b'\n{"b": 2}\n')
    with pytest.raises(LogUnreadable, match="line 2 is no JSON object") as refused:
        objects(path)
    assert str(path) in refused.value.cause


def test_whatever_is_no_file_is_unreadable(tmp_path: Path) -> None:
    binary = tmp_path / "image.png"
    binary.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    for path, words in ((binary, "line 1"), (tmp_path / "none", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(LogUnreadable, match=words):
            objects(path)


def test_a_file_without_permission_is_unreadable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    path.touch()
    monkeypatch.setattr(Path, "open", refuse)  # root may read anything
    with pytest.raises(LogUnreadable, match="Permission denied"):
        objects(path)


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\nxyz", b"dear diary", b'{"a": 1}\nnotes'])
def test_a_file_that_is_no_log_is_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(LogUnwritable, match="no part of a log"):
        JsonLines(path)
    assert path.read_bytes() == content


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing" / "rgb.jsonl", Path("/dev/null") / "rgb.jsonl"):
        with pytest.raises(LogUnwritable, match="cannot be written") as refused:
            JsonLines(path)
        assert str(path) in refused.value.cause


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), {1, 2}, "\ud800"], ids=repr)
def test_what_has_no_json_form_is_refused_and_nothing_written(path: Path, value: object) -> None:
    before = write(path, [{"a": 1}])
    with JsonLines(path) as lines, pytest.raises((ValueError, TypeError)):
        lines.append({"bad": value})
    assert path.read_bytes() == before


def _no_space(*_: object) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("call", ["write", "fdatasync"])
def test_a_full_disk_leaves_the_file_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    before = write(path, [{"a": 1}])
    with JsonLines(path) as lines:
        with monkeypatch.context() as patch:
            patch.setattr(jsonl.os, call, _no_space)
            with pytest.raises(LogUnwritable, match="No space left") as failed:
                lines.append({"b": 2})
        assert failed.value.remedy
        assert path.read_bytes() == before
        lines.append({"c": 3})
    assert objects(path) == [{"a": 1}, {"c": 3}]


def test_a_disk_that_fills_in_the_middle_of_a_line_leaves_the_file_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, real, left = write(path, [{"a": 1}]), os.write, [7]

    def little(file: int, data: bytes) -> int:
        if not left:
            _no_space()
        return real(file, data[: left.pop()])

    monkeypatch.setattr(jsonl.os, "write", little)
    with JsonLines(path) as lines, pytest.raises(LogUnwritable):
        lines.append({"b": "x" * 100})
    assert path.read_bytes() == before


def test_a_line_is_on_disk_before_append_returns(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bytes] = []
    real = os.fdatasync

    def spy(file: int) -> None:
        real(file)
        synced.append(path.read_bytes())

    with JsonLines(path) as lines:
        monkeypatch.setattr(jsonl.os, "fdatasync", spy)
        lines.append({"a": 1})
        assert synced == [b'{"a": 1}\n']
        lines.append({"b": 2})
        assert synced[1:] == [b'{"a": 1}\n{"b": 2}\n']


def test_a_new_files_name_is_on_disk_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders: list[int] = []
    real = os.fsync
    monkeypatch.setattr(jsonl.os, "fsync", lambda file: (folders.append(os.fstat(file).st_ino), real(file)))
    JsonLines(path).close()
    JsonLines(path).close()
    assert folders == [path.parent.stat().st_ino]


def test_a_closed_file_refuses_and_closes_twice(path: Path) -> None:
    lines = JsonLines(path)
    lines.close()
    lines.close()
    with pytest.raises(InstrumentClosed, match="is closed"):
        lines.append({"a": 1})


def test_a_deleted_file_refuses(path: Path) -> None:
    with JsonLines(path) as lines:
        path.unlink()
        with pytest.raises(LogUnwritable, match="deleted"):
            lines.append({"a": 1})


def test_text_is_written_as_it_is(path: Path) -> None:
    assert write(path, [{"where": "Zürich"}]) == '{"where": "Zürich"}\n'.encode()


def _append_many(path: Path, who: int) -> None:
    with JsonLines(path) as lines:
        for i in range(200):
            lines.append({"who": who, "i": i, "filler": "x" * (i % 50)})


def _check_whole(path: Path) -> None:
    records = objects(path)
    assert len(records) == 400
    for who in range(2):
        assert [r["i"] for r in records if r["who"] == who] == list(range(200))


def test_two_processes_share_a_file(path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=_append_many, args=(path, who)) for who in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    _check_whole(path)


def test_two_threads_share_one_open_file(path: Path) -> None:
    with JsonLines(path) as lines:

        def append(who: int) -> None:
            for i in range(200):
                lines.append({"who": who, "i": i})

        threads = [threading.Thread(target=append, args=(who,)) for who in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    _check_whole(path)


def test_another_processes_torn_line_is_repaired_before_the_next(path: Path) -> None:
    with JsonLines(path) as lines:
        lines.append({"a": 1})
        with path.open("ab") as other:
            other.write(b'{"torn": ')
        lines.append({"b": 2})
    assert path.read_text() == json.dumps({"a": 1}) + "\n" + json.dumps({"b": 2}) + "\n"
