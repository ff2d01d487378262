"""What every instrument keeps, whatever is behind it: one suite for all of them."""

import json
import math
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrolux.device.errors import (
    BadInput,
    DeviceError,
    InstrumentClosed,
    LightError,
    RemoteError,
    SensorMissing,
    SensorTimeout,
    UnknownChannel,
)
from retrolux.device.measurement import CHANNELS, REFERENCE
from tests.device.conftest import Rig

BAD_DUTIES = [math.nan, math.inf, -math.inf, 1.2, -0.1, 10**400, "abc", "0.5", None, True, [0.5], 1j]
BAD_ROWS = [(), (0.1,), (0.1, 0.2), (0.1, 0.2, 0.3, 0.4), "abc", b"abc", "0.1", 0.5, None, {0.1, 0.2, 0.3}]
DARK = (0, 0, 0)
SETTING = (0.147, 0.372, 0.394)
FAULTS = ["unplugged", "loose wire", "endless integration", "endless multiplexer command"]


def _break(rig: Rig, fault: str) -> type[DeviceError]:
    """Break the sensor; return the error that a local instrument must raise."""
    bus, chip = rig.parts.bus, rig.parts.chip
    if fault == "unplugged":
        bus.present = False
    elif fault == "loose wire":
        bus.fail_after = 40
    elif fault == "endless integration":
        chip.stuck_data = True
    else:
        chip.stuck_smux = True
    return SensorTimeout if fault.startswith("endless") else SensorMissing


def _mend(rig: Rig) -> None:
    rig.parts.bus.present, rig.parts.bus.fail_after = True, None
    rig.parts.chip.stuck_data = rig.parts.chip.stuck_smux = False


@pytest.mark.parametrize("position", range(3))
@pytest.mark.parametrize("bad", BAD_DUTIES, ids=lambda bad: str(bad)[:8])
def test_a_bad_duty_is_refused_before_anything_moves(rig: Rig, bad: object, position: int) -> None:
    row: list[object] = [0.1, 0.2, 0.3]
    row[position] = bad
    before, moves = rig.parts.clock.monotonic(), rig.moves
    with pytest.raises(BadInput) as refused:
        rig.instrument.measure(row)  # type: ignore[arg-type]
    assert refused.value.cause.startswith("RGB"[position])
    assert refused.value.remedy
    assert (rig.moves, rig.parts.clock.monotonic()) == (moves, before)


@pytest.mark.parametrize("row", BAD_ROWS, ids=str)
def test_inputs_that_are_no_row_of_three_are_refused(rig: Rig, row: object) -> None:
    moves = rig.moves
    with pytest.raises(BadInput, match="3 inputs are needed, R, G, B"):
        rig.instrument.measure(row)  # type: ignore[arg-type]
    assert rig.moves == moves


@pytest.mark.parametrize(
    ("channels", "words"),
    [
        (["515nm", "700nm"], "no channel 700nm"),
        ([], "No channel was asked for"),
        ("515nm", "no channel"),
        ([None, 515], "no channel 515, None"),
    ],
    ids=str,
)
def test_channels_that_do_not_exist_are_refused_before_anything_moves(rig: Rig, channels: list, words: str) -> None:
    moves = rig.moves
    with pytest.raises(UnknownChannel, match=words) as refused:
        rig.instrument.measure(SETTING, channels)
    assert "515nm" in refused.value.remedy
    assert rig.moves == moves


@given(wanted=st.sets(st.sampled_from(CHANNELS), min_size=1))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_subset_of_channels_can_be_read(rig: Rig, wanted: set[str]) -> None:
    reading = rig.instrument.measure(SETTING, wanted)
    assert tuple(reading.outputs) == tuple(c for c in CHANNELS if c in wanted)


def test_a_reading_says_all_that_gives_it_meaning(rig: Rig) -> None:
    first, second = rig.instrument.measure((1, 0, 0.25)), rig.instrument.measure(SETTING)
    record = json.loads(json.dumps(first.to_record()))
    assert record["in"] == [1.0, 0.0, 0.25]
    assert set(record["out"]) == set(CHANNELS)
    assert all(type(count) is int and 0 <= count <= 65535 for count in record["out"].values())
    assert {k: record[k] for k in ("v", "gain", "atime", "astep")} == {"v": 1, "gain": 128, "atime": 100, "astep": 999}
    assert first.exposure == REFERENCE
    if rig.kind != "a remote Claude-Light":
        assert record["duty"] == pytest.approx(record["in"], abs=0.005001)
    assert len(first.id) == 26
    assert first.id < second.id
    assert second.time >= first.time
    assert record["device"].startswith(rig.instrument.name)
    assert record["elapsed"] > 0
    assert record["saturated"] == []
    assert first.outputs["630nm"] == pytest.approx(29145 + 0.25 * 745 + 1433, rel=0.15)


def test_its_status_is_plain_and_names_it(rig: Rig) -> None:
    rig.instrument.measure(SETTING)
    status = json.loads(json.dumps(rig.instrument.status()))
    assert status["device"] == rig.instrument.name
    assert "exposure" in status


def test_saturated_channels_are_named(rig: Rig) -> None:
    reading = rig.instrument.measure((1, 1, 1))
    assert reading.outputs["clear"] == 65535
    assert "clear" in reading.saturated
    assert set(reading.saturated) == {c for c, count in reading.outputs.items() if count == 65535}


def test_the_light_shines_during_a_reading_and_is_dark_after(rig: Rig) -> None:
    rig.instrument.measure((0.5, 0.25, 0.125))
    assert rig.duties == DARK
    assert rig.brightest == pytest.approx((0.5, 0.25, 0.125), abs=0.005001)  # of 101 levels


@pytest.mark.parametrize("fault", FAULTS)
def test_the_light_is_dark_after_a_failing_sensor_and_works_again_when_mended(rig: Rig, fault: str) -> None:
    expected = _break(rig, fault)
    with pytest.raises(RemoteError if rig.remote else expected) as failed:
        rig.instrument.measure((1, 1, 1))
    assert rig.duties == DARK
    assert failed.value.cause
    assert failed.value.remedy
    if not rig.remote:
        assert "SDA on pin 3" in failed.value.remedy
    _mend(rig)
    assert rig.instrument.measure((0, 0, 1)).outputs["445nm"] > 25000


@pytest.mark.parametrize("broken", range(3))
def test_pins_that_still_obey_are_dark_when_one_does_not(rig: Rig, broken: int) -> None:
    rig.parts.pins[broken].broken = True
    with pytest.raises(RemoteError if rig.remote else LightError):
        rig.instrument.measure((0.5, 0.5, 0.5))
    assert rig.duties == DARK
    rig.parts.pins[broken].broken = False


def test_a_closed_instrument_is_dark_and_refuses(rig: Rig) -> None:
    rig.instrument.measure(SETTING)
    rig.instrument.close()
    moves = rig.moves
    with pytest.raises(InstrumentClosed, match="is closed"):
        rig.instrument.measure(SETTING)
    rig.instrument.dark()
    rig.instrument.close()
    assert rig.duties == DARK
    assert rig.moves == moves


def test_the_light_is_dark_when_a_block_is_left_by_an_exception(rig: Rig) -> None:
    def interrupted() -> None:
        with rig.instrument:
            rig.instrument.measure(SETTING)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert rig.duties == DARK
    with pytest.raises(InstrumentClosed):
        rig.instrument.measure(SETTING)


def test_eight_threads_each_get_their_own_reading(rig: Rig) -> None:
    asked = [(round(i / 32, 6), 0.0, round((31 - i) / 32, 6)) for i in range(32)]
    with ThreadPoolExecutor(8) as pool:
        readings = list(pool.map(rig.instrument.measure, asked))
    assert [reading.inputs for reading in readings] == asked
    blue = [reading.outputs["445nm"] for reading in readings]
    assert blue == sorted(blue, reverse=True)  # a step of 1/32 is 950 counts, noise below 200
    assert len({reading.id for reading in readings}) == 32
    assert rig.duties == DARK


def test_dark_is_harmless_at_any_time(rig: Rig) -> None:
    rig.instrument.dark()
    assert rig.duties == DARK
    rig.instrument.measure(SETTING)
    rig.instrument.dark()
    assert rig.duties == DARK
