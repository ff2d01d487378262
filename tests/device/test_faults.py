"""Faults of bus and supply: a right reading, or an error in bounded time with the light dark, and no wrong number.

The reliability table: ``pytest -m slow tests/device/test_faults.py -s``.
"""

import contextlib

import pytest

from retrolux.device.deadlines import Deadlines
from retrolux.device.errors import SensorMissing, SensorReset
from retrolux.device.measurement import CHANNELS, REFERENCE, Exposure
from retrolux.device.passes import SIX
from retrolux.device.settings import InstrumentSettings
from retrolux.device.sim import open_sim
from retrolux.device.sim.faults import Fault
from tests.device.trials import DUTIES, LASTING, Trials, lasting, unplug

AT_RESET = Exposure(256, 0, 999)  # what the registers say after a brown-out, so that they cannot give it away
EXPOSURES = [REFERENCE, Exposure(16, 29, 599), AT_RESET]
SOME = ("415nm", "680nm", "clear")  # a map made for them


def deadline(exposure: Exposure, passes: int) -> float:
    """Four attempts a pass, their pauses, and some transactions that time out."""
    return 4 * passes * (1.25 * (0.015 + exposure.seconds) + 0.25) + 0.125 + 8 * 0.035


def strike_at_random(trials: Trials, readings: int, share: float) -> None:
    """Make readings of all channels; a share of them is struck, at a uniformly chosen transaction."""
    n, faults, rng = trials.transactions(), list(Fault), trials.rng
    for _ in range(readings - 1):
        if rng.random() < share:
            trials.struck(faults[rng.integers(len(faults))], int(rng.integers(n)))
        else:
            trials.reading()


def check_figures(trials: Trials) -> None:
    struck = [row for kind, row in trials.rows.items() if kind != "no fault"]
    assert {kind for kind in trials.rows if kind != "no fault"} == {fault.value for fault in Fault}
    assert sum(row.wrong for row in trials.rows.values()) == 0
    assert not trials.rows["no fault"].errors
    assert sum(row.right for row in struck) >= 0.99 * sum(row.readings for row in struck)
    assert max(row.dark_after for row in struck) < 0.1
    assert max(row.slowest for row in struck) < deadline(REFERENCE, 2)


def test_readings_struck_at_random_recover() -> None:
    trials = Trials(seed=1)
    strike_at_random(trials, readings=2000, share=0.2)
    check_figures(trials)


@pytest.mark.parametrize("clears", [True, False])
def test_many_faults_in_one_reading_make_errors_but_no_wrong_number(clears: bool) -> None:
    """Also faults that strike in the middle of a recovery, and readings that begin where another gave up."""
    trials, faults = Trials(seed=13), list(Fault)
    trials.parts.chip.valid_clears_on_read = clears
    for _ in range(1500):
        for after in trials.rng.integers(400, size=trials.rng.integers(2, 12)):
            trials.bus.arm(faults[trials.rng.integers(len(faults))], int(after))
        trials.reading("many", SOME if trials.rng.random() < 0.5 else CHANNELS)
    rows = trials.rows.values()
    assert sum(row.right for row in rows) > 100
    assert sum(row.errors.total() for row in rows) > 100
    assert sum(row.wrong for row in rows) == 0


@pytest.mark.slow
def test_reliability_of_100_000_readings() -> None:
    trials = Trials(seed=2)
    strike_at_random(trials, readings=100_000, share=0.01)
    means = ", ".join(f"{name} {n}" for name, n in trials.sensor.recovery.succeeded.items())
    check_figures(trials)
    trials.rows |= {kind: lasting(kind, REFERENCE, readings=100) for kind in LASTING}
    print(f"\n\n{trials.table()}\n\n{trials.transactions()} transactions in a reading of ten channels")
    print(f"means by which readings were made: {means}")


@pytest.mark.parametrize("channels", [SIX.channels, SOME, CHANNELS], ids=str)
@pytest.mark.parametrize("exposure", EXPOSURES, ids=str)
@pytest.mark.parametrize("fault", Fault)
def test_a_fault_at_each_transaction_in_turn(fault: Fault, exposure: Exposure, channels: tuple[str, ...]) -> None:
    """No transaction of a reading is one at which a fault goes unnoticed; the reading after it is right too."""
    trials = Trials(seed=3, exposure=exposure)
    for after in range(trials.transactions(channels)):
        trials.struck(fault, after, channels)
        trials.reading(channels=channels)
    row = trials.rows[fault.value]
    assert row.readings > 30
    assert row.right == row.readings
    assert trials.rows["no fault"].wrong == 0
    assert row.slowest < deadline(exposure, 2)


@pytest.mark.parametrize("fault", Fault)
def test_a_fault_while_it_is_opened_is_an_error_at_once_or_none(fault: Fault) -> None:
    trials = Trials(seed=12)
    for after in range(40):  # opening has about 30 transactions
        trials.bus.deinit()
        trials.bus.arm(fault, after)
        began = trials.clock.monotonic()
        with contextlib.suppress(SensorMissing), open_sim(0, InstrumentSettings(), trials.parts):
            pass
        assert trials.clock.monotonic() - began < 0.3
        trials.bus.disarm()
        trials.reading()
    assert trials.rows["no fault"].right == 40


@pytest.mark.parametrize("fault", Fault)
def test_a_fault_between_readings_is_recovered_from(fault: Fault) -> None:
    trials = Trials(seed=4)
    for _ in range(20):
        trials.struck(fault, 0)
    assert trials.rows[fault.value].right == 20


def test_a_brown_out_that_takes_the_light_with_it_is_recovered_from(monkeypatch: pytest.MonkeyPatch) -> None:
    trials = Trials(seed=11)
    real, pins = trials.parts.chip.power_loss, trials.parts.pins

    def both() -> None:
        real()
        for pin in pins:
            pin.duty_cycle = 0

    monkeypatch.setattr(trials.parts.chip, "power_loss", both)
    for after in range(trials.transactions()):
        trials.struck(Fault.BROWN_OUT, after)
    row = trials.rows[Fault.BROWN_OUT.value]
    assert row.right == row.readings > 80


@pytest.mark.parametrize("exposure", [Exposure(256, 100, 999), AT_RESET], ids=str)  # a frame tells another gain itself
def test_the_twin_sees_wrong_numbers_where_nothing_is_checked(
    exposure: Exposure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the proof behind each frame, brown-outs do make wrong numbers, and this suite would say so."""
    monkeypatch.setattr(Deadlines, "check", lambda self: None)
    trials = Trials(seed=5, exposure=exposure)
    for after in range(trials.transactions()):
        trials.struck(Fault.BROWN_OUT, after)
    assert trials.rows[Fault.BROWN_OUT.value].wrong > 0


def test_only_the_mark_gives_away_a_reset_to_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retrolux.device.deadlines.MARK_VALUE", 0)  # what a reset leaves there
    trials = Trials(seed=6, exposure=AT_RESET)
    for after in range(trials.transactions()):
        trials.struck(Fault.BROWN_OUT, after)
    assert trials.rows[Fault.BROWN_OUT.value].wrong > 0


@pytest.mark.parametrize("kind", LASTING)
@pytest.mark.parametrize("exposure", [REFERENCE, Exposure(1, 100, 9999)], ids=str)
def test_a_fault_that_lasts_is_an_error_within_the_deadline(kind: str, exposure: Exposure) -> None:
    row = lasting(kind, exposure, readings=3)
    assert dict(row.errors) == {LASTING[kind][1].__name__: 3}
    assert row.slowest < deadline(exposure, 1)  # the first pass is the last
    assert row.dark_after < 0.1


def test_giving_up_says_how_often_and_how_long_it_was_tried() -> None:
    trials = Trials(seed=8)
    unplug(trials)
    with pytest.raises(SensorMissing, match=r"No sensor answers.*Given up after 4 attempts in 0\.1 s"):
        trials.instrument.measure(DUTIES)


def test_a_reset_found_out_names_what_was_lost() -> None:
    trials = Trials(seed=9)
    trials.parts.chip.power_loss()
    with pytest.raises(SensorReset, match="lost the mark") as found:
        trials.sensor._look()
    assert "does not dip" in found.value.remedy


def test_it_recovers_by_the_mildest_means_that_helps() -> None:
    trials = Trials(seed=10)
    for fault in (Fault.NACK, Fault.BROWN_OUT, Fault.STUCK):
        trials.struck(fault, 30, SIX.channels)
        trials.reading(channels=CHANNELS[:3])
    succeeded = trials.sensor.recovery.succeeded
    assert succeeded["first attempt"] == 3
    assert succeeded["set up anew"] >= 1
    assert succeeded["bus reopened"] == 1
    assert sum(succeeded.values()) == 6
