"""The machine's clock, disk and supply, in folders that look like one."""

import os
import shutil
import stat
import sys
from collections import namedtuple
from collections.abc import Sequence
from pathlib import Path

import pytest

from retrolux.device import host
from retrolux.device.findings import State, faults
from retrolux.device.host import clock, disk, examine_host, run_program, synchronised, undervoltage

NOW = 1_763_870_458.0
PI = "Raspberry Pi 4 Model B Rev 1.4\0"


def write(root: Path, path: str, text: str = "") -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def says(**answers: str | None) -> host.Run:
    """A machine whose programs print this."""
    return lambda command: answers.get(command[0])


def nothing(_command: Sequence[str]) -> None:
    return None


class TestClock:
    def test_a_clock_that_is_set(self, tmp_path: Path) -> None:
        found = clock(tmp_path, NOW)
        assert found.state is State.GOOD
        assert "2025-11-23 04:00 UTC" in found.seen

    @pytest.mark.parametrize("now", [0.0, 1_600_000_000.0, 5e9, -1.0])
    def test_one_that_is_not(self, tmp_path: Path, now: float) -> None:
        assert clock(tmp_path, now).fault == "clock wrong"

    def test_one_that_is_behind_the_log(self, tmp_path: Path) -> None:
        (tmp_path / "rgb.jsonl").touch()
        os.utime(tmp_path / "rgb.jsonl", (NOW, NOW))
        assert clock(tmp_path, NOW - 60).state is State.GOOD
        found = clock(tmp_path, NOW - 30 * 86400)
        assert found.fault == "clock wrong"
        assert "2025-10-24" in found.seen
        assert "2025-11-23" in found.seen

    def test_a_state_folder_that_is_not_there_says_nothing(self, tmp_path: Path) -> None:
        assert clock(tmp_path / "none", NOW).state is State.GOOD


class TestSynchronisation:
    def test_systemds_own_mark(self, tmp_path: Path) -> None:
        write(tmp_path, "run/systemd/timesync/synchronized")
        assert synchronised(tmp_path, nothing).state is State.GOOD

    @pytest.mark.parametrize(
        ("answer", "state"), [("yes\n", State.GOOD), ("no\n", State.ODD), (None, State.SKIPPED), ("?", State.SKIPPED)]
    )
    def test_what_timedatectl_says(self, tmp_path: Path, answer: str | None, state: State) -> None:
        (tmp_path / "run/systemd/system").mkdir(parents=True)
        assert synchronised(tmp_path, says(timedatectl=answer)).state is state

    def test_without_systemd_nothing_is_asked(self, tmp_path: Path) -> None:
        def never(_command: Sequence[str]) -> str:
            raise AssertionError

        assert synchronised(tmp_path, never).state is State.SKIPPED


class TestDisk:
    def test_a_folder_with_space(self, tmp_path: Path) -> None:
        found = disk(tmp_path / "to" / "be" / "made")
        assert found.state is State.GOOD
        assert found.numbers["folder"] == str(tmp_path)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("free", "state", "fault"),
        [(1e6, State.BAD, "disk full"), (100e6, State.ODD, ""), (2e9, State.GOOD, "")],
    )
    def test_how_much_is_free(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: float, state: State, fault: str
    ) -> None:
        usage = namedtuple("usage", "total used free")  # as shutil has it
        monkeypatch.setattr(shutil, "disk_usage", lambda _folder: usage(32e9, 0, free))
        found = disk(tmp_path)
        assert (found.state, found.fault) == (state, fault)

    def test_a_folder_that_cannot_be_written(self, tmp_path: Path) -> None:
        if os.geteuid() == 0:
            found = disk(Path("/proc/nothing/here"))  # where root cannot either
        else:
            tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
            found = disk(tmp_path)
        assert (found.state, found.fault) == (State.BAD, "disk not writable")


class TestUndervoltage:
    @pytest.fixture
    def pi(self, tmp_path: Path) -> Path:
        write(tmp_path, "proc/device-tree/model", PI)
        write(tmp_path, "sys/class/hwmon/hwmon0/name", "cpu_thermal\n")
        return tmp_path

    def test_another_machine_is_skipped(self, tmp_path: Path) -> None:
        assert undervoltage(tmp_path, says(vcgencmd="throttled=0x1")).state is State.SKIPPED

    @pytest.mark.parametrize(
        ("bits", "state", "words"),
        [
            ("0x0", State.GOOD, "nor was it"),
            ("0x50000", State.ODD, "at times"),
            ("0x50005", State.BAD, "now"),
            ("0x80008", State.GOOD, "nor was it"),  # hot, which is another matter
            ("what", State.SKIPPED, "Neither"),
        ],
    )
    def test_what_the_firmware_says(self, pi: Path, bits: str, state: State, words: str) -> None:
        found = undervoltage(pi, says(vcgencmd=f"throttled={bits}\n"))
        assert found.state is state
        assert words in found.seen

    @pytest.mark.parametrize(("value", "state"), [("0\n", State.GOOD), ("1\n", State.BAD)])
    def test_what_the_kernel_says(self, pi: Path, value: str, state: State) -> None:
        write(pi, "sys/class/hwmon/hwmon1/name", "rpi_volt\n")
        write(pi, "sys/class/hwmon/hwmon1/in0_lcrit_alarm", value)
        assert undervoltage(pi, nothing).state is state

    def test_either_alarm_counts(self, pi: Path) -> None:
        write(pi, "sys/class/hwmon/hwmon1/name", "rpi_volt\n")
        write(pi, "sys/class/hwmon/hwmon1/in0_lcrit_alarm", "1\n")
        found = undervoltage(pi, says(vcgencmd="throttled=0x0"))
        assert found.fault == "undervoltage"
        assert found.numbers == {"alarm": True, "throttled": "0x0"}

    def test_a_pi_that_says_nothing_is_skipped(self, pi: Path) -> None:
        assert undervoltage(pi, nothing).state is State.SKIPPED


def test_all_four_come_in_order(tmp_path: Path) -> None:
    found = examine_host(tmp_path, tmp_path, NOW, nothing)
    assert [f.name for f in found] == ["clock", "synchronised", "disk", "undervoltage"]
    assert faults(found) == ()


def test_this_machine_can_be_asked(tmp_path: Path) -> None:
    assert all(f.seen for f in examine_host(tmp_path))


def test_programs_that_fail_or_are_not_there_say_nothing() -> None:
    assert run_program([sys.executable, "-c", "print('throttled=0x0')"]) == "throttled=0x0\n"
    assert run_program([sys.executable, "-c", "raise SystemExit(1)"]) is None
    assert run_program(["no-such-program-anywhere"]) is None
