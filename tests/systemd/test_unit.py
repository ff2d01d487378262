"""The unit files, as systemd itself reads them, and what they run."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from retrolux.server import processes, serving, watchdog
from tests.conftest import ROOT

FOLDER = ROOT / "systemd"
UNIT = FOLDER / "retrolux.service"
UNITS = ("retrolux.service", "retrolux-dark.service", "retrolux-failure@.service")
EXEC = "/opt/retrolux/venv/bin/retrolux"

needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")


@needs_systemd
def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    """Verified with a command that exists, since the program is not installed in /opt where tests run."""
    for name in UNITS:
        (tmp_path / name).write_text((FOLDER / name).read_text().replace(EXEC, shutil.which("true") or "/bin/true"))
    copies = [tmp_path / name.replace("@", "@watchdog") for name in UNITS]
    (tmp_path / UNITS[-1]).rename(copies[-1])
    done = subprocess.run(["systemd-analyze", "verify", *copies], capture_output=True, text=True, check=False)
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
    for name in UNITS:
        assert name in installer
    for script in re.findall(r"/opt/retrolux/(\w+\.sh)", "".join((FOLDER / name).read_text() for name in UNITS)):
        assert (FOLDER / script).is_file()
        assert script in installer


def seconds(name: str) -> float:
    (found,) = re.findall(rf"^{name}=(\d+)$", UNIT.read_text(), flags=re.MULTILINE)
    return float(found)


def test_the_server_s_patience_fits_the_unit_s() -> None:
    """A hang of whatever kind is over in half a minute, and a process that hangs is ended before the server is."""
    patience = seconds("WatchdogSec")
    unnoticed = patience / watchdog.PARTS + watchdog.LATE
    assert unnoticed + patience + seconds("TimeoutAbortSec") + seconds("RestartSec") < 25
    assert patience > processes.STILL_SECONDS + 2 * processes.LOOK_SECONDS
    assert seconds("TimeoutStopSec") > serving.DRAIN_SECONDS + serving.JOBS_SECONDS
    assert seconds("StartLimitIntervalSec") > 5 * 30  # five hangs in a row reach the limit


REASONS = [
    ("success", "exited", "0", None),
    ("watchdog", "dumped", "ABRT", "retrolux-failure@watchdog:dumped:ABRT.service"),
    ("exit-code", "exited", "1", "retrolux-failure@exit-code:exited:1.service"),
    ("resources", "", "", "retrolux-failure@resources:none:none.service"),
]


@pytest.mark.parametrize(("result", "code", "status", "started"), REASONS)
def test_each_failure_starts_what_follows_it(
    result: str, code: str, status: str, started: str | None, tmp_path: Path
) -> None:
    calls = recording(tmp_path, "systemctl")
    given = {"SERVICE_RESULT": result, "EXIT_CODE": code, "EXIT_STATUS": status, "PATH": f"{tmp_path}:/usr/bin:/bin"}
    subprocess.run(["sh", FOLDER / "failed.sh"], env=given, check=True)
    assert calls() == ([] if started is None else [f"systemctl start --no-block {started}"])


def failure(tmp_path: Path, reason: str) -> "subprocess.CompletedProcess[str]":
    given = {"PATH": f"{tmp_path}:/usr/bin:/bin", "RETROLUX_RESTS": str(tmp_path / "rests")}
    given |= {"RETROLUX_HOOK": str(tmp_path / "on-failure")}
    return subprocess.run(["sh", FOLDER / "failure.sh", reason], env=given, capture_output=True, text=True, check=False)


def recording(folder: Path, *names: str, code: int = 0):
    """Put programs there that only record how they are called, and return what reads that."""
    for name in names:
        (folder / name).write_text(f'#!/bin/sh\necho "{name} $*" >> "{folder}/calls"\nexit {code}\n')
        (folder / name).chmod(0o755)
    return lambda: (folder / "calls").read_text().splitlines() if (folder / "calls").exists() else []


def test_the_operator_s_program_is_told_the_reason(tmp_path: Path) -> None:
    calls = recording(tmp_path, "systemctl", "sleep")
    assert failure(tmp_path, "watchdog:dumped:ABRT").returncode == 0  # there is none
    assert calls() == []
    recording(tmp_path, "on-failure")
    assert failure(tmp_path, "watchdog:dumped:ABRT").returncode == 0
    assert calls() == ["on-failure watchdog:dumped:ABRT"]
    (tmp_path / "on-failure").write_text("#!/bin/sh\nexit 7\n")
    done = failure(tmp_path, "signal:killed:KILL")
    assert (done.returncode, "exit code 7" in done.stdout) == (0, True)


def test_it_rests_ever_longer_and_always_starts_again(tmp_path: Path) -> None:
    calls = recording(tmp_path, "systemctl", "sleep")
    for _ in range(7):
        assert failure(tmp_path, "start-limit-hit").returncode == 0
    assert [c.split()[1] for c in calls() if c.startswith("sleep")] == ["60", "120", "240", "480", *["900"] * 3]
    asked = "systemctl is-failed --quiet retrolux.service"
    once = [asked, "systemctl reset-failed retrolux.service", "systemctl start --no-block retrolux.service"]
    assert [c for c in calls() if c.startswith("systemctl")] == once * 7
    (tmp_path / "rests").write_text("7 1000000000\n")  # long ago
    (tmp_path / "calls").unlink()
    failure(tmp_path, "start-limit-hit")
    assert calls()[1] == "sleep 60"
    (tmp_path / "rests").write_text("nonsense\n")
    assert failure(tmp_path, "start-limit-hit").returncode == 0
    assert calls()[-1] == once[-1]


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


def test_one_that_systemd_starts_again_itself_needs_no_rest(tmp_path: Path) -> None:
    """From systemd 254 on such a unit passes through the state that OnFailure= waits for."""
    recording(tmp_path, "on-failure", "sleep")
    calls = recording(tmp_path, "systemctl", code=1)  # it is not failed
    assert failure(tmp_path, "start-limit-hit").returncode == 0
    assert calls() == ["systemctl is-failed --quiet retrolux.service"]
