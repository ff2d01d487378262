"""The installer, run whole below another root with the machine's own commands recorded instead of done."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT

RECORDED = ("apt-get", "raspi-config", "groupadd", "useradd", "systemctl", "getent", "python3")
# getent knows nobody; python3 -m venv makes a venv whose python only records what it was asked
SCRIPT = """#!/bin/sh
echo "$(basename "$0") $*" >> "$CALLS"
case "$(basename "$0")" in
    getent) exit 2 ;;
    python3) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
esac
"""

Install = Callable[..., tuple[subprocess.CompletedProcess[str], str]]


@pytest.fixture
def install(tmp_path: Path) -> Install:
    tools, calls = tmp_path / "tools", tmp_path / "calls"
    tools.mkdir()
    for name in RECORDED:
        (tools / name).write_text(SCRIPT)
        (tools / name).chmod(0o755)

    def run(*arguments: str) -> tuple[subprocess.CompletedProcess[str], str]:
        calls.write_text("")
        env = {"PATH": f"{tools}:{os.environ['PATH']}", "DESTDIR": str(tmp_path / "root"), "CALLS": str(calls)}
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
    assert f"pip install --quiet --upgrade {ROOT}[forest,pi]" in calls
    assert "systemctl restart retrolux.service" in calls


def test_run_again_it_keeps_the_configuration(install: Install, tmp_path: Path) -> None:
    install("--device", "sim:2", "--no-start")
    mine = tmp_path / "root/etc/retrolux/retrolux.toml"
    mine.write_text('device = "sim:4"\n')
    done, calls = install()
    assert done.returncode == 0
    assert mine.read_text() == 'device = "sim:4"\n'
    assert "-m venv" not in calls


def test_options(install: Install, tmp_path: Path) -> None:
    _, calls = install("--device", "sim", "--without-forest", "--no-start")
    assert f"--upgrade {ROOT}\n" in calls
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


SLIM = f"pip install --quiet --upgrade {ROOT}[slim,pi]"
NO_DEPENDENCIES = "pip install --quiet --upgrade --no-deps ForestDiffusion>=1.0.6"


def test_the_slim_packages_take_the_place_of_the_others(install: Install) -> None:
    """Both kinds of XGBoost have the same files: what stays of one when the other is taken away is neither."""
    done, calls = install("--slim")
    assert done.returncode == 0, done.stderr
    away, slim, forest = (calls.index(words) for words in ("uninstall -qq --yes xgboost ", SLIM, NO_DEPENDENCIES))
    assert away < slim < forest
    _, calls = install("--full")
    away, full = calls.index("uninstall -qq --yes xgboost-cpu\n"), calls.index(f"--upgrade {ROOT}[forest,pi]")
    assert away < full
    assert "--no-deps" not in calls


@pytest.mark.parametrize(("kilobytes", "slim"), [(432_000, True), (921_600, True), (1_900_000, False)])
def test_a_small_board_gets_the_slim_packages(install: Install, tmp_path: Path, kilobytes: int, slim: bool) -> None:
    told = tmp_path / "root/proc/meminfo"
    told.parent.mkdir(parents=True)
    told.write_text(f"MemTotal:  {kilobytes} kB\nMemFree:  100 kB\n")
    done, calls = install()
    assert (SLIM in calls, NO_DEPENDENCIES in calls, "less than 1 GB" in done.stdout) == (slim, slim, slim)
    assert SLIM not in install("--full")[1]
    assert f"--upgrade {ROOT}[pi]\n" in install("--without-forest")[1]


def test_run_again_it_keeps_the_slim_packages(install: Install, tmp_path: Path) -> None:
    install("--slim")
    (tmp_path / "root/opt/retrolux/venv/lib/python3.11/site-packages/xgboost_cpu-3.2.0.dist-info").mkdir(parents=True)
    done, calls = install()
    assert SLIM in calls
    assert "as before" in done.stdout
    assert SLIM not in install("--full")[1]
