"""Automatic exposure: every channel within 10 % and 90 % of its ceiling where the sensor can, and right."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrolux.device.automatic import AUTO, HIGHEST, LOWEST
from retrolux.device.bench import Bench
from retrolux.device.clock import FakeClock
from retrolux.device.errors import BadInput
from retrolux.device.measurement import CHANNELS, FULL_SCALE, REFERENCE, Exposure, Measurement
from retrolux.device.settings import GAINS, InstrumentSettings
from retrolux.device.sim import EFFECTS, MORNING, Parts, Scene, make_parts, open_sim
from retrolux.device.sim.ambient import Given
from retrolux.device.sim.unit import make_unit

QUIET = frozenset(EFFECTS)


def opened(ambient: float = 0.0) -> tuple[Bench, Parts]:
    """Return a unit without noise, in ambient light so much stronger than a usual morning's."""
    light = Given([MORNING], [ambient * make_unit(0).weather.spectra[0]])
    parts = make_parts(0, FakeClock(0), Scene(ambient=light, without=QUIET))
    return open_sim(0, InstrumentSettings(), parts), parts


def exposure_of(reading: Measurement, channel: str) -> Exposure:
    own = reading.exposures.get(channel, reading.exposure)
    assert own is not None
    return own


def at_reference(reading: Measurement, channel: str) -> float:
    """Return counts at the reference exposure, by the unit's true gains."""
    own = exposure_of(reading, channel)
    return reading.outputs[channel] / make_unit(0).gains[own.gain] * REFERENCE.seconds / own.seconds


@settings(max_examples=40, deadline=None)
@given(duties=st.tuples(*[st.floats(0, 1)] * 3), ambient=st.sampled_from([0.0, 0.01, 1.0, 30.0]))
def test_every_channel_is_within_its_range_or_at_the_sensors_limit(
    duties: tuple[float, float, float], ambient: float
) -> None:
    instrument, _ = opened(ambient)
    reading = instrument.measure(duties, None, AUTO)
    for channel in CHANNELS:
        own = exposure_of(reading, channel)
        share = reading.outputs[channel] / own.ceiling
        faint = share < LOWEST and own.gain == GAINS[-1] and own.seconds > 0.5
        assert LOWEST <= share <= HIGHEST or faint, (channel, share, own)
        assert channel not in reading.saturated


def test_combined_exposures_say_what_one_that_saturates_cannot() -> None:
    """Clear at full light is some 100 000 counts at the reference exposure; its true value is known here."""
    instrument, _ = opened(1.0)
    plain, auto = instrument.measure((1, 1, 1)), instrument.measure((1, 1, 1), None, AUTO)
    unit = make_unit(0)
    truth = unit.leds.counts.sum(axis=1) + unit.weather.spectra[0]
    assert plain.outputs["clear"] == FULL_SCALE
    assert "clear" in plain.saturated
    for i, channel in enumerate(CHANNELS):
        assert at_reference(auto, channel) == pytest.approx(truth[i], rel=2e-3, abs=3), channel
    assert len({exposure_of(auto, c).gain for c in CHANNELS}) > 2


def test_the_record_has_each_channels_gain() -> None:
    instrument, _ = opened(1.0)
    record = instrument.measure((0.5, 1, 0.02), None, AUTO).to_record()
    assert set(record["gain"]) == set(CHANNELS)
    assert record["gain"]["clear"] < record["gain"]["415nm"]
    assert record["atime"] == 100


def test_light_too_strong_for_any_exposure_is_said() -> None:
    instrument, _ = opened(1e6)
    reading = instrument.measure((0, 0, 0), ["clear"], AUTO)
    assert reading.saturated == ("clear",)
    assert exposure_of(reading, "clear").gain == GAINS[0]


def test_it_costs_no_more_than_it_must() -> None:
    """Where the usual exposure suits all channels that are asked for, one reading is all."""
    instrument, parts = opened(1.0)
    began = parts.clock.monotonic()
    reading = instrument.measure((0.5, 0.5, 0.5), ["445nm", "515nm", "630nm"], AUTO)
    assert parts.clock.monotonic() - began < 0.4
    assert reading.exposure == REFERENCE
    assert not reading.exposures


def test_the_light_is_dark_afterwards_and_bad_input_is_refused_before() -> None:
    instrument, parts = opened()
    with pytest.raises(BadInput):
        instrument.measure((2, 0, 0), None, AUTO)
    assert all(len(pin.history) <= 2 for pin in parts.pins)
    instrument.measure((0.5, 0.5, 0.5), None, AUTO)
    assert [pin.duty_cycle for pin in parts.pins] == [0, 0, 0]


def test_noise_at_the_chosen_gains_is_less() -> None:
    """A faint channel at gain 128 is mostly rounding; at its own gain it is not."""
    parts = make_parts(0, FakeClock(0), Scene(ambient=Given([MORNING], [np.zeros(10)])))
    instrument = open_sim(0, InstrumentSettings(), parts)
    faint = (0.01, 0.0, 0.0)
    plain = [instrument.measure(faint, ["680nm"]).outputs["680nm"] for _ in range(20)]
    auto = [at_reference(instrument.measure(faint, ["680nm"], AUTO), "680nm") for _ in range(20)]
    assert np.std(np.diff(auto)) < np.std(np.diff(plain))
    assert replace(REFERENCE, gain=512).gain == GAINS[-1]
