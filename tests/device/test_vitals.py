"""The machine's vital signs, in folders that look like one."""

import subprocess
from pathlib import Path

import pytest

from retrolux.device.vitals import Vitals, vitals
from tests.device.test_host import write

OLD = "sys/devices/platform/soc/soc:firmware/get_throttled"
HWMON = "sys/class/hwmon/hwmon1"


@pytest.fixture(autouse=True)
def no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a program was started"))


def test_a_machine_that_says_nothing(tmp_path: Path) -> None:
    assert vitals(tmp_path) == Vitals(None, None, None)
    write(tmp_path, "sys/class/thermal/thermal_zone0/temp", "hot\n")
    write(tmp_path, OLD, "?\n")
    write(tmp_path, f"{HWMON}/name", "rpi_volt\n")
    assert vitals(tmp_path) == Vitals(None, None, None)


def test_its_temperature(tmp_path: Path) -> None:
    write(tmp_path, "sys/class/thermal/thermal_zone0/temp", "48312\n")
    assert vitals(tmp_path).temperature == 48.312
    write(tmp_path, "sys/class/thermal/thermal_zone0/temp", "-1500\n")
    assert vitals(tmp_path).temperature == -1.5


@pytest.mark.parametrize(("alarm", "low"), [("0\n", False), ("1\n", True)])
@pytest.mark.parametrize("name", ["in0_lcrit_alarm", "in1_lcrit_alarm"])
def test_the_kernel_s_alarm_is_preferred(tmp_path: Path, name: str, alarm: str, low: bool) -> None:
    write(tmp_path, f"{HWMON}/name", "rpi_volt\n")
    write(tmp_path, f"{HWMON}/{name}", alarm)
    write(tmp_path, OLD, "50005\n")
    assert vitals(tmp_path) == Vitals(None, low, None)


@pytest.mark.parametrize(
    ("bits", "now", "since"),
    [
        ("0\n", False, False),
        ("50000\n", False, True),
        ("50005\n", True, True),
        ("1\n", True, True),
        ("80008", False, False),
    ],
)
@pytest.mark.parametrize("folder", ["soc/soc:firmware", "soc@107c000000/soc@107c000000:firmware"])
def test_an_older_kernel_s_bits(tmp_path: Path, folder: str, bits: str, now: bool, since: bool) -> None:
    write(tmp_path, f"sys/devices/platform/{folder}/get_throttled", bits)
    assert vitals(tmp_path) == Vitals(None, now, since)


def test_this_machine_can_be_asked() -> None:
    assert vitals().to_json().keys() == {"temperature", "undervoltage", "undervoltage_since_boot"}
