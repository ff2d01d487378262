"""The factory: which name opens what, and that nothing is opened by mistake."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrolux.device import factory
from retrolux.device.bench import Bench
from retrolux.device.errors import DeviceError, UnknownDevice
from retrolux.device.factory import open_instrument
from retrolux.device.measurement import Exposure
from retrolux.device.remote import Remote
from retrolux.device.settings import InstrumentSettings
from tests.device.raspberry_pi import Raspberry


@pytest.mark.parametrize(
    ("asked", "name"), [("sim", "sim"), ("sim:0", "sim"), ("sim:3", "sim:3"), ("sim:007", "sim:7")]
)
def test_a_simulator_says_that_it_is_one(asked: str, name: str) -> None:
    with open_instrument(asked) as instrument:
        assert isinstance(instrument, Bench)
        assert instrument.measure((0, 0, 0)).device == instrument.name == name


def test_pi_is_the_hardware(raspberry: Raspberry) -> None:
    with open_instrument("pi") as instrument:
        assert instrument.measure((0, 0, 0)).device == "pi"
    assert raspberry.given == [19, 13, 12]


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "https://light.example/api", "http://host/"])
def test_an_address_is_another_instrument(url: str) -> None:
    with open_instrument(url) as instrument:
        assert isinstance(instrument, Remote)
        assert instrument.name == url.removesuffix("/api").rstrip("/")


@pytest.mark.parametrize(
    "name",
    ["", "Sim", "sim:", "sim:-1", "sim:1.5", "sim:٣", "sim:1\n", " sim", "pi:1", "http://", "ftp://host", "http:/x"],
)
def test_anything_else_is_refused_in_words(name: str) -> None:
    with pytest.raises(UnknownDevice, match="The devices are sim, sim:N, pi and http"):
        open_instrument(name)


def test_a_malformed_address_is_refused_in_words() -> None:
    with pytest.raises(UnknownDevice, match="malformed"):
        open_instrument("http://[::1")


@given(st.text().filter(lambda name: not name.startswith(("sim", "pi", "http"))))
def test_no_other_text_opens_anything(name: str) -> None:
    with pytest.raises(UnknownDevice) as refused:
        open_instrument(name)
    assert repr(name) in refused.value.cause


def test_pi_never_falls_back_to_the_simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("board", "pwmio", "gpiozero"):
        monkeypatch.setitem(sys.modules, module, None)  # not installed
    with pytest.raises(DeviceError) as failed:
        open_instrument("pi")
    assert failed.value.remedy
    assert "gpiozero" in failed.value.cause


def test_settings_reach_the_sensor() -> None:
    exposure = Exposure(16, 29, 599)
    with factory.open_instrument("sim", InstrumentSettings(exposure)) as instrument:
        assert instrument.measure((0, 0, 0)).exposure == exposure
        assert instrument.status()["exposure"] == {"gain": 16, "atime": 29, "astep": 599, "seconds": 0.05004}
