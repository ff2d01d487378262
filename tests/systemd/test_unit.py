"""The unit file, as systemd itself reads it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

UNIT = ROOT / "systemd" / "retrolux.service"
EXEC = "/opt/retrolux/venv/bin/retrolux"

needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")


@needs_systemd
def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    """Verified with a command that exists, since the program is not installed in /opt where tests run."""
    copy = tmp_path / "retrolux.service"
    copy.write_text(UNIT.read_text().replace(EXEC, shutil.which("true") or "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", copy], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@needs_systemd
def test_systemd_would_find_a_mistake(tmp_path: Path) -> None:
    copy = tmp_path / "retrolux.service"
    copy.write_text(UNIT.read_text().replace(EXEC, "/nowhere/retrolux").replace("Restart=", "Restrat="))
    done = subprocess.run(["systemd-analyze", "verify", copy], capture_output=True, text=True, check=False)
    assert "Restrat" in done.stderr
    assert "/nowhere/retrolux" in done.stderr


def test_it_runs_what_the_installer_installs() -> None:
    installer = (ROOT / "systemd" / "install.sh").read_text()
    assert "prefix=/opt/retrolux" in installer
    assert f"ExecStart={EXEC} serve" in UNIT.read_text()


MOST = 17
"""Tenths of the exposure that systemd-analyze may find."""


def security(unit: str, folder: Path) -> subprocess.CompletedProcess[str]:
    copy = folder / "retrolux.service"
    copy.write_text(unit)
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={MOST}", copy]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@needs_systemd
def test_its_exposure_is_small(tmp_path: Path) -> None:
    done = security(UNIT.read_text(), tmp_path)
    assert done.returncode == 0, done.stdout
    stated = re.search(r"`systemd-analyze security` gives ([0-9.]+)", UNIT.read_text())
    found = re.search(r"Overall exposure level for retrolux.service: ([0-9.]+)", done.stdout)
    assert stated is not None
    assert found is not None
    assert stated[1] == found[1]


@needs_systemd
def test_the_limit_would_notice_what_is_missing(tmp_path: Path) -> None:
    open_to_all = UNIT.read_text().replace("IPAddressDeny=any", "").replace("DevicePolicy=closed", "")
    assert security(open_to_all.replace("SystemCallFilter=", "#"), tmp_path).returncode != 0


def test_what_drives_the_light_is_not_hidden_from_it() -> None:
    """The sensor's bus, the GPIO lines, the groups that own them; and what would hide them is not there."""
    said = UNIT.read_text().splitlines()
    for line in ("DeviceAllow=char-i2c rw", "DeviceAllow=char-gpiochip rw", "SupplementaryGroups=i2c gpio"):
        assert line in said
    hidden = {"PrivateDevices", "PrivateUsers", "DynamicUser", "PrivateNetwork"}
    assert hidden.isdisjoint(line.partition("=")[0] for line in said)
