"""Which integrations a set of channels needs, and what they read and take."""

from itertools import chain, combinations

import pytest

from retrolux.device.measurement import CHANNELS, FULL_SCALE, REFERENCE, Exposure
from retrolux.device.passes import HIGH, LOW, SIX, Pass, passes_for
from retrolux.device.sensor import Sensor
from retrolux.device.sim import Parts, load_driver
from retrolux.device.sim.smux import routed
from tests.device.trials import DUTIES, Trials

AS7341_MD = bytes.fromhex("00 00 00 00 03 21 00 04 50 00 04 00 10 02 30 00 00 50 00 06")
SUBSETS = list(chain.from_iterable(combinations(CHANNELS, n) for n in range(1, 11)))
ONE_INTEGRATION = 0.015 + REFERENCE.seconds


def test_the_map_of_six_is_the_given_one() -> None:
    assert SIX.ram == AS7341_MD


@pytest.mark.parametrize(("one", "configure"), [(LOW, "_configure_f1_f4"), (HIGH, "_configure_f5_f8")])
def test_our_table_of_halves_makes_the_drivers_own_maps(parts: Parts, one: Pass, configure: str) -> None:
    driver = load_driver(parts.clock).AS7341(parts.bus)
    getattr(driver, configure)()
    ram = bytearray(20)
    parts.bus.writeto_then_readfrom(0x39, b"\0", ram)
    assert one.ram == bytes(ram)


def test_every_subset_takes_the_fewest_passes() -> None:
    assert len(SUBSETS) == 1023
    for channels in SUBSETS:
        passes = passes_for(channels)
        assert len(passes) == (1 if len(channels) <= 6 else 2)
        assert set(channels) <= {c for one in passes for c in one.channels}


def test_every_map_connects_whole_photodiodes_and_nothing_else() -> None:
    """By the emulated chip's own table of halves, written down independently."""
    for one in {one for channels in SUBSETS for one in passes_for(channels)}:
        assert routed(one.ram) == {adc: [channel] * 2 for adc, channel in enumerate(one.channels)}


def test_standard_maps_are_preferred() -> None:
    assert passes_for(CHANNELS) == (LOW, HIGH)
    assert passes_for(("nir",)) == passes_for(("clear", "555nm")) == (HIGH,)
    assert passes_for(("480nm", "clear")) == (LOW,)
    assert passes_for(("445nm", "630nm")) == passes_for(SIX.channels) == (SIX,)
    assert passes_for({"680nm", "415nm"}) == (Pass(("415nm", "680nm")),)


def test_seven_channels_do_not_fit_six_converters() -> None:
    with pytest.raises(ValueError, match="7 channels for 6 converters"):
        _ = Pass(CHANNELS[:7]).ram


def test_every_subset_reads_the_right_counts() -> None:
    """Through the whole instrument, against scenes without noise, a new one for each reading."""
    trials = Trials(seed=0)
    for channels in SUBSETS:
        trials.reading(channels=channels)
    assert trials.rows["no fault"].right == len(SUBSETS)


def test_the_plain_driver_reads_the_same_counts() -> None:
    trials = Trials(seed=1)
    for pin, duty in zip(trials.parts.pins, DUTIES, strict=True):
        pin.duty_cycle = round(duty * FULL_SCALE)
    plain = load_driver(trials.clock).AS7341(trials.bus).all_channels
    assert tuple(trials.sensor.read(CHANNELS[:8]).outputs.values()) == plain


@pytest.mark.parametrize("number", [1, 2, 6, 7, 10])
def test_a_reading_takes_little_more_than_its_integrations(parts: Parts, number: int) -> None:
    """Bus transfers at 100 kHz, autozero and polling in emulated time: at most 8 %."""
    sensor = Sensor(load_driver(parts.clock), parts.bus, parts.clock, REFERENCE)
    took = timed(parts, sensor, CHANNELS[:number])
    assert ONE_INTEGRATION < took / (1 if number <= 6 else 2) <= 1.08 * ONE_INTEGRATION


def test_six_channels_take_half_the_time_of_ten(parts: Parts) -> None:
    sensor = Sensor(load_driver(parts.clock), parts.bus, parts.clock, REFERENCE)
    assert timed(parts, sensor, SIX.channels) <= 0.55 * timed(parts, sensor, CHANNELS)


def test_a_reading_may_have_an_exposure_of_its_own() -> None:
    trials = Trials(seed=2)
    for pin, duty in zip(trials.parts.pins, DUTIES, strict=True):
        pin.duty_cycle = round(duty * FULL_SCALE)
    counts, steps = trials.scenes.now["445nm"], REFERENCE.seconds / 2.78e-6
    for exposure, factor in ((None, 1.0), (Exposure(128, 50, 979), 51 * 980 / steps), (None, 1.0)):
        expected = min(counts * factor * trials.unit.clock, FULL_SCALE)
        assert trials.sensor.read(("445nm",), exposure).outputs["445nm"] == pytest.approx(expected, abs=1)


def timed(parts: Parts, sensor: Sensor, channels: tuple[str, ...]) -> float:
    began = parts.clock.monotonic()
    sensor.read(channels)
    return parts.clock.monotonic() - began
