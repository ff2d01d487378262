"""What every light keeps, whoever drives it: one suite for all backends, each on its emulated hardware."""

from dataclasses import dataclass
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrolux.device.bus import ReopenableBus
from retrolux.device.clock import FakeClock
from retrolux.device.errors import BadInput, LightError
from retrolux.device.lights.light import Light
from retrolux.device.settings import InstrumentSettings
from retrolux.device.sim import Parts, Scene, make_parts, open_sim

BACKENDS = ("blinka", "gpiozero", "sysfs", "pca9685")
LEVELS = {"blinka": 65536, "gpiozero": 101, "sysfs": 500_001, "pca9685": 4097}
DUTIES = st.floats(0, 1)


@dataclass
class Lamp:
    """A light and what is behind it."""

    backend: str
    light: Light
    parts: Parts

    @property
    def on(self) -> tuple[float, ...]:
        return tuple(pin.fraction for pin in self.parts.pins)


def lamp_of(backend: str, number: int = 0, frequency: float = 100.0) -> Lamp:
    settings = InstrumentSettings(pwm_backend=backend, pwm_frequency=frequency)
    parts = make_parts(number, FakeClock(0), Scene(light=settings, frequency=frequency))
    return Lamp(backend, parts.light.open(parts.pins, ReopenableBus(lambda: parts.bus)), parts)


@pytest.fixture(params=BACKENDS)
def lamp(request: pytest.FixtureRequest) -> Lamp:
    return lamp_of(request.param)


@pytest.mark.parametrize("backend", BACKENDS)
@given(duties=st.tuples(DUTIES, DUTIES, DUTIES))
def test_what_it_says_it_set_is_what_shines_and_the_nearest_there_is(
    backend: str, duties: tuple[float, float, float]
) -> None:
    lamp = lamp_of(backend)
    made = lamp.light.set(duties)
    assert lamp.on == pytest.approx(made, abs=1e-12)
    half = 0.5 / (LEVELS[backend] - 1)
    assert made == pytest.approx(duties, abs=half * 1.001)
    assert lamp.light.set(made) == made  # what was set can be asked for


def test_it_says_how_many_levels_it_has_and_has_them(lamp: Lamp) -> None:
    assert lamp.light.levels == LEVELS[lamp.backend]
    steps = lamp.light.levels - 1
    some = sorted({0, 1, 2, 7, 28, 29, 57, 58, steps // 3, steps - 1, steps} & set(range(steps + 1)))
    exact = [Fraction(k, steps) for k in some]
    assert [Fraction(lamp.light.set((float(f), 0, 0))[0]).limit_denominator(10**6) for f in exact] == exact


def test_full_on_is_steady_and_off_is_dark(lamp: Lamp) -> None:
    assert lamp.light.set((1, 0, 1)) == (1, 0, 1)
    assert lamp.on == (1, 0, 1)


def test_off_makes_all_dark(lamp: Lamp) -> None:
    lamp.light.set((1, 0.5, 0.25))
    lamp.light.off()
    assert lamp.on == (0, 0, 0)


@pytest.mark.parametrize("broken", range(3))
def test_the_others_are_made_dark_when_one_does_not_obey(lamp: Lamp, broken: int) -> None:
    lamp.light.set((0.5, 0.5, 0.5))
    lamp.parts.pins[broken].broken = True
    with pytest.raises(LightError, match="cannot be made dark") as failed:
        lamp.light.off()
    assert failed.value.remedy
    assert [duty for i, duty in enumerate(lamp.on) if i != broken] == [0, 0]


def test_closing_makes_it_dark_and_may_be_repeated(lamp: Lamp) -> None:
    lamp.light.set((1, 1, 1))
    lamp.light.close()
    assert lamp.on == (0, 0, 0)
    lamp.light.close()


def test_its_pulses_are_of_the_frequency_that_it_names(lamp: Lamp) -> None:
    assert [pin.frequency for pin in lamp.parts.pins] == pytest.approx([lamp.light.frequency] * 3)
    assert lamp.light.frequency == pytest.approx(100, rel=1e-3)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_record_has_the_duties_asked_for_and_those_set(backend: str) -> None:
    with open_sim(0, InstrumentSettings(pwm_backend=backend)) as instrument:
        record = instrument.measure((0.123456, 0.5, 1)).to_record()
        assert instrument.status()["light"]["levels"] == LEVELS[backend]
    assert record["in"] == [0.123456, 0.5, 1.0]
    steps = LEVELS[backend] - 1
    assert record["duty"] == pytest.approx([round(v * steps) / steps for v in record["in"]], abs=1e-7)


@pytest.mark.parametrize("backend", BACKENDS)
def test_counts_follow_the_duty_that_was_set(backend: str) -> None:
    """On a backend of hundredths 0.494 is 0.49: the sensor must see the latter."""
    with open_sim(0, InstrumentSettings(pwm_backend=backend)) as instrument:
        dark, asked, whole = (
            [instrument.measure((0, 0, b), ["445nm"]).outputs["445nm"] for _ in range(12)] for b in (0, 0.494, 1)
        )
    night = sum(dark) / 12
    share = (sum(asked) / 12 - night) / (sum(whole) / 12 - night)
    step = 0.494 if backend != "gpiozero" else 0.49
    # pulses by software are late by some 0.4 % of full duty; the budget of noise is 0.5 % of the counts
    assert share == pytest.approx(step, abs=0.006 if backend in {"blinka", "gpiozero"} else 0.002)


@pytest.mark.parametrize("backend", ["sysfs", "pca9685"])
def test_pulses_that_hardware_times_neither_jitter_nor_come_late(backend: str) -> None:
    pulses = lamp_of(backend, 3).parts.light.pulses
    assert not pulses.jitter.any()
    assert not pulses.begun_late.any()
    assert not pulses.ended_late.any()
    assert lamp_of("blinka", 3).parts.light.pulses.jitter.all()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"pwm_backend": "candle"}, "no PWM backend 'candle'"),
        ({"pwm_backend": "pca9685", "pwm_frequency": 2000}, "2000 Hz, which a PCA9685 cannot make"),
        ({"pwm_backend": "pca9685", "pwm_frequency": 20}, "20 Hz"),
        ({"pca9685_address": 0x39}, "address 57"),
        ({"pca9685_channels": (0, 0, 1)}, "three outputs"),
        ({"pca9685_channels": (0, 1, 16)}, "three outputs"),
        ({"pca9685_channels": (0, 1)}, "three outputs"),
    ],
    ids=str,
)
def test_settings_that_no_light_can_have_are_refused(wrong: dict, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        InstrumentSettings(**wrong)
