"""The heartbeat of a measurement, and the lightest sign of life of an instrument."""

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from retrolux.device.bench import Bench
from retrolux.device.clock import FakeClock, RealClock
from retrolux.device.errors import InstrumentClosed, SensorMissing
from retrolux.device.heartbeat import Heartbeat
from retrolux.device.log import MeasurementLog
from retrolux.device.recording import Recorder
from retrolux.device.remote import Remote
from retrolux.device.settings import InstrumentSettings
from retrolux.device.sim import Parts, make_parts, open_sim
from retrolux.device.sim.bus import EmulatedBus


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def parts() -> Parts:
    return make_parts(0, FakeClock(0))


@pytest.fixture
def instrument(parts: Parts) -> Iterator[Bench]:
    with open_sim(0, InstrumentSettings(), parts) as opened:
        yield opened


def test_a_step_is_expected_for_as_long_as_it_was_said_to_take() -> None:
    time = Time()
    heart = Heartbeat(time)
    assert not heart.expected
    heart.beat(47)
    time.now = 46.9
    assert heart.expected
    time.now = 47
    assert not heart.expected
    heart.beat(47)
    heart.beat()  # the step was over early
    assert not heart.expected


def test_a_wait_in_real_time_is_a_step_that_says_how_long_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, told = RealClock(), list[tuple[str, bool]]()
    clock.heartbeat.heard = lambda: told.append(("beat", clock.heartbeat.expected))
    monkeypatch.setattr("retrolux.device.clock.time.sleep", lambda s: told.append((f"slept {s:g}", True)))
    clock.sleep(42)
    assert told == [("beat", True), ("slept 42", True), ("beat", False)]


def test_a_measurement_beats_at_its_beginning_and_end_in_the_thread_that_measures(instrument: Bench) -> None:
    heard: Counter[str] = Counter()
    instrument.heartbeat.heard = lambda: heard.update([threading.current_thread().name])
    measuring = threading.Thread(target=instrument.measure, args=((0.1, 0.2, 0.3),), name="measuring")
    measuring.start()
    measuring.join()
    assert heard == {"measuring": 2}


def test_the_sign_of_life_is_one_transaction_that_changes_nothing(
    instrument: Bench, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    registers, seen = bytes(parts.chip.registers), list[int]()
    transact = EmulatedBus._transact
    monkeypatch.setattr(EmulatedBus, "_transact", lambda bus, a, n: (seen.append(a), transact(bus, a, n))[1])
    assert instrument.answers(0)
    assert seen == [0x39]
    assert bytes(parts.chip.registers) == registers
    parts.bus.present = False
    with pytest.raises(SensorMissing, match="stopped answering"):
        instrument.answers(0)
    parts.bus.present = True
    assert instrument.answers(0)
    instrument.close()
    with pytest.raises(InstrumentClosed):
        instrument.answers(0)


@pytest.mark.parametrize("lock", ["recorder", "instrument"])
def test_whoever_holds_either_lock_keeps_it_from_answering(lock: str, instrument: Bench, tmp_path: Path) -> None:
    recorder = Recorder(instrument, MeasurementLog(tmp_path / "rgb.jsonl"))
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with recorder._one_at_a_time if lock == "recorder" else instrument._one_at_a_time:
            held.set()
            done.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    assert not recorder.answers(0.01)
    done.set()
    holder.join()
    assert recorder.answers(0.01)
    recorder.close()


def test_a_card_may_take_its_time_to_have_a_line_on_it(
    instrument: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder, seen = Recorder(instrument, MeasurementLog(tmp_path / "rgb.jsonl")), list[bool]()
    add = recorder.log.add
    monkeypatch.setattr(recorder.log, "add", lambda *a: (seen.append(instrument.heartbeat.expected), add(*a))[1])
    recorder.measure((0, 0, 0))
    assert seen == [True]
    assert not instrument.heartbeat.expected
    recorder.close()


def test_another_s_instrument_says_how_long_its_answer_may_take(monkeypatch: pytest.MonkeyPatch) -> None:
    remote, seen = Remote("http://127.0.0.1:9", timeout=30), list[bool]()
    assert remote.answers(0)  # nothing is asked of the other side

    def refuse(*_: object, **__: object) -> None:
        seen.append(remote.heartbeat.expected)
        raise OSError("refused")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    with pytest.raises(ConnectionError):
        remote.measure((0, 0, 0))
    assert seen == [True]
    assert not remote.heartbeat.expected
