"""What a disk may do to a log: lie after a failed sync, tear a line in its middle, be full for all but root."""

import errno
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from retrolux.device.disk import make_folder, remedy
from retrolux.device.errors import LogUnreadable, LogUnwritable
from retrolux.device.jsonl import JsonLines, Repair, read_lines
from tests.device.disks import watched


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rgb.jsonl"


def serials(path: Path) -> list[int]:
    return [record["a"] for _, record in read_lines(path)]


def fail_to_sync(log: JsonLines, record: dict[str, Any]) -> None:
    def see(name: str, real: Any, given: tuple[Any, ...]) -> Any:
        if name == "fdatasync":
            raise OSError(errno.EIO, "Input/output error")
        return real(*given)

    with watched(see), pytest.raises(LogUnwritable, match="Input/output error") as refused:
        log.append(record)
    assert "The disk fails" in refused.value.remedy


class TestAfterASyncThatFailed:
    """The kernel calls pages clean then that never reached the disk: only what is read from it again is believed."""

    def test_the_cut_is_synced_the_cache_dropped_and_the_line_before_compared(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with JsonLines(path) as log:
            log.append({"a": 1})
            fail_to_sync(log, {"a": 2})
            assert serials(path) == [1]
            done: list[tuple[Any, ...]] = []
            sync, advise, read = os.fdatasync, os.posix_fadvise, os.pread

            def advised(file: int, *given: int) -> None:
                advise(file, *given)
                done.append(("advise", *given))

            monkeypatch.setattr(os, "fdatasync", lambda file: (sync(file), done.append(("sync",))))
            monkeypatch.setattr(os, "posix_fadvise", advised)
            monkeypatch.setattr(os, "pread", lambda *given: (done.append(("read", *given[1:])), read(*given))[1])
            log.check()
            assert done[-3:] == [("sync",), ("advise", 0, 0, os.POSIX_FADV_DONTNEED), ("read", 9, 0)]
            done.clear()
            log.append({"a": 3})
            assert ("advise", 0, 0, os.POSIX_FADV_DONTNEED) not in done  # once is enough
        assert serials(path) == [1, 3]

    def test_other_bytes_than_were_acknowledged_end_it(self, path: Path) -> None:
        with JsonLines(path) as log:
            log.append({"a": 1})
            log.append({"a": 2})
            fail_to_sync(log, {"a": 3})
            content = path.read_bytes()
            path.write_bytes(content.replace(b"2", b"7"))  # as a block that the failed write has spoilt
            for ask in (log.check, lambda: log.append({"a": 4}), log.check):
                with pytest.raises(LogUnwritable, match="gives back other bytes") as refused:
                    ask()
                assert "replace this one" in refused.value.remedy
            assert b"4" not in path.read_bytes()
            path.write_bytes(content)
            log.append({"a": 5})
        assert serials(path) == [1, 2, 5]

    def test_a_disk_that_still_fails_is_still_refused(self, path: Path) -> None:
        with JsonLines(path) as log:
            log.append({"a": 1})
            fail_to_sync(log, {"a": 2})
            fail_to_sync(log, {"a": 3})
            log.append({"a": 4})
        assert serials(path) == [1, 4]

    def test_what_another_process_has_added_meanwhile_stays(self, path: Path) -> None:
        with JsonLines(path) as log, JsonLines(path) as other:
            log.append({"a": 1})
            fail_to_sync(log, {"a": 2})
            other.append({"a": 3})
            log.append({"a": 4})
        assert serials(path) == [1, 3, 4]


@pytest.mark.parametrize(
    "torn",
    [
        b'{"a": \0\0\0\0, "b": 3}\n',
        b'\0\0\0\0\0\0\0"b": 3}\n',
        b'{"a": 2, "b"\0\0\0\0\0\0\0\0',
        b'\0\0\0\0\xbc"}\n',  # a character's end
        b'{"a": "\xe2\x98\0\0\0\0"}\n',  # and a beginning
        bytes(5000) + b"\n",
    ],
    ids=repr,
)
def test_zeros_anywhere_in_the_last_line_are_lost_power(path: Path, torn: bytes) -> None:
    path.write_bytes(b'{"a": 1}\n' + torn)
    assert serials(path) == [1]
    with JsonLines(path) as log:
        assert log.repair == Repair(2, torn)
        log.append({"a": 2})
    assert serials(path) == [1, 2]


def test_zeros_in_another_line_are_named(path: Path) -> None:
    path.write_bytes(b'{"a": 1}\n{"a": \0\0}\n{"a": 3}\n')
    with pytest.raises(LogUnreadable, match="line 2 is no JSON object"):
        serials(path)
    with JsonLines(path) as log:
        assert log.repair is None


@pytest.mark.parametrize("end", [b"\0\1\2\n", b"{\0\xff\xfe\n", b"GIF89a\0\n\n"])
def test_what_is_no_text_is_left_alone(path: Path, end: bytes) -> None:
    content = b'{"a": 1}\n' + end
    path.write_bytes(content)
    JsonLines(path).close()
    assert path.read_bytes() == content
    with pytest.raises(LogUnreadable, match="line 2"):
        serials(path)


class TestRoom:
    @pytest.mark.parametrize(("user", "refused"), [(0, False), (1000, True)])
    def test_what_is_kept_for_root_is_no_room_for_others(
        self, path: Path, monkeypatch: pytest.MonkeyPatch, user: int, refused: bool
    ) -> None:
        with JsonLines(path) as log:
            disk = SimpleNamespace(f_flag=0, f_blocks=1000, f_bfree=50, f_bavail=0)
            monkeypatch.setattr(os, "fstatvfs", lambda _file: disk)
            monkeypatch.setattr(os, "geteuid", lambda: user)
            if refused:
                with pytest.raises(LogUnwritable, match="No space left") as full:
                    log.check()
                assert (full.value.errno, full.value.status) == (errno.ENOSPC, 507)
            else:
                log.check()

    def test_a_card_that_has_made_itself_read_only(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with JsonLines(path) as log:
            disk = SimpleNamespace(f_flag=os.ST_RDONLY, f_blocks=1000, f_bfree=50, f_bavail=50)
            monkeypatch.setattr(os, "fstatvfs", lambda _file: disk)
            with pytest.raises(LogUnwritable, match="Read-only file system") as refused:
                log.append({"a": 1})
            assert "`dmesg`" in refused.value.remedy

    @pytest.mark.parametrize(
        ("number", "words"), [(errno.ENOSPC, "Free space"), (errno.EROFS, "mount it again"), (errno.EIO, "replace it")]
    )
    def test_each_has_its_remedy(self, number: int, words: str) -> None:
        assert words in remedy(OSError(number, os.strerror(number)), "log")


def test_folders_are_made_with_their_names_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (synced.append(os.fstat(file).st_ino), real(file)))
    make_folder(tmp_path / "a" / "b")
    assert synced == [tmp_path.stat().st_ino, (tmp_path / "a").stat().st_ino]
    make_folder(tmp_path / "a" / "b")
    assert len(synced) == 2
    (tmp_path / "file").touch()
    with pytest.raises(LogUnwritable, match="cannot be written"):
        make_folder(tmp_path / "file" / "c")
