"""The hardware path against fakes of its libraries: who owns it, in which order, and what fails how."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from retrolux.device import pi
from retrolux.device.errors import InstrumentBusy, LightError, SensorMissing, UnknownChannel
from retrolux.device.measurement import Exposure
from retrolux.device.pi import open_pi
from retrolux.device.settings import InstrumentSettings
from tests.device.raspberry_pi import Raspberry

SETTINGS = InstrumentSettings()


def test_the_light_is_dark_before_the_sensor_is_looked_for(raspberry: Raspberry) -> None:
    for pin in raspberry.parts.pins:
        pin.duty_cycle = 65535  # left on by another program
    raspberry.parts.bus.present = False
    with pytest.raises(SensorMissing, match="No sensor answers at address 0x39") as failed:
        open_pi(SETTINGS)
    assert "raspi-config" in failed.value.remedy
    assert [pin.duty_cycle for pin in raspberry.parts.pins] == [0, 0, 0]
    assert raspberry.log[:4] == ["pin 19", "pin 13", "pin 12", "bus in the dark"]


@pytest.mark.parametrize("failing", ["bus", "sensor", "foreign chip"])
def test_everything_is_handed_back_when_opening_fails(
    raspberry: Raspberry, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    if failing == "bus":
        monkeypatch.delattr(sys.modules["board"], "I2C")
    elif failing == "sensor":
        raspberry.parts.bus.present = False
    else:
        raspberry.parts.chip.registers[0x92] = 0
    with pytest.raises(SensorMissing):
        open_pi(SETTINGS)
    assert raspberry.held == set()


def test_it_opens_again_once_the_sensor_is_there(raspberry: Raspberry) -> None:
    raspberry.parts.bus.present = False
    with pytest.raises(SensorMissing):
        open_pi(SETTINGS)
    raspberry.parts.bus.present = True
    with open_pi(SETTINGS) as instrument:
        assert instrument.measure((0, 0, 0)).device == "pi"


def test_closing_hands_everything_back_once(raspberry: Raspberry) -> None:
    open_pi(SETTINGS).close()
    assert raspberry.held == set()
    assert sorted(raspberry.log[-4:]) == ["bus back", "pin 12 back", "pin 13 back", "pin 19 back"]
    open_pi(SETTINGS).close()  # and the lock


@pytest.mark.parametrize("bcm", [19, 13, 12])
def test_pins_are_handed_back_when_one_cannot_be_had(raspberry: Raspberry, bcm: int) -> None:
    raspberry.refuses = {bcm}
    with pytest.raises(LightError, match=f"pin {bcm} is already in use") as failed:
        open_pi(SETTINGS)
    assert "second line" not in failed.value.cause
    assert raspberry.held == set()
    assert not any(event.startswith("bus") for event in raspberry.log)
    raspberry.refuses = set()
    open_pi(SETTINGS).close()


def test_a_board_without_blinkas_pwm_is_driven_by_gpiozero(raspberry_without_pwmio: Raspberry) -> None:
    with open_pi(InstrumentSettings(pwm_frequency=250.5)) as instrument:
        instrument.measure((0.5, 0.25, 1))
    assert [max(pin.history) for pin in raspberry_without_pwmio.parts.pins] == [32768, 16384, 65535]
    assert raspberry_without_pwmio.frequencies == [250.5] * 3


def test_blinka_alone_may_be_demanded(raspberry_without_pwmio: Raspberry) -> None:
    with pytest.raises(LightError, match="Board not supported"):
        open_pi(InstrumentSettings(pwm_backend="blinka"))
    assert raspberry_without_pwmio.given == []


def test_gpiozero_may_be_demanded(raspberry: Raspberry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pwmio", None)
    with open_pi(InstrumentSettings(pwm_backend="gpiozero")) as instrument:
        instrument.measure((0.5, 0, 0))
    assert max(raspberry.parts.pins[0].history) == 32768


def test_pins_and_frequency_are_those_of_the_settings(raspberry: Raspberry) -> None:
    with open_pi(InstrumentSettings(red=12, green=19, blue=13, pwm_frequency=499.7)):
        pass
    assert raspberry.given == [12, 19, 13]
    assert raspberry.frequencies == [500] * 3  # pwmio takes whole hertz


def test_a_pin_that_the_board_does_not_have_is_an_error_in_words(raspberry: Raspberry) -> None:
    with pytest.raises(LightError, match="D27"):
        open_pi(InstrumentSettings(red=27))
    assert raspberry.held == set()


@pytest.mark.parametrize("duty", [0.0, 1e-6, 1 / 65535, 0.147, 0.5, 0.999999, 1.0])
def test_a_duty_is_set_to_one_part_in_65535(raspberry: Raspberry, duty: float) -> None:
    with open_pi(SETTINGS) as instrument:
        assert instrument.measure((duty, 0, 0)).inputs == (duty, 0.0, 0.0)
    assert max(raspberry.parts.pins[0].history) == round(duty * 65535)


def test_each_pin_is_made_dark_though_gpiozero_raises_its_own_errors(raspberry_without_pwmio: Raspberry) -> None:
    pins = raspberry_without_pwmio.parts.pins
    instrument = open_pi(SETTINGS)
    pins[0].broken = True
    pins[1].duty_cycle = pins[2].duty_cycle = 30000
    with pytest.raises(LightError, match="the pin does not obey"):
        instrument.dark()
    assert [pin.duty_cycle for pin in pins[1:]] == [0, 0]
    pins[0].broken = False
    instrument.close()


def test_pins_bus_and_lock_are_handed_back_though_the_light_does_not_obey(raspberry: Raspberry) -> None:
    instrument = open_pi(SETTINGS)
    raspberry.parts.pins[0].broken = True
    with pytest.raises(LightError, match="Input/output error"):
        instrument.close()
    assert raspberry.held == set()
    assert "bus back" in raspberry.log
    raspberry.parts.pins[0].broken = False
    open_pi(SETTINGS).close()


def test_a_second_owner_is_refused(raspberry: Raspberry) -> None:
    with open_pi(SETTINGS):
        with pytest.raises(InstrumentBusy, match="Another process owns") as refused:
            open_pi(SETTINGS)
        assert "--device http://" in refused.value.remedy
        assert len(raspberry.given) == 3
    open_pi(SETTINGS).close()


def test_another_process_that_holds_the_lock_is_respected(raspberry: Raspberry, tmp_path: Path) -> None:
    code = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX); print('held'); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path / "retrolux.lock"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(InstrumentBusy):
            open_pi(SETTINGS)
        other.communicate(b"\n")
    open_pi(SETTINGS).close()


def test_another_users_lock_is_respected(raspberry: Raspberry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its file may not be opened to write, nor, in a sticky folder, with leave to create it."""
    real = os.open

    def other_users(path: Path, flags: int, mode: int = 0o777) -> int:
        if flags & (os.O_CREAT | os.O_RDWR | os.O_WRONLY):
            raise PermissionError(13, "Permission denied")
        return real(path, flags, mode)

    (tmp_path / "retrolux.lock").touch(mode=0o444)
    with (tmp_path / "retrolux.lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        monkeypatch.setattr(pi.os, "open", other_users)
        with pytest.raises(InstrumentBusy):
            open_pi(SETTINGS)
    open_pi(SETTINGS).close()


def test_a_machine_without_board_is_told_to_check_the_bus(
    raspberry: Raspberry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "board", None)
    with pytest.raises(SensorMissing, match="I2C bus cannot be had"):
        open_pi(SETTINGS)
    assert raspberry.held == set()


def test_blinka_asks_nothing_on_the_terminal(raspberry: Raspberry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BLINKA_SKIP_DEPENDENCY_CHECK", raising=False)
    open_pi(SETTINGS).close()
    assert os.environ["BLINKA_SKIP_DEPENDENCY_CHECK"] == "1"


def test_it_reads_what_the_emulated_optics_say(raspberry: Raspberry) -> None:
    with open_pi(InstrumentSettings(Exposure(64))) as instrument:
        reading = instrument.measure((0, 0, 1), ["445nm", "clear"])
        assert reading.outputs["445nm"] == pytest.approx((30201 + 613) / 2, rel=0.03)
        with pytest.raises(UnknownChannel):
            instrument.measure((0, 0, 1), ["950nm"])
