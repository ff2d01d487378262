"""The kernel's PWM: which wiring can work on which board, and what its files are told."""

from pathlib import Path

import pytest

from retrolux.device.clock import FakeClock
from retrolux.device.errors import LightError
from retrolux.device.lights import opening
from retrolux.device.lights.sysfs import HEADER_PWM, KernelFiles, open_sysfs
from retrolux.device.lights.wiring import board_model, hardware_channels
from retrolux.device.pi import open_pi
from retrolux.device.settings import InstrumentSettings
from retrolux.device.sim.sysfs import EmulatedKernel
from tests.device.raspberry_pi import Raspberry

PI_5 = "Raspberry Pi 5 Model B Rev 1.0"
OLDER = [
    "Raspberry Pi 3 Model B Plus Rev 1.3",
    "Raspberry Pi 4 Model B Rev 1.5",
    "Raspberry Pi 400 Rev 1.0",
    "Raspberry Pi Zero 2 W Rev 1.0",
]


def test_a_pi_5_has_a_channel_for_each_pin_of_the_usual_wiring() -> None:
    assert hardware_channels(PI_5, (19, 13, 12)) == (3, 1, 0)
    assert hardware_channels("Raspberry Pi Compute Module 5 Rev 1.0", (12, 13, 18)) == (0, 1, 2)


@pytest.mark.parametrize("model", OLDER)
def test_older_boards_are_refused_because_two_pins_share_a_channel(model: str) -> None:
    with pytest.raises(LightError, match="red on GPIO 19 and green on GPIO 13 share PWM channel 1") as refused:
        hardware_channels(model, (19, 13, 12))
    assert model in refused.value.cause
    assert "two channels for three colours" in refused.value.remedy
    assert "pca9685" in refused.value.remedy


@pytest.mark.parametrize(
    ("pins", "words"),
    [
        ((12, 13, 17), "GPIO 17 of a Raspberry Pi 5"),
        ((14, 13, 18), "red on GPIO 14 and blue on GPIO 18 share PWM channel 2"),
        ((13, 15, 19), "green on GPIO 15 and blue on GPIO 19 share PWM channel 3"),
    ],
)
def test_a_pi_5_refuses_pins_without_a_channel_or_with_another_s(pins: tuple[int, ...], words: str) -> None:
    with pytest.raises(LightError, match=words):
        hardware_channels(PI_5, pins)


@pytest.mark.parametrize("model", ["", "Orange Pi 5"])
def test_what_is_no_raspberry_pi_is_refused(model: str) -> None:
    with pytest.raises(LightError, match="is no Raspberry Pi"):
        hardware_channels(model, (19, 13, 12))


def test_the_board_s_name_ends_in_a_null_and_may_be_missing(tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"Raspberry Pi 5 Model B Rev 1.0\0")
    assert board_model(tmp_path / "model") == PI_5
    assert board_model(tmp_path / "none") == ""


@pytest.mark.parametrize("number", [0, 2])  # of the controller, from Linux 6.12 on and before
def test_the_controller_is_found_by_its_device_and_never_the_fan_s(number: int) -> None:
    kernel = EmulatedKernel(number)
    open_sysfs(kernel, (3, 1, 0), 100, FakeClock(0)).set((0.5, 0.25, 1))
    assert [c.fraction for c in kernel.channels] == [1, 0.25, 0, 0.5]


def test_without_the_overlay_it_says_what_to_add() -> None:
    kernel = EmulatedKernel()
    kernel.loaded = False
    with pytest.raises(LightError, match="no PWM controller") as failed:
        open_sysfs(kernel, (3, 1, 0), 100, FakeClock(0))
    assert "dtoverlay=pwm-2chan" in failed.value.remedy


def test_it_waits_for_udev_but_not_for_ever() -> None:
    kernel, clock = EmulatedKernel(), FakeClock(0)
    kernel.slow = 20
    open_sysfs(kernel, (0, 1, 2), 100, clock)
    assert 0 < clock.monotonic() < 1
    kernel.slow = 10**9
    with pytest.raises(PermissionError):
        open_sysfs(kernel, (3, 1, 2), 100, clock)
    assert clock.monotonic() < 4


def test_a_channel_that_a_crash_left_on_is_taken_over_dark() -> None:
    kernel = EmulatedKernel()
    first = open_sysfs(kernel, (0, 1, 2), 100, FakeClock(0))
    first.set((1, 1, 1))
    open_sysfs(kernel, (0, 1, 2), 1000, FakeClock(0))  # a period shorter than the pulse that was
    assert [c.fraction for c in kernel.channels[:3]] == [0, 0, 0]
    assert kernel.channels[0].frequency == 1000


def test_channels_are_handed_back_when_one_cannot_be_had() -> None:
    kernel = EmulatedKernel()
    kernel.channels[2].broken = True
    with pytest.raises(OSError, match="Input/output error"):
        open_sysfs(kernel, (0, 1, 2), 100, FakeClock(0))
    assert kernel.exported == {2}
    kernel.channels[2].broken = False
    open_sysfs(kernel, (0, 1, 2), 100, FakeClock(0)).close()
    assert kernel.exported == set()


def test_the_kernel_s_own_files_are_written(tmp_path: Path) -> None:
    devices, pwm = tmp_path / "devices", tmp_path / "class"
    for name, device in (("pwmchip0", HEADER_PWM), ("pwmchip1", "1f0009c000.pwm")):
        (devices / device).mkdir(parents=True)
        (pwm / name / "pwm1").mkdir(parents=True)
        (pwm / name / "device").symlink_to(devices / device)
        (pwm / name / "export").write_text("")
        for file in ("period", "duty_cycle", "enable"):
            (pwm / name / "pwm1" / file).write_text("0\n")
    files = KernelFiles(pwm)
    assert files.controllers() == {"pwmchip0": HEADER_PWM, "pwmchip1": "1f0009c000.pwm"}
    light = open_sysfs(files, (1, 1, 1), 100, FakeClock(0))
    light.set((0, 0, 0.5))
    told = {f.name: f.read_text() for f in (pwm / "pwmchip0" / "pwm1").iterdir()}
    assert told == {"period": "10000000", "duty_cycle": "5000000", "enable": "1\n"}
    assert (pwm / "pwmchip1" / "pwm1" / "period").read_text() == "0\n"
    with pytest.raises(FileNotFoundError):
        files.write("pwmchip0/pwm2/enable", "1")


def test_a_wiring_that_cannot_work_leaves_everything_alone(
    raspberry: Raspberry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "board_model", lambda: OLDER[1])
    with pytest.raises(LightError, match="share PWM channel 1"):
        open_pi(InstrumentSettings(pwm_backend="sysfs"))
    assert raspberry.log == []
