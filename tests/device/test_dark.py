"""The light made dark from outside, and the file that stands for pins which outlive the process."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from retrolux.device import pi
from retrolux.device.clock import FakeClock
from retrolux.device.errors import InstrumentBusy, LightError, SensorMissing, UnknownDevice
from retrolux.device.factory import make_dark, open_instrument
from retrolux.device.lights.pin_file import PinFile
from retrolux.device.settings import InstrumentSettings
from retrolux.device.sim import Parts, Scene, make_parts, open_sim
from tests.device.raspberry_pi import become_raspberry_pi

BACKENDS = ("blinka", "gpiozero", "sysfs", "pca9685")
LEFT_ON = (0.25, 1.0, 0.5)
A_STEP = 1e-4  # of the backends that do not have these duties


def shining(parts: Parts) -> list[float]:
    return [output.fraction for output in parts.light.outputs]


def left_on(settings: InstrumentSettings, duties: Sequence[float] = LEFT_ON) -> Parts:
    """Return hardware whose light somebody left on, and on whose bus there is no sensor."""
    if settings.pwm_backend == "gpiozero":  # the fake one drives the same kind of pins as Blinka's
        settings = InstrumentSettings()
    parts = make_parts(0, FakeClock(0), Scene(light=settings))
    open_sim(0, settings, parts)._light.set(duties)
    assert shining(parts) == pytest.approx(duties, abs=A_STEP)
    parts.bus.present = False
    return parts


@pytest.mark.parametrize("backend", BACKENDS)
def test_each_backend_s_light_is_made_dark_without_a_sensor(
    backend: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = InstrumentSettings(pwm_backend=backend)
    parts = left_on(settings)
    become_raspberry_pi(parts, monkeypatch, tmp_path)
    assert backend in make_dark("pi", settings)
    assert shining(parts) == [0, 0, 0]
    make_dark("pi", settings)  # it was given back


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_others_are_made_dark_where_one_does_not_obey(
    backend: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = InstrumentSettings(pwm_backend=backend)
    parts = left_on(settings)
    become_raspberry_pi(parts, monkeypatch, tmp_path)
    parts.light.outputs[0].broken = True
    with pytest.raises(LightError):
        make_dark("pi", settings)
    if backend != "sysfs":  # which opens all three or none
        assert shining(parts)[1:] == [0, 0]


HOLD = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX); print('held'); input()"


def test_one_that_died_with_the_lock_is_no_hindrance_and_one_that_lives_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = InstrumentSettings()
    parts = left_on(settings)
    become_raspberry_pi(parts, monkeypatch, tmp_path)
    command = [sys.executable, "-c", HOLD, tmp_path / "retrolux.lock"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"held\n"
        before = parts.clock.monotonic()
        with pytest.raises(InstrumentBusy):
            make_dark("pi", settings)
        assert parts.clock.monotonic() - before == pytest.approx(pi.PATIENCE, abs=2 * pi.POLL_SECONDS)
        assert shining(parts) == pytest.approx(LEFT_ON, abs=A_STEP)
        make_dark("pi", settings, anyway=True)
        assert shining(parts) == [0, 0, 0]
        parts.light.outputs[1].note(1.0)
        owner.kill()
    make_dark("pi", settings)
    assert shining(parts) == [0, 0, 0]


def test_a_bus_that_is_not_there_yet_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = InstrumentSettings(pwm_backend="pca9685")
    become_raspberry_pi(left_on(settings), monkeypatch, tmp_path)
    monkeypatch.setitem(sys.modules, "board", None)
    with pytest.raises(SensorMissing, match="I2C bus cannot be had"):
        make_dark("pi", settings)


def test_of_other_devices_it_says_who_makes_them_dark(tmp_path: Path) -> None:
    assert "ends with its process" in make_dark("sim:3", InstrumentSettings())
    assert "itself" in make_dark("http://other", InstrumentSettings())
    with pytest.raises(UnknownDevice):
        make_dark("lamp", InstrumentSettings())
    with pytest.raises(LightError, match="nowhere"):
        make_dark("sim", InstrumentSettings(pins_file=tmp_path / "nowhere" / "pins"))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_simulator_s_pins_outlive_it_and_the_next_begins_dark(
    backend: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pins = tmp_path / "pins"
    settings = InstrumentSettings(pwm_backend=backend, pins_file=pins)
    parts = make_parts(0, FakeClock(0), Scene(light=settings))
    crashed = open_sim(0, settings, parts)
    crashed._light.set(LEFT_ON)
    del crashed, parts  # nobody closes it
    assert [float(duty) for duty in pins.read_text().split(",")] == pytest.approx(LEFT_ON, abs=A_STEP)
    again = make_parts(0, FakeClock(0), Scene(light=settings))
    assert shining(again) == pytest.approx(LEFT_ON, abs=A_STEP)
    with open_instrument("sim", settings) as instrument:
        assert pins.read_text() == "0,0,0\n"
        instrument.measure((0.1, 0.2, 0.3))
        assert pins.read_text() == "0,0,0\n"
    assert list(tmp_path.iterdir()) == [pins]


@pytest.mark.parametrize("backend", BACKENDS)
def test_after_an_exception_in_the_middle_the_file_says_dark(
    backend: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pins = tmp_path / "pins"
    settings, seen = InstrumentSettings(pwm_backend=backend, pins_file=pins), list[str]()
    with open_instrument("sim", settings) as instrument:

        def fails(*_: object) -> None:
            seen.append(pins.read_text())
            raise ZeroDivisionError

        monkeypatch.setattr("retrolux.device.sensor.Sensor.read", fails)
        with pytest.raises(ZeroDivisionError):
            instrument.measure((1, 0, 1))
        assert seen == ["1,0,1\n"]
        assert pins.read_text() == "0,0,0\n"


@pytest.mark.parametrize("text", ["", "1,2", "1,1,7", "one,two,three", "nan,0,0"])
def test_a_file_of_something_else_is_dark(text: str, tmp_path: Path) -> None:
    (tmp_path / "pins").write_text(text)
    assert PinFile(tmp_path / "pins").read() == (0, 0, 0)


def test_readings_are_the_same_with_a_file_for_the_pins_and_one_for_a_hang(tmp_path: Path) -> None:
    plain = InstrumentSettings(begins=1e9)
    kept = InstrumentSettings(begins=1e9, pins_file=tmp_path / "pins", hang_file=tmp_path / "hang")
    outputs = []
    for settings in (plain, kept):
        with open_instrument("sim:2", settings) as instrument:
            outputs.append([instrument.measure((0.1 * i, 0.5, 0.3)).outputs for i in range(3)])
    assert outputs[0] == outputs[1]
