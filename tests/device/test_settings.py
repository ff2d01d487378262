"""Settings: what the sensor allows, by the datasheet."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrolux.device.errors import BadInput
from retrolux.device.measurement import REFERENCE, Exposure
from retrolux.device.settings import GAINS, InstrumentSettings


@given(st.sampled_from(GAINS), st.integers(0, 255), st.integers(0, 65534))
def test_every_allowed_exposure_is_taken(gain: float, atime: int, astep: int) -> None:
    exposure = Exposure(gain, atime, astep)
    if atime == astep == 0:
        with pytest.raises(BadInput, match="both 0"):
            InstrumentSettings(exposure)
    else:
        assert InstrumentSettings(exposure).exposure == exposure
        assert exposure.seconds == pytest.approx((atime + 1) * (astep + 1) * 2.78e-6)
        assert 1 <= exposure.ceiling <= 65535


@pytest.mark.parametrize(
    ("exposure", "words"),
    [
        (Exposure(gain=3), "no gain 3"),
        (Exposure(gain=float("nan")), "no gain nan"),
        (Exposure(atime=256), "out of range"),
        (Exposure(atime=-1), "out of range"),
        (Exposure(astep=65535), "out of range"),
        (Exposure(atime=0, astep=0), "both 0"),
    ],
)
def test_what_the_sensor_forbids_is_refused(exposure: Exposure, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        InstrumentSettings(exposure)


def test_the_reference_is_the_drivers_default() -> None:
    assert (REFERENCE.gain, REFERENCE.atime, REFERENCE.astep, REFERENCE.ceiling) == (128, 100, 999, 65535)
    assert REFERENCE.seconds == pytest.approx(0.28078)


@pytest.mark.parametrize(("atime", "astep", "ceiling"), [(9, 99, 1000), (0, 999, 1000), (255, 255, 65535)])
def test_the_ceiling_is_by_page_32(atime: int, astep: int, ceiling: int) -> None:
    assert Exposure(128, atime, astep).ceiling == ceiling


def test_the_pins_are_claude_lights() -> None:
    settings = InstrumentSettings()
    assert (settings.red, settings.green, settings.blue, settings.pwm_frequency) == (19, 13, 12, 100)


def test_an_unknown_backend_and_equal_pins_are_refused() -> None:
    with pytest.raises(BadInput, match=r"no PWM backend 'pigpio'.*auto, blinka, gpiozero"):
        InstrumentSettings(pwm_backend="pigpio")
    with pytest.raises(BadInput, match="a pin of its own"):
        InstrumentSettings(red=12)
