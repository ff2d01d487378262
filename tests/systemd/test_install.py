"""The installer, run whole below another root with the machine's own commands recorded instead of done."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT

RECORDED = (
    "apt-get", "raspi-config", "groupadd", "useradd", "userdel", "systemctl", "getent", "python3", "chown", "setpriv",
)  # fmt: skip
# getent knows nobody; python3 -m venv makes a venv whose python only records what it was asked; $FAILS fails
SCRIPT = """#!/bin/sh
echo "$(basename "$0") $*" >> "$CALLS"
case "$(basename "$0")" in
    getent) exit 2 ;;
    python3) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
esac
if [ -n "${FAILS-}" ]; then case "$(basename "$0") $*" in *$FAILS*) exit 1 ;; esac; fi
"""

Install = Callable[..., tuple[subprocess.CompletedProcess[str], str]]


@pytest.fixture
def install(tmp_path: Path) -> Install:
    tools, calls = tmp_path / "tools", tmp_path / "calls"
    tools.mkdir()
    for name in RECORDED:
        (tools / name).write_text(SCRIPT)
        (tools / name).chmod(0o755)

    def run(*arguments: str, fails: str = "") -> tuple[subprocess.CompletedProcess[str], str]:
        calls.write_text("")
        env = {"PATH": f"{tools}:{os.environ['PATH']}", "DESTDIR": str(tmp_path / "root"), "CALLS": str(calls)}
        env |= {"FAILS": fails}
        command = ["sh", str(ROOT / "systemd" / "install.sh"), *arguments]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        return done, calls.read_text()

    return run


def test_a_fresh_machine(install: Install, tmp_path: Path) -> None:
    done, calls = install()
    assert done.returncode == 0, done.stderr
    root = tmp_path / "root"
    assert (root / "etc/retrolux/retrolux.toml").read_text() == 'device = "pi"\n'
    assert (root / "etc/systemd/system/retrolux.service").is_file()
    assert "raspi-config nonint do_i2c 0" in calls
    assert "useradd --system" in calls
    assert f"pip install --quiet {ROOT}[forest,pi]" in calls
    assert "systemctl restart retrolux.service" in calls


def test_run_again_it_keeps_the_configuration(install: Install, tmp_path: Path) -> None:
    install("--device", "sim:2", "--no-start")
    mine = tmp_path / "root/etc/retrolux/retrolux.toml"
    mine.write_text('device = "sim:4"\n')
    done, calls = install()
    assert done.returncode == 0
    assert mine.read_text() == 'device = "sim:4"\n'
    assert "restart retrolux" in calls


def test_options(install: Install, tmp_path: Path) -> None:
    _, calls = install("--device", "sim", "--without-forest", "--no-start")
    assert f"--quiet {ROOT}\n" in calls
    assert "restart" not in calls
    assert install("--colour")[0].returncode == 2


def test_others_are_let_in_where_that_is_said(install: Install, tmp_path: Path) -> None:
    drop_in = tmp_path / "root/etc/systemd/system/retrolux.service.d/network.conf"
    done, _ = install("--network", "192.168.1.0/24", "--no-start")
    assert done.returncode == 0, done.stderr
    assert drop_in.read_text().splitlines()[1:] == ["[Service]", "IPAddressAllow=192.168.1.0/24"]
    install("--no-start")
    assert drop_in.is_file()  # an upgrade leaves it
    install("--network", "none", "--no-start")
    assert not drop_in.exists()
    assert install("--network", "everybody\nExecStart=/bin/sh")[0].returncode == 2
    assert "--network ADDRESS/32" in install("--device", "http://10.0.0.7:8000", "--no-start")[0].stdout


SLIM = f"pip install --quiet {ROOT}[slim,pi]"
NO_DEPENDENCIES = "pip install --quiet --no-deps ForestDiffusion>=1.0.6"


def test_the_slim_packages_take_the_place_of_the_others(install: Install) -> None:
    """Both kinds of XGBoost have the same files: what stays of one when the other is taken away is neither."""
    done, calls = install("--slim")
    assert done.returncode == 0, done.stderr
    assert calls.index(SLIM) < calls.index(NO_DEPENDENCIES)
    _, calls = install("--full")
    assert "-m venv" in calls  # one of its own, in which nothing else was ever put
    assert f"--quiet {ROOT}[forest,pi]" in calls
    assert "--no-deps" not in calls


@pytest.mark.parametrize(("kilobytes", "slim"), [(432_000, True), (921_600, True), (1_900_000, False)])
def test_a_small_board_gets_the_slim_packages(install: Install, tmp_path: Path, kilobytes: int, slim: bool) -> None:
    told = tmp_path / "root/proc/meminfo"
    told.parent.mkdir(parents=True)
    told.write_text(f"MemTotal:  {kilobytes} kB\nMemFree:  100 kB\n")
    done, calls = install()
    assert (SLIM in calls, NO_DEPENDENCIES in calls, "less than 1 GB" in done.stdout) == (slim, slim, slim)
    assert SLIM not in install("--full")[1]
    assert f"--quiet {ROOT}[pi]\n" in install("--without-forest")[1]


def test_run_again_it_keeps_the_slim_packages(install: Install, tmp_path: Path) -> None:
    install("--slim")
    (tmp_path / "root/opt/retrolux/venv/lib/python3.11/site-packages/xgboost_cpu-3.2.0.dist-info").mkdir(parents=True)
    done, calls = install()
    assert SLIM in calls
    assert "as before" in done.stdout
    assert SLIM not in install("--full")[1]


# Upgrades


def in_use(tmp_path: Path) -> str:
    return str((tmp_path / "root/opt/retrolux/venv").readlink())


def numbers(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "root/opt/retrolux/venvs").iterdir())


def test_an_upgrade_stands_beside_what_was_there_and_the_one_before_is_kept(install: Install, tmp_path: Path) -> None:
    for number in ("1", "2", "3"):
        assert install()[0].returncode == 0
        assert in_use(tmp_path) == f"venvs/{number}"
    assert numbers(tmp_path) == ["2", "3"]
    assert install("--rollback")[0].returncode == 0
    assert in_use(tmp_path) == "venvs/2"
    install()
    assert (in_use(tmp_path), numbers(tmp_path)) == ("venvs/3", ["2", "3"])


def test_an_earlier_installer_s_environment_is_gone_back_to(install: Install, tmp_path: Path) -> None:
    earlier = tmp_path / "root/opt/retrolux/venv"
    (earlier / "bin").mkdir(parents=True)
    done, _ = install(fails="setpriv")
    assert done.returncode == 1
    assert in_use(tmp_path) == "venvs/0"
    assert (earlier / "bin").is_dir()
    assert install()[0].returncode == 0
    assert numbers(tmp_path) == ["0", "1"]


@pytest.mark.parametrize(
    ("fails", "words"),
    [("setpriv", "doctor found something wrong"), ("-m pip install", "could not be installed")],
)
def test_what_fails_in_an_upgrade_leaves_the_version_before(
    install: Install, tmp_path: Path, fails: str, words: str
) -> None:
    install()
    unit = tmp_path / "root/etc/systemd/system/retrolux.service"
    unit.write_text("the one before\n")
    (tmp_path / "root/opt/retrolux/venvs/1/units/retrolux.service").write_text("the one before\n")
    done, calls = install(fails=fails)
    assert done.returncode == 1
    assert words in done.stderr
    assert (in_use(tmp_path), numbers(tmp_path)) == ("venvs/1", ["1"])
    assert unit.read_text() == "the one before\n"
    stopped, started = calls.rfind("systemctl stop"), calls.rfind("systemctl restart")
    assert started > stopped or stopped < 0


def test_a_version_that_does_not_start_is_taken_back(install: Install, tmp_path: Path) -> None:
    install()
    done, _ = install(fails="restart")  # nor does the one before, here
    assert done.returncode == 1
    assert "does not start" in done.stderr
    assert in_use(tmp_path) == "venvs/1"


def test_a_first_doctor_s_findings_keep_nobody_from_installing(install: Install, tmp_path: Path) -> None:
    done, calls = install(fails="setpriv")
    assert done.returncode == 0
    assert "something is wrong" in done.stdout
    assert in_use(tmp_path) == "venvs/1"
    asked = next(line for line in calls.splitlines() if line.startswith("setpriv"))
    assert "--reuid retrolux --regid retrolux --groups i2c,gpio" in asked
    assert asked.endswith("/opt/retrolux/venvs/1/bin/retrolux doctor")
    assert install("--rollback")[0].returncode == 1  # there is no other


# Removal


def test_data_are_kept_unless_told_otherwise(install: Install, tmp_path: Path) -> None:
    install("--network", "10.0.0.0/8")
    root = tmp_path / "root"
    (root / "var/lib/retrolux/rgb.jsonl").write_text("a reading\n")
    done, calls = install("--uninstall")
    assert done.returncode == 0, done.stderr
    assert "systemctl disable --now retrolux.service" in calls
    assert not (root / "opt/retrolux").exists()
    assert list((root / "etc/systemd/system").iterdir()) == []
    assert (root / "var/lib/retrolux/rgb.jsonl").read_text() == "a reading\n"
    assert (root / "etc/retrolux/retrolux.toml").is_file()
    assert "userdel" not in calls
    install()
    assert (root / "var/lib/retrolux/rgb.jsonl").is_file()
    assert install("--delete-data")[0].returncode == 2
    _, calls = install("--uninstall", "--delete-data")
    assert not (root / "var/lib/retrolux").exists()
    assert not (root / "etc/retrolux").exists()
    assert "userdel retrolux" in calls
