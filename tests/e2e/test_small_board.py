"""512 MB for real: demo, server, fits, answers and an aim, with the slim packages and two cores."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.e2e import memory_limit
from tests.e2e.memory_limit import limited
from tests.e2e.small_board import METHODS, errand

MEGABYTES, CORES = 512, 2
TAKE = "import sys; len(bytearray(int(sys.argv[1]) << 20))"
LARGE = ("xgboost", "catboost", "lightgbm", "pandas", "nvidia-nccl-cu12")
UNUSED = ("*.egg-info", ".*", "build", "tests", "__pycache__")


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the slim packages, installed as the README says."""
    folder = tmp_path_factory.mktemp("slim")
    source = shutil.copytree(ROOT, folder / "source", ignore=shutil.ignore_patterns(*UNUSED))
    pip = [str(folder / "venv/bin/python"), "-m", "pip", "install", "-q"]
    for command in (
        [sys.executable, "-m", "venv", str(folder / "venv")],
        [*pip, f"{source}[slim]"],
        [*pip, "--no-deps", "ForestDiffusion"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return folder / "venv"


@pytest.mark.slow
def test_a_small_board_has_memory_for_everything(venv: Path, tmp_path: Path) -> None:
    named = {folder.name.split("-")[0].lower() for folder in venv.glob("lib/python*/site-packages/*.dist-info")}
    assert {"forestdiffusion", "xgboost_cpu"} <= named
    assert not {name.replace("-", "_") for name in LARGE} & named
    size = sum(path.lstat().st_blocks * 512 for path in venv.rglob("*"))
    print(f"\nthe slim virtual environment: {size >> 20} MiB")
    for done in errand([str(venv / "bin/retrolux")], MEGABYTES, CORES, tmp_path, fresh=venv):
        print(done)
        assert done.peak is None or done.peak < MEGABYTES
    assert {path.parent.name for path in tmp_path.rglob("manifest.json")} >= set(METHODS)


def test_the_limit_binds_and_no_sooner() -> None:
    with limited(MEGABYTES, CORES) as limit:
        fits = subprocess.run(limit.command(sys.executable, "-c", TAKE, "300"), check=False)
        assert (fits.returncode, limit.killed() or 0) == (0, 0)
        does_not = subprocess.run(
            limit.command(sys.executable, "-c", TAKE, "600"), capture_output=True, text=True, check=False
        )
        assert does_not.returncode != 0
        assert limit.killed() == 1 or "MemoryError" in does_not.stderr


def test_the_limit_is_on_all_processes_together() -> None:
    """A process with 300 MiB starts another with as many, and waits for it."""
    twice = "import subprocess, sys; mine = bytearray(300 << 20); sys.exit(subprocess.run(sys.argv[1:]).returncode)"
    with limited(MEGABYTES, CORES) as limit:
        if limit.group is None:
            pytest.skip(limit.kind)
        command = limit.command(sys.executable, "-c", twice, sys.executable, "-c", TAKE, "300")
        assert subprocess.run(command, check=False).returncode != 0
        assert limit.killed() == 1
        assert limit.peak() == pytest.approx(MEGABYTES, rel=0.02)
        left = limit.group
    assert not left.exists()


def test_without_control_groups_each_process_is_limited_and_it_is_said_why(tmp_path: Path) -> None:
    with limited(MEGABYTES, CORES, mount=tmp_path) as limit:
        assert "no control groups" in limit.kind
        assert (limit.peak(), limit.killed()) == (None, None)
        fits, does_not = (
            subprocess.run(
                limit.command(sys.executable, "-c", TAKE, megabytes), capture_output=True, text=True, check=False
            )
            for megabytes in ("300", "600")
        )
    assert fits.returncode == 0
    assert "MemoryError" in does_not.stderr


def test_version_2_of_control_groups_is_told_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of files in place of the system's: what would be written where."""
    monkeypatch.setattr(memory_limit, "_remove", lambda group: None)  # which ends processes that a group names
    for name in ("cgroup.controllers", "cgroup.subtree_control"):
        (tmp_path / name).touch()
    with limited(MEGABYTES, CORES, mount=tmp_path) as limit:
        group = limit.group
        assert group.parent == tmp_path
        assert (group / "memory.max").read_text() == str(MEGABYTES << 20)
        assert (tmp_path / "cgroup.subtree_control").read_text() == "+memory"
        (group / "memory.peak").write_text(f"{100 << 20}\n")
        (group / "memory.events").write_text("low 0\nhigh 0\nmax 7\noom 2\noom_kill 1\n")
        assert (limit.peak(), limit.killed()) == (100, 1)
        (group / "cgroup.procs").touch()
        shown = subprocess.run(limit.command("echo", "entered"), capture_output=True, text=True, check=True)
        assert shown.stdout == "entered\n"
        assert int((group / "cgroup.procs").read_text()) > 0
