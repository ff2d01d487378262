"""Whole periods: the beat's formula against pulses, the choice of a window, and what tuning finds and wins."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrolux.device.bench import Bench
from retrolux.device.clock import FakeClock
from retrolux.device.errors import BadInput, TuningFailed
from retrolux.device.measurement import REFERENCE, Exposure
from retrolux.device.periods import beat, of_length, periods_in, whole_periods
from retrolux.device.settings import GAINS, InstrumentSettings, check_exposure
from retrolux.device.sim import Parts, Scene, make_parts, open_sim
from retrolux.device.sim.unit import Pulses, Unit, make_unit
from retrolux.device.tuning import FULL, HALF, calibrate_gains, scatter, tune

GREEN = 63452.0  # counts of 515 nm at full duty


def opened(number: int, unit: Unit | None = None) -> tuple[Bench, Parts]:
    parts = make_parts(number, FakeClock(0), Scene(unit=unit))
    return open_sim(number, InstrumentSettings(), parts), parts


# The beat


@pytest.mark.parametrize(("periods", "counts"), [(28.08, 87), (27.7, 274), (28.0, 0)])
def test_the_beat_at_half_duty(periods: float, counts: float) -> None:
    assert GREEN * float(beat(periods, 0.5)) / periods == pytest.approx(counts, rel=0.03, abs=0.5)


@given(fraction=st.floats(0, 1), duty=st.floats(0, 1))
def test_the_formula_is_what_pulses_do(fraction: float, duty: float) -> None:
    """Against the overlap of a window's odd part with a pulse, at 4000 phases."""
    phase = (np.arange(4000) + 0.5) / 4000
    stop = phase + fraction
    seen = np.floor(stop) * duty + np.minimum(stop % 1, duty) - np.minimum(phase, duty)
    assert float(beat(fraction, duty)) == pytest.approx(seen.std(), abs=2e-3)


@pytest.mark.parametrize("number", range(1, 6))
def test_units_beat_by_the_formula_of_their_own_clocks(number: int) -> None:
    """Within 20 %; the rest of the noise is switched off."""
    scene = Scene(without=frozenset({"jitter", "supply", "shot", "dark", "drift"}))
    unit = make_unit(number)
    with open_sim(number, InstrumentSettings(), make_parts(number, FakeClock(0), scene)) as instrument:
        green = np.array([instrument.measure(HALF, ["515nm"]).outputs["515nm"] for _ in range(400)], float)
    periods = periods_in(REFERENCE, 100, unit.clock)
    full = unit.leds.counts[3, 1] * unit.clock
    assert green.std() == pytest.approx(full * float(beat(periods, 0.5)) / periods, rel=0.2)


# The window


@given(seconds=st.floats(0.002, 1.0), frequency=st.floats(50, 2000), ratio=st.floats(0.95, 1.05))
def test_a_window_holds_whole_periods(seconds: float, frequency: float, ratio: float) -> None:
    asked = of_length(REFERENCE, seconds)
    chosen = whole_periods(asked, frequency, ratio)
    check_exposure(chosen)
    periods = periods_in(chosen, frequency, ratio)
    if chosen != asked:
        assert abs(periods - round(periods)) <= 23e-6 * frequency * ratio  # eight steps
        assert 0.74 * asked.seconds <= chosen.seconds <= 1.01 * asked.seconds
    else:
        assert periods_in(asked, frequency, ratio) < 4 / 3 + 1e-9 or abs(periods - round(periods)) < 1


def test_the_window_holds_whole_periods_of_room_lamps_too() -> None:
    chosen = whole_periods(REFERENCE, 100)
    assert chosen.seconds == pytest.approx(0.25, rel=1e-4)  # 25 pulses, 25 and 30 flickers
    assert chosen.ceiling == 65535


def test_a_window_shorter_than_a_period_is_kept() -> None:
    short = Exposure(128, 0, 999)  # 2.78 ms
    assert whole_periods(short, 100) == short


# Tuning


@pytest.mark.parametrize(("backend", "number"), [*(("sysfs", n) for n in range(10)), ("pca9685", 0), ("pca9685", 5)])
def test_with_a_hardware_timed_light_the_noise_becomes_that_of_a_steady_one(backend: str, number: int) -> None:
    unit, settings = make_unit(number), InstrumentSettings(pwm_backend=backend)
    instrument = open_sim(number, settings, make_parts(number, FakeClock(0), Scene(light=settings)))
    found = tune(instrument, instrument.status()["light"]["frequency"])
    assert found.beats
    assert found.ratio == pytest.approx(unit.clock * (unit.pwm_clock if backend == "pca9685" else 1), abs=3e-4)
    after = scatter(instrument, HALF, found.exposure, 100)
    steady = scatter(instrument, FULL, replace(found.exposure, gain=64), 100)
    assert after <= 1.5 * steady
    assert found.before > 5 * after


@pytest.mark.parametrize("number", [0, 3, 9])
def test_with_software_pulses_only_their_jitter_is_left(number: int) -> None:
    instrument, _ = opened(number)
    found = tune(instrument, 100)
    pulses = make_unit(number).pulses
    floor = pulses.jitter[1] * pulses.frequency / np.sqrt(periods_in(found.exposure, 100)) / 0.5
    after = scatter(instrument, HALF, found.exposure, 200)
    assert after == pytest.approx(floor, rel=0.25)
    assert after < scatter(instrument, HALF, REFERENCE, 200)


def test_where_there_is_no_beat_the_window_stays() -> None:
    """A PWM of 25 kHz is as good as a steady light."""
    unit = make_unit(0)
    fast = replace(unit, pulses=Pulses(25_000.0, np.zeros(3), 0.0, np.zeros(3), np.zeros(3)))
    instrument, _ = opened(0, fast)
    found = tune(instrument, 25_000)
    assert not found.beats
    assert found.exposure == REFERENCE
    assert found.ratio == 1.0


def test_the_gain_steps_are_those_of_the_unit() -> None:
    instrument, _ = opened(4)
    found = calibrate_gains(instrument)
    truth = make_unit(4).gains
    assert set(found) == set(GAINS)
    assert all(found[g] == pytest.approx(truth[g], rel=0.01 if g < 2 else 0.003) for g in GAINS)


def test_progress_goes_forward_to_the_end() -> None:
    said: list[float] = []
    instrument, _ = opened(1)
    tune(instrument, 100, report=lambda fraction, _what: said.append(fraction))
    assert said == sorted(said)
    assert (said[0], said[-1]) == (0.0, 1.0)


def test_a_dead_or_a_blinding_light_is_said() -> None:
    instrument, parts = opened(0)
    instrument._light.set = lambda duties: None  # type: ignore[attr-defined]
    with pytest.raises(TuningFailed, match="and the dark"):
        tune(instrument, 100)
    assert [pin.duty_cycle for pin in parts.pins] == [0, 0, 0]
    other, _ = opened(0)
    with pytest.raises(TuningFailed, match="saturates"):
        tune(other, 100, Exposure(512))


def test_an_exposure_that_cannot_be_is_refused_before_anything_moves() -> None:
    instrument, parts = opened(0)
    before = [len(pin.history) for pin in parts.pins]
    with pytest.raises(BadInput, match="no gain 3"):
        instrument.measure(HALF, None, Exposure(3))
    assert [len(pin.history) for pin in parts.pins] == before


def test_a_readings_own_exposure_is_in_its_record_and_ends_with_it() -> None:
    instrument, _ = opened(0)
    own, usual = instrument.measure(HALF, None, Exposure(64, 99, 899)), instrument.measure(HALF)
    assert (own.exposure, usual.exposure) == (Exposure(64, 99, 899), REFERENCE)
    assert own.outputs["515nm"] == pytest.approx(usual.outputs["515nm"] / 2 * 90000 / 101000, rel=0.03)
