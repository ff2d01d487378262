"""The unit file, as systemd itself reads it."""

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
