"""The sensor's synchronised mode: windows from edge to edge of one colour's pulses."""

from dataclasses import replace

import numpy as np
import pytest

from retrolux.device.bench import Bench, Wire
from retrolux.device.clock import FakeClock
from retrolux.device.errors import BadInput, SensorTimeout
from retrolux.device.measurement import REFERENCE, Exposure, Measurement
from retrolux.device.settings import InstrumentSettings
from retrolux.device.sim import Parts, Scene, make_parts, open_sim
from retrolux.device.sim.unit import Pulses, make_unit
from retrolux.device.tuning import FULL, HALF, scatter
from retrolux.models.dataset import Dataset

ALL_HALF = (0.5, 0.5, 0.5)


def opened(number: int, sync: str | None = "green") -> tuple[Bench, Parts]:
    """Return unit N with pulses that hardware times."""
    unit = replace(make_unit(number), pulses=Pulses(100.0, np.zeros(3), 0.0, np.zeros(3), np.zeros(3)))
    parts = make_parts(number, FakeClock(0), Scene(unit=unit))
    return open_sim(number, InstrumentSettings(sync=sync), parts), parts


@pytest.mark.parametrize("number", range(5))
def test_nothing_beats_and_nothing_had_to_be_tuned(number: int) -> None:
    wired, free = opened(number)[0], opened(number, None)[0]
    steady = scatter(wired, FULL, Exposure(64), 100)
    assert scatter(wired, HALF, REFERENCE, 100) <= 1.5 * steady
    assert scatter(free, HALF, REFERENCE, 100) > 5 * steady


@pytest.mark.parametrize("number", [0, 3, 9])
def test_the_record_has_the_time_that_the_sensor_counted(number: int) -> None:
    """25 pulses are 250 ms of the light's time, and more or fewer steps of the sensor's oscillator."""
    exposure = opened(number)[0].measure(ALL_HALF).exposure
    assert exposure is not None
    assert exposure.seconds == pytest.approx(0.25 / make_unit(number).clock, rel=2e-5)


def test_counts_are_those_of_a_free_window_at_the_reference_exposure() -> None:
    records = [opened(3, sync)[0].measure(ALL_HALF).to_record() for sync in ("green", None)]
    wired, free = (Dataset.from_records([r]).outputs[0] for r in records)
    assert wired == pytest.approx(free, rel=0.03)


@pytest.mark.parametrize("duty", [0.0, 0.001, 1.0])
def test_without_pulses_the_window_is_the_exposures_own(duty: float) -> None:
    instrument, _ = opened(1)
    assert instrument.measure((0.5, duty, 0.5)).exposure == REFERENCE
    assert instrument.measure(ALL_HALF).exposure != REFERENCE
    assert instrument.measure((0.5, duty, 0.5)).exposure == REFERENCE


def test_a_wire_that_is_not_there_ends_in_words_and_in_the_dark() -> None:
    instrument, parts = opened(0)
    parts.chip.wired_to = None
    began = parts.clock.monotonic()
    with pytest.raises(SensorTimeout):
        instrument.measure(ALL_HALF)
    assert parts.clock.monotonic() - began < 4
    assert [pin.duty_cycle for pin in parts.pins] == [0, 0, 0]


def test_a_brown_out_in_between_is_mended() -> None:
    instrument, parts = opened(0)
    before = instrument.measure(ALL_HALF).outputs["515nm"]
    parts.chip.power_loss()
    again = instrument.measure(ALL_HALF)
    assert again.outputs["515nm"] == pytest.approx(before, rel=0.005)
    assert again.exposure is not None
    assert again.exposure.seconds == pytest.approx(0.25, rel=1e-4)


def test_the_colour_must_be_one() -> None:
    with pytest.raises(BadInput, match="no colour 'pink'"):
        InstrumentSettings(sync="pink")


def test_edges_are_of_whole_periods_near_the_exposure() -> None:
    wire = Wire(1, 100.0)
    sync = wire.sync(ALL_HALF, REFERENCE)
    assert sync is not None
    assert (sync.edges, sync.longest) == (25, pytest.approx(0.26))
    fast = Wire(1, 2000.0).sync(ALL_HALF, REFERENCE)
    assert fast is not None
    assert fast.edges == 255  # the register has eight bits


def test_channels_of_several_exposures_have_each_its_own_in_the_record() -> None:
    reading = Measurement(
        inputs=(0.0, 0.0, 0.0),
        outputs={"445nm": 1000, "630nm": 2000},
        time=0.0,
        device="sim",
        id="x",
        exposure=REFERENCE,
        saturated=(),
        elapsed=0.6,
        exposures={"630nm": Exposure(128, 100, 1999)},
    )
    record = reading.to_record()
    assert (record["gain"], record["atime"]) == (128, 100)
    assert record["astep"] == {"445nm": 999, "630nm": 1999}
    counts = Dataset.from_records([record], gain_ratios={128: 1.0})
    assert counts.outputs[0] == pytest.approx([1000, 1000])
