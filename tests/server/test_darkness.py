"""``retrolux dark``: what it reads of the configuration, what it says, and how little it needs."""

from dataclasses import fields, replace
from pathlib import Path

import pytest

from retrolux.device.clock import FakeClock
from retrolux.device.errors import BadInput, InstrumentBusy, LightError
from retrolux.server import darkness
from retrolux.server.cli import main
from retrolux.server.config import load_config
from retrolux.server.darkness import go_dark, light_of
from retrolux.server.errors import BadConfiguration
from tests.server.test_imports import loaded

LIGHT = """device = "pi"
[light]
red = 1
green = 2
blue = 3
frequency = 500
backend = "pca9685"
address = 0x41
channels = [5, 4, 3]
[simulator]
pins = "/somewhere/pins"
"""
OF_THE_LIGHT = ("red", "green", "blue", "pca9685_address", "pca9685_channels", "pwm_frequency", "pwm_backend")


def test_it_reads_of_the_light_what_the_configuration_does(tmp_path: Path) -> None:
    file = tmp_path / "retrolux.toml"
    file.write_text(LIGHT)
    device, settings = light_of(file)
    config = load_config(file)
    assert device == config.device
    assert settings == config.instrument_settings
    changed = {name for name in (f.name for f in fields(settings)) if getattr(settings, name) != _default(name)}
    assert changed == {*OF_THE_LIGHT, "pins_file"}  # each of them was read


def _default(name: str) -> object:
    return getattr(darkness.InstrumentSettings(), name)


def test_a_mistake_elsewhere_is_no_hindrance(tmp_path: Path) -> None:
    file = tmp_path / "retrolux.toml"
    file.write_text('device = "pi"\nsensor = 7\n[light]\nred = 4\ncolour = "?"\n[serve]\nport = "none"\n')
    device, settings = light_of(file)
    assert device == "pi"
    assert settings == replace(darkness.InstrumentSettings(), red=4)


def test_a_file_that_says_nothing_of_use_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "retrolux.toml"
    with pytest.raises(BadConfiguration, match=str(file)):
        light_of(file)
    file.write_text("[light\n")
    with pytest.raises(BadConfiguration, match=str(file)):
        light_of(file)
    file.write_text('[light]\nchannels = "all"\n')
    with pytest.raises(BadInput):
        light_of(file)


def test_it_waits_for_a_device_that_is_not_there_yet_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, tries = FakeClock(0), list[float]()

    def appears_after_3_s(*_: object, **__: object) -> str:
        tries.append(clock.monotonic())
        if tries[-1] < 3:
            raise LightError("No device.", "Wait.")
        return "dark"

    monkeypatch.setattr(darkness, "make_dark", appears_after_3_s)
    settings = darkness.InstrumentSettings()
    assert go_dark("pi", settings, wait=20, clock=clock) == "dark"
    clock = FakeClock(0)
    with pytest.raises(LightError):
        go_dark("pi", settings, wait=2, clock=clock)
    assert clock.monotonic() == pytest.approx(2, abs=darkness.PAUSE)


def test_it_does_not_wait_for_one_that_another_owns(monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object, **__: object) -> str:
        raise InstrumentBusy("Another process owns it.", "Stop it.")

    clock = FakeClock(0)
    monkeypatch.setattr(darkness, "make_dark", busy)
    with pytest.raises(InstrumentBusy):
        go_dark("pi", darkness.InstrumentSettings(), wait=20, clock=clock)
    assert clock.monotonic() == 0


def test_it_says_what_it_did_and_its_exit_code_tells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, pins = tmp_path / "retrolux.toml", tmp_path / "pins"
    file.write_text(f'[simulator]\npins = "{pins}"\n')
    pins.write_text("1,1,1\n")
    with pytest.raises(SystemExit) as ended:
        main(["dark", "--config", str(file)])
    assert not ended.value.code
    assert "red, green and blue are at 0" in capsys.readouterr().out
    assert pins.read_text() == "0,0,0\n"
    for arguments, code in ((["--device", "lamp"], 2), (["--config", str(tmp_path / "none.toml")], 1)):
        with pytest.raises(SystemExit) as ended:
            main(["dark", *arguments])
        assert ended.value.code == code
        assert capsys.readouterr().err.startswith("retrolux: ")


@pytest.mark.parametrize("device", ["sim", "http://other"])
def test_it_needs_none_of_the_heavy_parts(device: str, tmp_path: Path) -> None:
    modules = loaded(tmp_path, "dark", "--device", device)
    assert not {name.split(".")[0] for name in modules} & {"numpy", "scipy", "pydantic", "flask", "rich", "sklearn"}
    assert not {name for name in modules if name.startswith("retrolux.models.")} - {"retrolux.models.errors"}
    assert len(modules) <= 200


def test_on_a_raspberry_pi_it_needs_no_numpy_either(tmp_path: Path) -> None:
    """Asked there for hardware that this machine has not, it has loaded all it would load."""
    (tmp_path / "retrolux.toml").write_text('device = "pi"\n[light]\nbackend = "sysfs"\n')
    modules = loaded(tmp_path, "dark", expected=1)
    assert "retrolux.device.lights.sysfs" in modules
    assert not {name.split(".")[0] for name in modules} & {"numpy", "pydantic"}
