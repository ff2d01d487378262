"""The ladder itself, and the faults that it is tried with."""

import errno

import numpy as np
import pytest

from retrolux.device.clock import FakeClock
from retrolux.device.errors import LightError, SensorMissing, SensorReset, SensorTimeout
from retrolux.device.recovery import Ladder, Rung
from retrolux.device.sim import Parts
from retrolux.device.sim.faults import MOST_IN_A_ROW, TIMEOUT_SECONDS, Fault, FaultyBus

ENABLE, ATIME = 0x80, 0x81


class Act:
    """Fails with these errors in turn, then succeeds; notes in the log when."""

    def __init__(self, log: list[str], *errors: Exception) -> None:
        self._log, self._errors = log, list(errors)

    def __call__(self) -> str:
        self._log.append("act")
        if self._errors:
            raise self._errors.pop(0)
        return "result"


def ladder(clock: FakeClock, log: list[str]) -> Ladder:
    pauses = {"first": 0.0, "second": 1.0, "third": 10.0}
    return Ladder(clock, [Rung(name, pause, lambda name=name: log.append(name)) for name, pause in pauses.items()])


def lost() -> SensorMissing:
    return SensorMissing("Gone.", "Look.")


def test_what_succeeds_at_once_climbs_no_further() -> None:
    clock, log = FakeClock(0), list[str]()
    steps = ladder(clock, log)
    assert steps.climb(Act(log)) == "result"
    assert (log, clock.monotonic(), steps.succeeded) == (["first", "act"], 0, {"first": 1})


def test_each_rung_pauses_prepares_relights_and_acts_in_this_order() -> None:
    clock, log = FakeClock(0), list[str]()
    steps = ladder(clock, log)
    assert steps.climb(Act(log, lost(), lost()), lambda: log.append("light")) == "result"
    assert log == ["first", "act", "second", "light", "act", "third", "light", "act"]
    assert (clock.monotonic(), steps.succeeded) == (11, {"third": 1})


@pytest.mark.parametrize("error", [SensorMissing, SensorTimeout, SensorReset])
def test_the_last_error_is_raised_with_what_was_tried(error: type[SensorMissing]) -> None:
    with pytest.raises(error, match=r"^Dead\. Given up after 3 attempts in 11\.0 s\. Bury it\.$") as raised:
        ladder(FakeClock(0), []).climb(Act([], lost(), lost(), error("Dead.", "Bury it.")))
    assert isinstance(raised.value.__cause__, error)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), LightError("Dark.", "Wait."), ZeroDivisionError()])
def test_what_is_no_error_of_the_sensor_is_raised_at_once(error: Exception) -> None:
    log: list[str] = []
    with pytest.raises(type(error)):
        ladder(FakeClock(0), log).climb(Act(log, error))
    assert log == ["first", "act"]


def test_a_rung_whose_means_fail_is_left_for_the_next() -> None:
    log: list[str] = []
    rungs = [Rung("a", 0, lambda: None), Rung("b", 0, Act(log, lost())), Rung("c", 0, lambda: None)]  # type: ignore[arg-type]
    assert Ladder(FakeClock(0), rungs).climb(Act(log, lost())) == "result"
    assert log == ["act", "act", "act"]  # a's, the means of b, c's


# The faults.


@pytest.fixture
def bus(parts: Parts) -> FaultyBus:
    return FaultyBus(parts.chip, parts.clock, np.random.default_rng(0))


def write(bus: FaultyBus, register: int, *values: int) -> int:
    """Write; return the error's number, 0 for none."""
    try:
        bus.writeto(0x39, bytes([register, *values]))
    except OSError as error:
        return error.errno or -1
    return 0


@pytest.mark.parametrize(("fault", "number"), [(Fault.NACK, errno.EREMOTEIO), (Fault.TIMEOUT, errno.ETIMEDOUT)])
def test_a_disturbance_spoils_one_to_three_transactions(bus: FaultyBus, fault: Fault, number: int) -> None:
    runs = set()
    for _ in range(40):
        bus.arm(fault, 1)
        outcome = [write(bus, ATIME, 1) for _ in range(6)]
        n = outcome.count(number)
        assert outcome == [0] + [number] * n + [0] * (5 - n)
        runs.add(n)
    assert runs == set(range(1, MOST_IN_A_ROW + 1))


def test_some_writes_arrive_though_they_time_out(bus: FaultyBus) -> None:
    arrived = set()
    for value in range(1, 60):
        bus.arm(Fault.TIMEOUT, 0)
        write(bus, ATIME, value)
        arrived.add(bus.chip.registers[ATIME] == value)
        while write(bus, ENABLE, 1):
            pass
    assert arrived == {True, False}


def test_a_stuck_bus_is_stuck_until_it_is_opened_anew(bus: FaultyBus, parts: Parts) -> None:
    bus.arm(Fault.STUCK, 0)
    began = parts.clock.monotonic()
    assert {write(bus, ATIME, 1) for _ in range(50)} == {errno.ETIMEDOUT}
    assert parts.clock.monotonic() - began == pytest.approx(50 * TIMEOUT_SECONDS)
    bus.deinit()
    assert write(bus, ATIME, 1) == 0


def test_only_the_next_integration_is_never_ready(bus: FaultyBus, parts: Parts) -> None:
    bus.arm(Fault.NEVER_READY, 0)
    valid = []
    for _ in range(3):
        write(bus, ENABLE, 1)
        write(bus, ENABLE, 3)
        parts.clock.sleep(1)
        valid.append(bool(bus.chip.read(0xA3) & 0x40))
    assert valid == [False, True, True]


def test_a_brown_out_leaves_the_values_of_a_reset(bus: FaultyBus) -> None:
    for register in (ATIME, 0xCA, 0xAA, 0x84, 0x05, ENABLE):
        write(bus, register, 3)
    bus.arm(Fault.BROWN_OUT, 0)
    values = bytearray(1)
    read = {}
    for register in (ATIME, 0xCA, 0xAA, 0x84, 0x05, ENABLE, 0x92):
        bus.writeto_then_readfrom(0x39, bytes([register]), values)
        read[register] = values[0]
    assert read == {ATIME: 0, 0xCA: 0xE7, 0xAA: 9, 0x84: 0, 0x05: 0, ENABLE: 0, 0x92: 0x24}
