"""A log in several files: when one is closed, what it is called, and that every reader and writer sees one log."""

import contextlib
import json
import multiprocessing
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrolux.device import log_queries
from retrolux.device.errors import LogUnreadable, LogUnwritable
from retrolux.device.jsonl import JsonLines
from retrolux.device.log import latest_records, read_records
from retrolux.device.log_index import SUFFIX
from retrolux.device.log_queries import count, devices, mentioning, newest
from retrolux.device.series import Rotation, closed_files, each_file, exists, size
from retrolux.device.summaries import SUFFIX as SUMMARIES
from tests.device.disks import Killed, Killer, unsynced, watched

NOON = 1_763_985_600.0  # 2025-11-24 12:00 UTC
DAY = 86400.0
PAIRS = Rotation(150)  # two records of one instrument a file


def record(serial: int, **more: Any) -> dict[str, Any]:
    return {"in": [0.5], "out": {"nir": serial}, "time": NOON + serial, "device": "sim"} | more


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rgb.jsonl"


def filled(path: Path, n: int, rotation: Rotation | None = PAIRS, first: int = 0) -> None:
    with unsynced(), JsonLines(path, rotation) as log:
        for serial in range(first, first + n):
            log.append(record(serial))


def serials(records: list[dict[str, Any]]) -> list[int]:
    return [r["out"]["nir"] for r in records]


class TestWhenAFileIsClosed:
    def test_no_file_is_larger_than_it_may_be(self, path: Path) -> None:
        filled(path, 40)
        closed = closed_files(path)
        assert [file.name for file in closed[:2]] == ["rgb.000001.2025-11-24.jsonl", "rgb.000002.2025-11-24.jsonl"]
        assert all(75 < file.stat().st_size <= 150 for file in closed)
        assert 0 < path.stat().st_size <= 150

    def test_a_line_that_is_longer_than_a_file_has_one_of_its_own(self, path: Path) -> None:
        with JsonLines(path, PAIRS) as log:
            for serial in range(3):
                log.append(record(serial, note="x" * 400))
        assert [len(file.read_bytes().splitlines()) for file in (*closed_files(path), path)] == [1, 1, 1]

    @pytest.mark.parametrize(
        ("every", "days", "closed"),
        [
            ("day", [0, 0.4, 0.6, 0.7, 3], ["000001.2025-11-24", "000002.2025-11-25"]),
            ("month", [0, 6, 7, 8, 40], ["000001.2025-11-30", "000002.2025-12-02"]),
            ("day", [0, -5, -4, 0.1], ["000001.2025-11-19", "000002.2025-11-20"]),  # a clock that was wrong for a while
        ],
    )
    def test_a_new_day_or_month_begins_a_file(
        self, path: Path, every: str, days: list[float], closed: list[str]
    ) -> None:
        with JsonLines(path, Rotation(every=every)) as log:
            for serial, day in enumerate(days):
                log.append(record(serial, time=NOON + day * DAY))
        assert [file.name for file in closed_files(path)] == [f"rgb.{name}.jsonl" for name in closed]
        assert serials(read_records(path)) == list(range(len(days)))

    @pytest.mark.parametrize("odd", [None, "today", -1.0, 1e300, True])
    def test_a_time_that_is_none_begins_no_file(self, path: Path, odd: object) -> None:
        with JsonLines(path, Rotation(every="day")) as log:
            log.append(record(0))
            log.append({"time": odd})
            log.append(record(0, time=NOON + DAY))
        assert closed_files(path) == []

    def test_without_a_rule_none_is_closed(self, path: Path) -> None:
        filled(path, 40, None)
        assert list(path.parent.iterdir()) == [path]

    def test_a_file_that_cannot_be_renamed_grows_further(
        self, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")

        with monkeypatch.context() as patch:
            patch.setattr(os, "rename", refuse)
            filled(path, 5)
        assert serials(read_records(path)) == list(range(5))
        assert closed_files(path) == []
        assert "is not rotated: Permission denied" in caplog.text
        filled(path, 5, first=5)
        assert closed_files(path)
        assert serials(read_records(path)) == list(range(10))


class TestWhoReads:
    @given(
        sizes=st.lists(st.integers(0, 7), min_size=1, max_size=5),
        n=st.integers(1, 12),
        since=st.none() | st.integers(-1, 30),
        until=st.none() | st.integers(-1, 30),
    )
    @settings(max_examples=60, deadline=None)
    def test_the_parts_are_one_log(
        self, tmp_path_factory: pytest.TempPathFactory, sizes: list[int], n: int, since: int | None, until: int | None
    ) -> None:
        """Whatever is in which file, all of it is there, once and in its order; asked twice, by what is kept, too."""
        path = tmp_path_factory.mktemp("log") / "rgb.jsonl"
        names = [path.with_name(f"rgb.{i + 1:06d}.2025-11-24.jsonl") for i in range(len(sizes) - 1)]
        every = [record(i, time=float(i * 7 % 30), device=f"sim:{i % 2}", run=f"r{i % 3}") for i in range(sum(sizes))]
        left = iter(every)
        for name, many in zip([*names, path], sizes, strict=True):
            name.write_text("".join(json.dumps(next(left)) + "\n" for _ in range(many)))
        low, high = -2 if since is None else since, 99 if until is None else until
        inside = [r for r in every if low <= r["time"] < high]
        with pytest.MonkeyPatch.context() as patch:
            for module in ("log_index", "log_queries"):
                patch.setattr(f"retrolux.device.{module}.STRIDE", 2)
            for _ in range(2):
                assert read_records(path) == every
                assert count(path) == len(every)
                assert newest(path, n, since=since, until=until) == inside[-n:]
                assert latest_records(path, n) == every[-n:]
                assert list(mentioning(path, "r1")) == [r for r in every if r["run"] == "r1"]
                assert devices(path) == {r["device"] for r in every}
        assert size(path) == sum(file.stat().st_size for file in (*names, path))

    def test_closed_files_are_not_opened_for_what_is_known_of_them(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        filled(path, 40)
        assert (count(path), devices(path)) == (40, {"sim"})
        made: list[Path] = []
        real = log_queries._summarised
        monkeypatch.setattr(log_queries, "_summarised", lambda p, f, i: made.append(p) or real(p, f, i))
        assert (count(path), devices(path)) == (40, {"sim"})
        assert serials(newest(path, 9, since=NOON + 3, until=NOON + 6)) == [3, 4, 5]
        assert made == []
        first = closed_files(path)[0]
        first.write_bytes(first.read_bytes() * 2)
        assert count(path) == 42
        assert made == [first]

    @pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"retrolux files 1": {"rgb.000001": 3}}', b"\xff"])
    def test_what_is_known_is_made_again_where_it_is_spoilt(self, path: Path, content: bytes) -> None:
        filled(path, 9)
        kept = path.with_name(path.name + SUMMARIES)
        assert count(path) == 9
        assert kept.exists()
        kept.write_bytes(content)
        assert count(path) == 9

    def test_what_stood_beside_a_file_goes_with_it(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for module in ("log_index", "log_queries"):
            monkeypatch.setattr(f"retrolux.device.{module}.STRIDE", 1)
        with JsonLines(path, PAIRS) as log:
            log.append(record(0))
            log.append(record(1))
            assert count(path) == 2
            kept = path.with_name(path.name + SUFFIX).read_bytes()
            for serial in range(2, 5):
                log.append(record(serial))
        (closed, *_) = closed_files(path)
        assert closed.with_name(closed.name + SUFFIX).read_bytes() == kept

    def test_a_file_that_is_closed_meanwhile_comes_once_and_whole(self, path: Path) -> None:
        filled(path, 6, Rotation(10_000))
        with JsonLines(path, Rotation(1)) as log:
            files = each_file(path)
            place, file = next(files)
            log.append(record(6))  # closes what is being read
            log.append(record(7))
            assert len(file.read().splitlines()) == 6
            assert (place, list(files)) == (path, [])
        assert serials(read_records(path)) == list(range(8))

    def test_a_part_alone_is_a_log_of_its_own(self, path: Path) -> None:
        filled(path, 9)
        (first, *_) = closed_files(path)
        assert serials(read_records(first)) == [0, 1]
        assert count(first) == 2

    def test_an_error_names_the_file_and_its_line(self, path: Path) -> None:
        filled(path, 9)
        second = closed_files(path)[1]
        second.write_bytes(second.read_bytes() + b"[]\n")
        with pytest.raises(LogUnreadable, match=f"{second.name}, line 3 is no JSON object"):
            read_records(path)

    def test_a_log_of_closed_files_alone_is_one(self, path: Path) -> None:
        """As it is for an instant while it is rotated, and after a crash in that instant."""
        filled(path, 9)
        path.unlink()
        left = read_records(path)
        assert exists(path)
        assert (count(path), newest(path, 1), latest_records(path, 1)) == (len(left), left[-1:], left[-1:])
        filled(path, 1, first=9)
        assert read_records(path) == [*left, record(9)]

    def test_other_files_are_none_of_it(self, path: Path) -> None:
        filled(path, 3, None)
        for name in ("rgb.1.2025-11-24.jsonl", "rgb.000001.jsonl", "xrgb.000001.2025-11-24.jsonl", "rgb.jsonl.bak"):
            path.with_name(name).write_text("no log")
        assert closed_files(path) == []
        assert count(path) == 3


class TestWhoWrites:
    def test_one_that_never_rotates_follows_one_that_does(self, path: Path) -> None:
        with JsonLines(path) as plain, JsonLines(path, PAIRS) as rotating:
            for serial in range(0, 60, 3):
                rotating.append(record(serial))
                rotating.append(record(serial + 1))
                plain.check()
                plain.append(record(serial + 2))
        assert len(closed_files(path)) > 10
        assert serials(read_records(path)) == list(range(60))

    @pytest.mark.parametrize("what", ["deleted", "replaced", "moved"])
    def test_a_log_that_is_gone_is_no_closed_file(self, path: Path, what: str) -> None:
        with JsonLines(path, PAIRS) as log:
            for serial in range(5):
                log.append(record(serial))
            if what == "deleted":
                path.unlink()
            else:
                path.rename(path.with_name("elsewhere.jsonl"))
            if what == "replaced":
                path.touch()
            with pytest.raises(LogUnwritable, match=what):
                log.check()
            with pytest.raises(LogUnwritable, match=what):
                log.append(record(5))

    def test_closed_files_that_were_archived_are_not_missed(self, path: Path) -> None:
        filled(path, 9)
        closed_files(path)[0].unlink()
        filled(path, 9, first=9)
        assert serials(read_records(path)) == list(range(2, 18))

    def test_numbers_go_on_beyond_their_six_digits(self, path: Path) -> None:
        filled(path, 2)
        path.rename(path.with_name("rgb.999999.2025-11-24.jsonl"))
        filled(path, 5, first=2)
        assert [file.name[4:11] for file in closed_files(path)] == ["999999.", "1000000", "1000001"]
        assert serials(read_records(path)) == list(range(7))

    def test_a_link_stays_where_it_is_and_the_files_are_where_it_points_to(self, path: Path, tmp_path: Path) -> None:
        (tmp_path / "card").mkdir()
        link = tmp_path / "link.jsonl"
        link.symlink_to(tmp_path / "card" / "real.jsonl")
        filled(link, 9)
        assert link.is_symlink()
        assert closed_files(link)[0].name == "real.000001.2025-11-24.jsonl"
        assert serials(read_records(link)) == list(range(9))
        assert count(link) == 9

    @pytest.mark.parametrize("share", [0.0, 0.9])
    def test_killed_at_any_call_of_a_rotation_the_log_is_whole(self, path: Path, share: float) -> None:
        for calls in range(12):
            for old in path.parent.iterdir():
                old.unlink()
            filled(path, 2)
            log = JsonLines(path, PAIRS)
            made = 2
            with watched(Killer(calls, share)), contextlib.suppress(Killed):
                while made < 9:
                    log.append(record(made))
                    made += 1
            assert made < 9
            os.close(log._file)
            found = serials(read_records(path))
            assert found in (list(range(made)), list(range(made + 1)))
            filled(path, 4, first=made + 1)
            assert serials(read_records(path))[-4:] == list(range(made + 1, made + 5))
            assert serials(read_records(path))[:made] == list(range(made))


def _append(path: Path, who: int, n: int) -> None:
    with JsonLines(path, Rotation(2000) if who else None) as log:
        for i in range(n):
            log.append({"who": who, "i": i, "filler": "x" * (i % 50)})


def test_processes_share_a_log_that_some_of_them_rotate() -> None:
    """On a disk without syncs, so that they meet more often: what is tried is the lock."""
    spawn = multiprocessing.get_context("spawn")
    folder = Path("/dev/shm") if Path("/dev/shm").is_dir() else Path.cwd()
    path = folder / f"retrolux-{os.getpid()}" / "rgb.jsonl"
    path.parent.mkdir()
    try:
        processes = [spawn.Process(target=_append, args=(path, who, 400)) for who in range(3)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0, 0, 0]
        lines = [json.loads(line) for _, file in each_file(path) for line in file]
        assert len(lines) == 1200
        for who in range(3):
            assert [r["i"] for r in lines if r["who"] == who] == list(range(400))
        assert len(closed_files(path)) > 20
    finally:
        for file in path.parent.iterdir():
            file.unlink()
        path.parent.rmdir()
