"""Power fails at any moment: the log opens, and every record that was acknowledged is in it.

Short here; ``pytest -m slow tests/device/test_power.py`` tries every cut of 50 records and 10,000 random disks.
"""

import contextlib
import errno
import os
import random
from collections.abc import Iterator
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from retrolux.device.errors import LogUnwritable
from retrolux.device.jsonl import JsonLines
from retrolux.device.log import read_records
from retrolux.device.log_queries import count, newest
from retrolux.device.series import Rotation, closed_files
from tests.device.disks import Disk, Killed, Killer, Recording, unsynced, watched

RECORDS = 100
ASKED = 7  # of so many disks one is asked by its index, too
ROTATION = Rotation(4000)
KILLS = (
    ("write", 0, 0.4),
    ("fdatasync", 0, 0),
    ("rename", 0, 1),
    ("fdatasync", 0, 0),
    ("fsync", 0, 0),
    ("write", 0, 0.9),
    ("open", 1, 1),  # of a new file
    ("fdatasync", 0, 1),
    ("fsync", 1, 1),
)
"""At which call a process is killed, how many of that name are made before, and how much of it is done."""


@cache
def record(serial: int) -> dict[str, Any]:
    rng = random.Random(serial)
    length = rng.choice([400, 600] if serial % 5 in {0, 3} else [5, 20, 60])  # long are those that something befalls
    filler = "".join(rng.choices("aé☼ 0", k=length))
    return {"in": [0.5], "out": {"nir": serial}, "time": 1e9 + serial, "note": filler}


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Any, ...]]:
    """What was done to the files of a log: appended, refused for want of space, killed half-way, repaired, rotated."""
    folder, kills = tmp_path_factory.mktemp("recorded"), cycle(KILLS)
    recording = Recording(folder)
    path = folder / "rgb.jsonl"

    def see(name: str, real: Any, given: tuple[Any, ...]) -> Any:
        return recording(name, real, given)

    with watched(see):
        log, left = JsonLines(path, ROTATION), iter(range(RECORDS))
        for serial in left:
            log.append(record(serial))
            recording.acknowledge(serial)
            if serial % 5 == 4 and (other := next(left, None)):
                refused(log, record(other))
            elif serial % 5 == 2:
                log = killed(log, path, left, recording, next(kills))
        log.close()
    assert len(closed_files(path)) >= 5
    return recording.calls


def refused(log: JsonLines, what: dict[str, Any]) -> None:
    """The disk takes half of a line and no more."""
    seen: list[str] = []

    def see(name: str, real: Any, given: tuple[Any, ...]) -> Any:
        if name == "write" and seen:
            raise OSError(errno.ENOSPC, "No space left on device")
        if name == "write":
            seen.append(name)
            return real(given[0], given[1][: len(given[1]) // 2])
        return real(*given)

    with watched(see), pytest.raises(LogUnwritable, match="No space left"):
        log.append(what)


def killed(
    log: JsonLines, path: Path, left: Iterator[int], recording: Recording, kill: tuple[str, int, float]
) -> JsonLines:
    """Measure on until the process is killed at such a call, and open the log again."""
    call, before, share = kill
    with watched(Killer(before, share, call)), contextlib.suppress(Killed):
        for serial in left:
            log.append(record(serial))
            recording.acknowledge(serial)
    os.close(log._file)
    return JsonLines(path, ROTATION)


def check(folder: Path, files: dict[str, bytes], acknowledged: list[int], *, asked: bool) -> None:
    """A disk with these files: it can be read as it is, perhaps by its index too, opened, and written to."""
    path = folder / "rgb.jsonl"
    for old in folder.iterdir():
        old.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    found = serials(path)
    if asked:
        assert count(path) == len(found)
        assert [r["out"]["nir"] for r in newest(path, 3)] == found[-3:]
    assert set(acknowledged) <= set(found)
    with JsonLines(path, ROTATION) as log:
        repaired = serials(path)
        assert repaired == found
        log.append({"in": [0.5], "out": {"nir": RECORDS}, "time": 2e9})
    assert repaired == sorted(set(repaired))
    *before, after = read_records(path)
    assert before == [record(serial) for serial in repaired]  # none is made of two
    assert after["out"] == {"nir": RECORDS}


def serials(path: Path) -> list[int]:
    if not (path.exists() or closed_files(path)):
        return []
    return [r["out"]["nir"] for r in read_records(path)]


def in_order(calls: list[tuple[Any, ...]], last: int, step: int) -> Iterator[tuple[dict[str, bytes], list[int]]]:
    """Yield the disks of a power failure within the last records, after each ``step`` bytes: all before is on disk."""
    serials = [i for i, call in enumerate(calls) if call[0] == "acknowledge"]
    disk = Disk()
    for i, call in enumerate(calls):
        if i > serials[-last - 1] and call[0] == "write":
            _, number, at, data = call
            for cut in range(0, len(data), step):
                disk.do(("write", number, at, data[:cut]))
                yield disk.now(), disk.acknowledged
                disk.contents[number].since.pop()
        disk.do(call)
        if i > serials[-last - 1]:
            yield disk.now(), disk.acknowledged


def begun(calls: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return the calls up to the seventieth record."""
    return calls[: [i for i, call in enumerate(calls) if call[0] == "acknowledge"][60] + 1]


def cut_everywhere(calls: list[tuple[Any, ...]], folder: Path, last: int, step: int = 1) -> int:
    tried = 0
    with unsynced():
        for files, acknowledged in in_order(calls, last, step):
            check(folder, files, acknowledged, asked=tried % ASKED == 0)
            tried += 1
    return tried


def fail_at_random(calls: list[tuple[Any, ...]], folder: Path, each: int, seed: int) -> int:
    """Try so many disks at each moment at which something was not synced; return how many lacked some of it."""
    rng, disk, worse = random.Random(seed), Disk(), 0
    with unsynced():
        for call in calls:
            disk.do(call)
            for i in range(each if disk.pending else 0):
                files = disk.drawn(rng)
                worse += files != disk.now()
                check(folder, files, disk.acknowledged, asked=i % ASKED == 0)
    return worse


def test_every_cut_of_the_last_records(calls: list[tuple[Any, ...]], tmp_path: Path) -> None:
    assert cut_everywhere(begun(calls), tmp_path, 2, 3) > 40


def test_what_was_not_synced_may_be_lost_or_come_in_any_order(calls: list[tuple[Any, ...]], tmp_path: Path) -> None:
    assert fail_at_random(begun(calls), tmp_path, 10, 1) > 600


@pytest.mark.slow
def test_every_cut_of_fifty_records(
    calls: list[tuple[Any, ...]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tried = cut_everywhere(calls, tmp_path, 50)
    with capsys.disabled():
        print(f"\n{tried} cuts: every log opens with all that was acknowledged")


@pytest.mark.slow
def test_ten_thousand_random_disks(
    calls: list[tuple[Any, ...]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    worse = fail_at_random(calls, tmp_path, 130, 2)
    with capsys.disabled():
        print(f"\n{worse} disks that lack something not synced: every log opens with all that was acknowledged")
    assert worse > 10_000
