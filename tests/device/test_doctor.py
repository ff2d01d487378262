"""The self-test: finds each fault and calls it by its name, and cries over nothing that is well."""

import itertools
import json
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import pytest

from retrolux.device.clock import FakeClock
from retrolux.device.doctor import CHECKS, examine, not_opened
from retrolux.device.errors import DeviceError, InstrumentBusy, LightError, RemoteError, SensorReset, SensorTimeout
from retrolux.device.expected_noise import Pulses, beat_noise, jitter_noise, most_by_chance
from retrolux.device.factory import open_instrument
from retrolux.device.findings import TOO_BRIGHT, Finding, State, faults, is_healthy
from retrolux.device.measurement import REFERENCE, Exposure, Measurement
from retrolux.device.settings import COLOURS, InstrumentSettings
from retrolux.device.sim import MORNING, Parts, Scene, make_parts, open_sim
from retrolux.device.sim.ambient import Given
from retrolux.device.sim.defects import DEFECTS
from retrolux.device.sim.defects import _hang_on as hanging_on
from retrolux.device.sim.faults import Fault, FaultyBus
from retrolux.device.sim.unit import make_unit
from tests.device.conftest import EPOCH, Rig

NIGHT = MORNING - 10 * 3600
HOURS = (0, 5, 10, 14)  # from the simulated morning on: noon, dusk, night, before dawn
TOTAL = {"all colours dead", "sensor blinded"}


def diagnose(number: int, scene: Scene, settings: InstrumentSettings | None = None) -> list[Finding]:
    parts = make_parts(number, FakeClock(EPOCH), scene)
    try:
        instrument = open_sim(number, settings or scene.light, parts)
    except DeviceError as error:
        return not_opened(error)
    with instrument:
        found = examine(instrument)
        assert [pin.fraction for pin in parts.pins] == [0, 0, 0]
    return found


def named(found: Iterable[Finding]) -> dict[str, Finding]:
    return {f.name: f for f in found}


def not_good(found: Iterable[Finding]) -> list[Finding]:
    return [f for f in found if f.state is not State.GOOD]


@pytest.mark.parametrize("number", range(21))
def test_healthy_instruments_are_good_throughout(number: int) -> None:
    for hours, seed in itertools.product(HOURS, range(2)):
        found = diagnose(number, Scene(epoch=MORNING + hours * 3600, seed=seed))
        assert not not_good(found), (hours, seed)
        assert [f.name for f in found] == list(CHECKS)


@pytest.mark.parametrize("number", range(0, 21, 4))
def test_in_any_weather_only_too_much_light_is_too_much(number: int) -> None:
    """Whatever the weather: what is said of it is what the sensor saw, and nothing else is blamed."""
    for seed in range(6):
        found = named(diagnose(number, Scene(epoch=MORNING + 4e5 * seed, seed=seed, usual=False)))
        bright = max(found["dark"].numbers["counts"].values()) > 0.3 * 65535
        assert faults(found.values()) == ((TOO_BRIGHT,) if bright else ())
        assert {f.name for f in not_good(found.values())} <= ({"dark", "saturation"} if bright else set())


@pytest.mark.parametrize("backend", ["sysfs", "pca9685", "gpiozero"])
def test_every_backend_is_good(backend: str) -> None:
    for number in (0, 7):
        assert not not_good(diagnose(number, Scene(light=InstrumentSettings(pwm_backend=backend))))


@pytest.mark.parametrize("exposure", [Exposure(128, 99, 898), Exposure(64, 29, 599), Exposure(16, 1, 255)])
def test_every_sensible_exposure_is_good(exposure: Exposure) -> None:
    for number in (0, 5):
        assert not not_good(diagnose(number, Scene(), InstrumentSettings(exposure)))


def test_windows_from_edge_to_edge_are_good() -> None:
    for colour in ("red", "green"):
        assert not not_good(diagnose(2, Scene(), InstrumentSettings(sync=colour)))


@pytest.mark.parametrize("fault", DEFECTS)
@pytest.mark.parametrize("number", [0, 4, 9, 13])
def test_each_fault_is_found_by_its_name(fault: str, number: int) -> None:
    found = diagnose(number, Scene(fault=fault))
    assert faults(found) == (fault,)
    assert not is_healthy(found)
    assert all(f.remedy for f in found if f.state in {State.BAD, State.ODD})


@pytest.mark.parametrize("fault", [f for f in DEFECTS if f not in TOTAL])
def test_each_fault_is_found_at_night(fault: str) -> None:
    assert faults(diagnose(1, Scene(fault=fault, epoch=NIGHT))) == (fault,)


def test_a_cover_that_lets_a_trace_through_is_told_from_dead_leds_at_night() -> None:
    assert faults(diagnose(0, Scene(fault="sensor blinded", epoch=NIGHT))) == ("sensor blinded",)


@pytest.mark.parametrize("through", [1e-4, 1e-3, 0.01, 0.03])
@pytest.mark.parametrize("hours", [0, 10])
def test_a_cover_of_any_density_is_a_cover(monkeypatch: pytest.MonkeyPatch, through: float, hours: float) -> None:
    monkeypatch.setitem(DEFECTS, "paper", replace(DEFECTS["sensor blinded"], let_through=through))
    for number in range(4):
        scene = Scene(fault="paper", epoch=MORNING + hours * 3600)
        assert faults(diagnose(number, scene)) == ("sensor blinded",)


def test_when_nothing_at_all_is_seen_both_causes_are_named_with_the_way_to_tell() -> None:
    found = named(diagnose(0, Scene(fault="all colours dead", epoch=NIGHT)))
    assert found["view"].fault == "sensor blinded, or all colours dead"
    assert "torch" in found["view"].remedy


@pytest.mark.parametrize("backend", ["sysfs", "pca9685"])
@pytest.mark.parametrize("fault", ["red and blue swapped", "green dead", "blue stays on"])
def test_faults_are_found_behind_every_backend(backend: str, fault: str) -> None:
    assert faults(diagnose(0, Scene(light=InstrumentSettings(pwm_backend=backend), fault=fault))) == (fault,)


class TestFaultsOfOtherKinds:
    @pytest.mark.parametrize("colours", [(0,), (1,), (2,), (0, 1, 2)])
    @pytest.mark.parametrize("duty", [0.15, 0.5, 0.8])
    def test_a_light_that_stays_on_in_part(
        self, monkeypatch: pytest.MonkeyPatch, colours: tuple[int, ...], duty: float
    ) -> None:
        monkeypatch.setitem(DEFECTS, "left on", hanging_on(duty, *colours))
        name = "all colours stay on" if len(colours) == 3 else f"{COLOURS[colours[0]]} stays on"
        for number in (0, 8, 15):
            assert faults(diagnose(number, Scene(fault="left on", seed=number))) == (name,)

    def test_a_light_that_is_never_switched_off(self, parts: Parts) -> None:
        """Each pin keeps the last duty that was not zero."""
        with open_sim(0, InstrumentSettings(), parts) as instrument:
            for pin in parts.pins:
                tell = pin.tell
                pin.tell = lambda duty, tell=tell: tell(duty) if duty else None
            found = examine(instrument)
        assert faults(found) == ("all colours stay on",)

    def test_three_colours_in_a_circle(self, parts: Parts) -> None:
        turned = replace(parts, pins=(parts.pins[1], parts.pins[2], parts.pins[0]))
        with open_sim(0, InstrumentSettings(), turned) as instrument:
            found = examine(instrument)
        assert faults(found) == ("red lights as green", "green lights as blue", "blue lights as red")

    def test_a_common_anode(self, parts: Parts) -> None:
        with open_sim(0, InstrumentSettings(), parts) as instrument:
            for pin in parts.pins:
                tell = pin.tell
                pin.tell = lambda duty, tell=tell: tell(1 - duty)
            found = named(examine(instrument))
        assert found["off"].fault == "light reversed"
        assert "common-anode" in found["off"].remedy

    def test_two_wires_that_touch(self) -> None:
        unit = make_unit(0)
        mixed = unit.leds.counts.copy()
        mixed[:, 0] += 0.5 * mixed[:, 1]
        found = diagnose(0, Scene(unit=replace(unit, leds=replace(unit.leds, counts=mixed))))
        assert "green not alone" in faults(found)  # where red is asked for, green is seen, too

    def test_an_led_that_is_far_away_is_odd_and_not_dead(self) -> None:
        unit = make_unit(0)
        far = replace(unit, leds=replace(unit.leds, counts=unit.leds.counts * np.array([1, 0.08, 1])))
        found = named(diagnose(0, Scene(unit=far)))
        assert (found["green"].state, found["green"].fault) == (State.ODD, "")
        assert is_healthy(found.values())

    def test_a_sensor_that_hands_out_the_same_reading(self, parts: Parts) -> None:
        with open_sim(0, InstrumentSettings(), parts) as instrument:
            parts.chip._optics.read_out = lambda counts, gain: int(round(counts, -4 if counts > 5000 else 0))  # type: ignore[method-assign]
            found = named(examine(instrument))
        assert found["noise"].fault == "readings repeat"

    def test_a_light_that_flickers_is_noisy(self) -> None:
        unit = make_unit(0)
        restless = replace(unit, leds=replace(unit.leds, supply=0.06))
        found = named(diagnose(0, Scene(unit=restless)))
        assert (found["noise"].state, found["steadiness"].state) == (State.ODD, State.ODD)
        assert is_healthy(found.values())

    def test_ambient_light_that_jumps_in_the_middle_is_looked_at_again(self) -> None:
        levels = np.full((2, 10), 500.0)
        levels[1] += 4000
        sudden = Given([EPOCH + 0.7, EPOCH + 0.8], levels)  # in the first look at red
        assert not not_good(diagnose(0, Scene(ambient=sudden, epoch=EPOCH)))

    def test_a_gain_that_is_too_high_is_odd(self) -> None:
        found = named(diagnose(0, Scene(), InstrumentSettings(replace(REFERENCE, gain=512))))
        assert [f.name for f in not_good(found.values())] == ["saturation"]
        assert "515 nm" in found["saturation"].seen


class TestErrors:
    def test_a_sensor_that_dies_on_the_way_is_a_finding(self, parts: Parts) -> None:
        with open_sim(0, InstrumentSettings(), parts) as instrument:
            parts.bus.fail_after = 400
            found = named(examine(instrument))
        assert "sensor absent" in faults(found.values())
        assert found["noise"].state is State.SKIPPED
        assert [pin.fraction for pin in parts.pins] == [0, 0, 0]

    def test_a_sensor_that_moves_to_another_address_on_the_way(self, parts: Parts) -> None:
        with open_sim(0, InstrumentSettings(), parts) as instrument:
            parts.bus.address = 0x49
            found = examine(instrument)
        assert "wrong address" in faults(found)
        assert "Others do: 0x49. Given up after 4 attempts" in found[1].seen

    def test_a_light_that_cannot_be_made_dark_is_one(self, parts: Parts) -> None:
        instrument = open_sim(0, InstrumentSettings(), parts)
        parts.pins[1].broken = True
        found = named(examine(instrument))
        assert found["off"].state is State.BAD
        assert "light not driven" in faults(found.values())

    def test_a_loose_wire_shows_in_the_attempts(self) -> None:
        clock = FakeClock(EPOCH)
        made = make_parts(0, clock)
        bus = FaultyBus(made.chip, clock, np.random.default_rng(0))
        with open_sim(0, InstrumentSettings(), replace(made, bus=bus)) as instrument:
            bus.arm(Fault.NACK, 700)
            bus.arm(Fault.BROWN_OUT, 1500)
            found = named(examine(instrument))
        assert found["recovery"].state is State.ODD
        assert found["recovery"].numbers["set up anew"] + found["recovery"].numbers.get("retried", 0) == 2
        assert is_healthy(found.values())

    @pytest.mark.parametrize(
        ("error", "fault"),
        [
            (SensorTimeout("a.", "b."), "sensor not ready"),
            (SensorReset("a.", "b."), "sensor loses its supply"),
            (LightError("a.", "b."), "light not driven"),
            (InstrumentBusy("a.", "b."), "instrument busy"),
            (RemoteError("a.", "b."), "other side unreachable"),
            (DeviceError("a.", "b."), "instrument not opened"),
        ],
    )
    def test_each_error_of_opening_has_its_name(self, error: DeviceError, fault: str) -> None:
        found = not_opened(error)
        assert [f.name for f in found] == list(CHECKS)
        assert (faults(found), found[0].seen, found[0].remedy) == ((fault,), "a.", "b.")

    def test_what_answers_elsewhere_is_named_with_a_guess(self) -> None:
        found = diagnose(0, Scene(fault="wrong address"))[0]
        assert "Others do: 0x29." in found.seen
        assert "TCS34725" in found.remedy

    def test_a_lights_controller_is_no_sensor_elsewhere(self) -> None:
        scene = Scene(fault="sensor absent", light=InstrumentSettings(pwm_backend="pca9685"))
        found = diagnose(0, scene)
        assert faults(found) == ("sensor absent",)
        assert "Others do: 0x40" in found[0].seen

    def test_another_chip_at_the_address(self) -> None:
        made = make_parts(0, FakeClock(EPOCH))
        made.chip.registers[0x92] = 0xAB
        with pytest.raises(DeviceError) as failed:
            open_sim(0, InstrumentSettings(), made)
        assert faults(not_opened(failed.value)) == ("another chip at the sensor's address",)


class TestInstrumentsOfAllKinds:
    def test_all_are_good_as_far_as_they_can_be_seen(self, rig: Rig) -> None:
        found = named(examine(rig.instrument))
        assert not [f for f in found.values() if f.state in {State.ODD, State.BAD}]
        skipped = {f.name for f in found.values() if f.state is State.SKIPPED}
        claude_light = {"recovery", "elapsed"}
        assert skipped == (claude_light if "Claude" in rig.kind else {"recovery"} if rig.remote else set())
        assert rig.duties == (0, 0, 0)
        json.dumps([f.to_json() for f in found.values()], allow_nan=False)

    @pytest.mark.parametrize("kind", ["a remote Claude-Light", "a remote Retrolux", "pi with pwmio"])
    def test_faults_are_found_from_afar(self, open_rig: Callable[[str], Rig], kind: str) -> None:
        rig = open_rig(kind)
        waveform = rig.parts.chip._optics._waveform
        waveform.outputs = (waveform.outputs[1], waveform.outputs[0], waveform.outputs[2])
        assert faults(examine(rig.instrument)) == ("red and green swapped",)

    @pytest.mark.parametrize("fault", ["ambient too bright", "green stays on", "sensor blinded"])
    def test_without_an_exposure_to_choose(self, parts: Parts, fault: str) -> None:
        """As on a Claude-Light, only quicker."""
        made = make_parts(0, FakeClock(EPOCH), Scene(fault=fault))
        with open_sim(0, InstrumentSettings(), made) as instrument:
            instrument.measure = fixed(instrument.measure)  # type: ignore[method-assign]
            found = examine(instrument)
        wanted = {"sensor blinded": "sensor blinded, or all colours dead"}  # a Claude-Light cannot look harder
        assert faults(found) == (wanted.get(fault, fault),)


def fixed(measure: Callable[..., Measurement]) -> Callable[..., Measurement]:
    from retrolux.device.errors import FixedExposure

    def measured(duties: tuple[float, ...], channels: object = None, exposure: Exposure | None = None) -> Measurement:
        if exposure is not None:
            raise FixedExposure("fixed", "leave it out")
        return measure(duties, channels)

    return measured


class TestExpectedNoise:
    def test_the_beat_is_the_readmes(self) -> None:
        """Against phases drawn at random, where the clocks are as far off as tuning may leave them."""
        known = Pulses(100, ratio=1.0)
        assert beat_noise(replace(known, ratio=None), REFERENCE, 0.5) > beat_noise(known, REFERENCE, 0.5)
        periods = 28.078 * 1.001
        draws = np.random.default_rng(0).random(200_000)
        on = (draws + periods) // 1 * 0.5 + np.minimum((draws + periods) % 1, 0.5) - np.minimum(draws, 0.5)
        drawn = (on / 0.5 / periods).std()
        assert beat_noise(known, REFERENCE, 0.5) == pytest.approx(drawn, rel=0.01)

    def test_jitter_averages_over_the_pulses(self) -> None:
        """150 µs in 10 ms at half duty is 3 %; over 28 pulses 0.57 %."""
        assert jitter_noise(Pulses(), REFERENCE, 0.5) == pytest.approx(0.03 / np.sqrt(28.078), rel=1e-6)
        assert jitter_noise(Pulses(backend="pca9685"), REFERENCE, 0.5) < 1e-4

    def test_chance_is_what_is_drawn(self) -> None:
        rows = np.random.default_rng(1).normal(size=(200_000, 12))
        scatter = np.sqrt(np.mean(np.diff(rows) ** 2, axis=1) / 2)
        assert np.mean(scatter > most_by_chance(12)) < 1e-4
        assert np.quantile(scatter, 0.999) < most_by_chance(12) < 3


def test_a_defect_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(DeviceError, match=r"no simulated fault 'gremlins'.*red and green swapped"):
        open_instrument("sim", InstrumentSettings(fault="gremlins"))


def test_a_fault_of_the_settings_is_simulated() -> None:
    with open_instrument("sim:3", InstrumentSettings(fault="blue dead")) as instrument:
        assert instrument.measure((0, 0, 1), ["445nm"]).outputs["445nm"] < 3000
        assert faults(examine(instrument)) == ("blue dead",)
