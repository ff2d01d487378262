"""Whether the clock is set: who is asked, in which order, and what a reading then says."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from retrolux.device.clock import FakeClock, RealClock
from retrolux.device.host import SYNCHRONIZED
from retrolux.device.log import MeasurementLog, latest_records, read_records
from retrolux.device.remote import Remote
from retrolux.device.settings import InstrumentSettings
from retrolux.device.sim import make_parts, open_sim
from retrolux.device.timekeeping import EVERY, Synchronisation, ask_kernel

KERNEL = """
import ctypes
print(ctypes.CDLL(None).ntp_gettime(ctypes.create_string_buffer(256)))
"""
TIME_ERROR = 5  # linux/timex.h: not synchronised


def never(*_: object) -> None:
    raise AssertionError


def test_the_kernel_says_what_another_of_its_calls_says() -> None:
    said = int(subprocess.run([sys.executable, "-c", KERNEL], capture_output=True, check=True).stdout)
    assert ask_kernel() == (None if said < 0 else said != TIME_ERROR)


def test_timesyncd_s_file_is_enough(tmp_path: Path) -> None:
    (tmp_path / SYNCHRONIZED).parent.mkdir(parents=True)
    (tmp_path / SYNCHRONIZED).touch()
    assert Synchronisation(tmp_path, never, never).known() is True


@pytest.mark.parametrize("said", [True, False])
def test_without_it_the_kernel_tells_of_chrony_too(tmp_path: Path, said: bool) -> None:
    assert Synchronisation(tmp_path, lambda: said, never).known() is said


class TestWhereTheKernelMayNotBeAsked:
    @pytest.mark.parametrize(("said", "known"), [("yes\n", True), ("no\n", False), ("", None), (None, None)])
    def test_timedatectl_is(self, tmp_path: Path, said: str | None, known: bool | None) -> None:
        assert Synchronisation(tmp_path, lambda: None, lambda _: said).known() is known

    def test_it_is_asked_again_aside_once_a_minute_until_it_says_yes(self, tmp_path: Path) -> None:
        now, asked, answers = [0.0], list[str](), iter(["no", "yes"])
        done = threading.Event()

        def run(command: Sequence[str]) -> str:
            asked.append(threading.current_thread().name)
            done.set()
            return next(answers)

        clock = Synchronisation(tmp_path, lambda: None, run, lambda: now[0])
        assert clock.known() is False
        now[0] = EVERY - 1
        assert clock.known() is False
        assert len(asked) == 1
        done.clear()
        now[0] = EVERY
        assert clock.known() is False  # what it said last: nobody waits
        assert done.wait(60)
        for thread in threading.enumerate():
            if thread.name == "clock":
                thread.join()
        assert clock.known() is True
        now[0] = 10 * EVERY
        assert clock.known() is True
        assert asked == [threading.current_thread().name, "clock"]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(1_763_870_458.0)


def test_a_reading_says_so_only_where_the_clock_is_not_set(tmp_path: Path, clock: FakeClock) -> None:
    with open_sim(0, InstrumentSettings(), make_parts(0, clock)) as instrument:
        right = instrument.measure((0.1, 0.2, 0.3))
        clock.right = False
        wrong = instrument.measure((0.1, 0.2, 0.3))
        assert instrument.synchronised() is False
    assert "clock" not in right.to_record()
    assert wrong.to_record()["clock"] == "unsynchronised"
    with MeasurementLog(tmp_path / "rgb.jsonl") as log:
        log.add(right)
        log.add(wrong)
    assert [r.get("clock") for r in read_records(log.path)] == [None, "unsynchronised"]
    assert [r.get("clock") for r in latest_records(log.path, 2)] == [None, "unsynchronised"]


@pytest.mark.parametrize(("known", "marked"), [(True, None), (False, "unsynchronised"), (None, None)])
def test_one_of_which_nobody_knows_is_not_marked(known: bool | None, marked: str | None) -> None:
    clock = RealClock(lambda: known)
    clock.sleep = lambda seconds: None  # type: ignore[method-assign]
    parts = make_parts(0, FakeClock(0.0))
    parts.clock.synchronised = clock.synchronised  # type: ignore[method-assign]
    with open_sim(0, InstrumentSettings(), parts) as instrument:
        assert instrument.measure((0, 0, 0)).clock == marked


def test_a_simulator_in_real_time_is_right_and_so_is_one_by_default() -> None:
    assert RealClock().synchronised() is None
    with open_sim(0, InstrumentSettings(real_time=True)) as instrument:
        assert instrument.synchronised() is True


@pytest.mark.parametrize(
    ("time", "theirs", "ours", "marked"),
    [
        (True, "unsynchronised", True, "unsynchronised"),  # the other side dates it, and knows
        (True, None, False, None),
        (False, None, False, "unsynchronised"),  # a Claude-Light's is dated here
        (False, None, True, None),
    ],
)
def test_a_remote_reading_is_marked_by_whose_clock_dates_it(
    time: bool, theirs: str | None, ours: bool, marked: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = Remote("http://host")
    record: dict[str, object] = {"in": [0.1, 0.2, 0.3], "out": {"515nm": 7}}
    record |= {"time": 1.0} if time else {}
    record |= {"clock": theirs} if theirs else {}
    fetched: Callable[..., object] = lambda *_: json.loads(json.dumps(record))  # noqa: E731
    monkeypatch.setattr(remote, "_fetch", fetched)
    monkeypatch.setattr(remote, "_synchronisation", Synchronisation(Path("/none"), lambda: ours, never))
    assert remote.measure((0.1, 0.2, 0.3), ["515nm"]).clock == marked
