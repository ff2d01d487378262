"""What is refused, and what is left alone, where a mistake would cost readings or keep others out."""

import dataclasses
import errno
import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from retrolux.device import jsonl, pi
from retrolux.device.designs import design
from retrolux.device.errors import BadInput, InstrumentBusy, LogUnreadable, LogUnwritable
from retrolux.device.factory import open_instrument
from retrolux.device.jsonl import JsonLines, read_lines
from retrolux.device.log import MeasurementLog, read_records
from retrolux.device.measurement import Exposure
from retrolux.device.recording import Recorder
from retrolux.device.settings import InstrumentSettings
from retrolux.device.sim import Parts, open_sim
from tests.device.raspberry_pi import Raspberry


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rgb.jsonl"


@pytest.fixture
def recorder(parts: Parts, path: Path) -> Iterator[Recorder]:
    made = Recorder(open_sim(0, InstrumentSettings(), parts), MeasurementLog(path))
    yield made
    made.close()


def moves(parts: Parts) -> list[int]:
    return [len(pin.history) for pin in parts.pins]


# The log is no longer where a reader would look for it, or cannot grow: nothing moves.


@pytest.mark.parametrize(("successor", "word"), [(None, "moved"), (b"", "replaced")])
def test_a_log_that_was_moved_away_takes_no_reading(
    recorder: Recorder, parts: Parts, path: Path, successor: bytes | None, word: str
) -> None:
    recorder.measure((0, 0, 0), ["nir"])
    aside = path.rename(path.with_suffix(".old"))
    if successor is not None:
        path.write_bytes(successor)
    before, content = moves(parts), aside.read_bytes()
    with pytest.raises(LogUnwritable, match=f"{re.escape(str(path))} was {word}"):
        recorder.measure((0, 0, 1), ["nir"])
    assert moves(parts) == before
    assert aside.read_bytes() == content


@pytest.mark.parametrize(
    ("disk", "words"),
    [
        ({"f_flag": os.ST_RDONLY, "f_blocks": 100, "f_bfree": 50}, "Read-only file system"),
        ({"f_flag": 0, "f_blocks": 100, "f_bfree": 0}, "No space left"),
    ],
)
def test_a_disk_that_cannot_take_a_line_is_found_before_the_light_moves(
    recorder: Recorder, parts: Parts, monkeypatch: pytest.MonkeyPatch, disk: dict[str, int], words: str
) -> None:
    before = moves(parts)
    told = dataclasses.make_dataclass("statvfs_result", list(disk))(**disk)
    monkeypatch.setattr(jsonl.os, "fstatvfs", lambda _file: told)
    with pytest.raises(LogUnwritable, match=words):
        recorder.measure((0, 0, 1))
    assert moves(parts) == before


def test_a_disk_that_tells_nothing_of_its_space_is_believed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = dataclasses.make_dataclass("statvfs_result", ["f_flag", "f_blocks", "f_bfree"])(0, 0, 0)
    monkeypatch.setattr(jsonl.os, "fstatvfs", lambda _file: silent)
    with JsonLines(path) as lines:
        lines.append({"a": 1})
    assert list(read_lines(path)) == [(1, {"a": 1})]


def test_a_change_of_working_directory_does_not_lose_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with JsonLines(Path("rgb.jsonl")) as lines:
        monkeypatch.chdir(tmp_path / "elsewhere")
        lines.append({"a": 1})
    assert (tmp_path / "rgb.jsonl").read_bytes() == b'{"a": 1}\n'


def test_no_other_process_can_write_while_a_line_is_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[bool] = []
    write = os.write

    def spy(file: int, line: bytes) -> int:
        with path.open() as other:  # a file opened anew locks as another process's does
            try:
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                tried.append(True)
        return write(file, line)

    with JsonLines(path) as lines:
        monkeypatch.setattr(jsonl.os, "write", spy)
        lines.append({"a": 1})
        assert tried == [True]
        with path.open() as other:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)  # it is free again


# What is no log is neither read as one nor cut.


@pytest.mark.parametrize(
    "content", [b"\0\xff\xd8 an image", b"\0\0\1", b"12", b"[1]", b'{"a": 1}\n   ', b"dear diary"], ids=repr
)
def test_an_end_that_no_record_begins_with_is_no_torn_line(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(LogUnwritable, match="no part of a log"):
        JsonLines(path)
    assert path.read_bytes() == content
    with pytest.raises(LogUnreadable, match=f"line {content.count(10) + 1} is no JSON object"):
        list(read_lines(path))


def test_further_keys_never_replace_the_readings_own(recorder: Recorder, path: Path) -> None:
    reading = recorder.measure((0, 0, 1), ["nir"], run="r1", device="pi", **{"in": [9]})
    (record,) = read_records(path)
    assert record == reading.to_record() | {"in": [0.0, 0.0, 1.0], "run": "r1"}
    assert record["device"] == "sim"


# Settings and designs that cannot be.


@pytest.mark.parametrize(
    ("exposure", "words"),
    [
        (Exposure(gain=True), "no gain True"),
        (Exposure(gain="128"), "no gain '128'"),  # type: ignore[arg-type]
        (Exposure(gain=None), "no gain None"),  # type: ignore[arg-type]
        (Exposure(atime=1.5), "atime 1.5"),  # type: ignore[arg-type]
        (Exposure(atime="a"), "atime 'a'"),  # type: ignore[arg-type]
        (Exposure(astep=True), "astep True"),
    ],
)
def test_an_exposure_of_another_type_is_refused_in_words(exposure: Exposure, words: str) -> None:
    with pytest.raises(BadInput, match=words) as refused:
        InstrumentSettings(exposure)
    assert refused.value.remedy


@pytest.mark.parametrize("name", ["pwm_frequency", "timeout"])
@pytest.mark.parametrize("bad", [0, -1, float("nan"), float("inf"), 1e300, True, "100", None])
def test_a_frequency_or_a_timeout_that_cannot_be_is_refused(name: str, bad: object) -> None:
    settings: dict[str, Any] = {name: bad}
    with pytest.raises(BadInput, match=re.escape(f"{name} is {bad!r}")):
        InstrumentSettings(**settings)


@pytest.mark.parametrize("bad", [-1, 28, 1.0, True, "D19"])
@pytest.mark.parametrize("colour", ["red", "green", "blue"])
def test_a_pin_that_is_not_on_the_header_is_refused(colour: str, bad: object) -> None:
    pins: dict[str, Any] = {colour: bad}
    with pytest.raises(BadInput, match="0 to 27"):
        InstrumentSettings(**pins)


@pytest.mark.parametrize(("n", "seed", "words"), [(2.5, 0, "2.5 readings"), ("9", 0, "readings"), (9, -1, "seed -1")])
def test_a_design_of_no_whole_number_is_refused(n: Any, seed: Any, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        design("lhs", n, seed)


# The machine's lock keeps out one at a time, and nobody for good.


def test_the_lock_can_be_opened_by_others_whatever_the_umask(raspberry: Raspberry, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        with open_instrument("pi"):
            assert (tmp_path / "retrolux.lock").stat().st_mode & 0o777 == 0o644
    finally:
        os.umask(before)


def test_a_lock_in_a_folder_that_is_read_only_still_locks(
    raspberry: Raspberry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a hardened service sees /run/lock: its lock, made by another, counts before any private folder's."""
    private = tmp_path / "private"
    private.mkdir()
    (tmp_path / "retrolux.lock").touch()
    monkeypatch.setattr(pi, "_make", _read_only)
    monkeypatch.setattr(pi, "LOCK_FOLDERS", (tmp_path, private))
    with open_instrument("pi"):
        with pytest.raises(InstrumentBusy):
            open_instrument("pi")
        assert list(private.iterdir()) == []


def _read_only(path: Path) -> int:
    raise OSError(errno.EROFS, "Read-only file system", str(path))


def test_where_the_first_folder_takes_no_lock_the_next_does(
    raspberry: Raspberry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pi, "LOCK_FOLDERS", (tmp_path / "missing", tmp_path))
    with open_instrument("pi"):
        assert (tmp_path / "retrolux.lock").exists()
        with pytest.raises(InstrumentBusy):
            open_instrument("pi")
    with open_instrument("pi"):
        pass
