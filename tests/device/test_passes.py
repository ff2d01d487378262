"""Which integrations a set of channels needs, and what they read and take."""

from itertools import chain, combinations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrolux.device.measurement import CHANNELS, FULL_SCALE, REFERENCE, Exposure
from retrolux.device.passes import HIGH, LOW, SIX, Pass, passes_for
from retrolux.device.sensor import Sensor
from retrolux.device.sim import Parts, load_driver
from retrolux.device.sim.smux import routed

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


@given(st.sets(st.sampled_from(CHANNELS), min_size=1), st.lists(st.floats(0, 0.6), min_size=3, max_size=3))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_channel_reads_the_same_in_whichever_map(parts: Parts, wanted: set[str], duties: list[float]) -> None:
    """Against the driver's own reading of all bands under the same light."""
    module = load_driver(parts.clock)
    for pin, duty in zip(parts.pins, duties, strict=True):
        pin.duty_cycle = round(duty * FULL_SCALE)
    plain = dict(zip(CHANNELS[:8], module.AS7341(parts.bus).all_channels, strict=True))
    sensor = Sensor(module, parts.bus, parts.clock, REFERENCE)
    outputs = sensor.read(tuple(c for c in CHANNELS if c in wanted)).outputs
    assert set(outputs) == wanted
    for channel in wanted & set(plain):
        assert outputs[channel] == pytest.approx(plain[channel], rel=0.06, abs=400)


@pytest.mark.parametrize("number", [1, 2, 6, 7, 10])
def test_a_reading_takes_little_more_than_its_integrations(parts: Parts, number: int) -> None:
    """Bus transfers at 100 kHz, autozero and polling in emulated time: at most 8 %."""
    sensor = Sensor(load_driver(parts.clock), parts.bus, parts.clock, REFERENCE)
    took = timed(parts, sensor, CHANNELS[:number])
    assert ONE_INTEGRATION < took / (1 if number <= 6 else 2) <= 1.08 * ONE_INTEGRATION


def test_six_channels_take_half_the_time_of_ten(parts: Parts) -> None:
    sensor = Sensor(load_driver(parts.clock), parts.bus, parts.clock, REFERENCE)
    assert timed(parts, sensor, SIX.channels) <= 0.55 * timed(parts, sensor, CHANNELS)


def test_a_reading_may_have_an_exposure_of_its_own(parts: Parts) -> None:
    parts.pins[2].duty_cycle = 32768
    sensor = Sensor(load_driver(parts.clock), parts.bus, parts.clock, REFERENCE)
    full = sensor.read(("445nm",)).outputs["445nm"]
    half = sensor.read(("445nm",), Exposure(128, 50, 979)).outputs["445nm"]  # 138.9 ms
    assert half / full == pytest.approx(51 * 980 / (101 * 1000), rel=0.08)
    assert sensor.read(("445nm",)).outputs["445nm"] == pytest.approx(full, rel=0.04)


def timed(parts: Parts, sensor: Sensor, channels: tuple[str, ...]) -> float:
    began = parts.clock.monotonic()
    sensor.read(channels)
    return parts.clock.monotonic() - began
