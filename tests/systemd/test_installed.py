"""Installed once, again, upgraded to what is broken, taken away: by ``sudo sh tests/systemd/booted.sh FOLDER``."""

import subprocess
from pathlib import Path

import pytest

from tests.systemd.test_booted import STATE, ask, files, inside, shown, until

pytestmark = pytest.mark.booted

SOURCE, BROKEN = "/srv/retrolux", "/srv/broken"


def install(source: str, *options: str) -> "subprocess.CompletedProcess[str]":
    """Run the installer of a checkout in the container, and return how it ended."""
    words = " ".join(("sh", f"{source}/systemd/install.sh", *options))
    ended = inside("sh", "-c", f"{words} > /srv/said 2>&1; echo $?")
    return subprocess.CompletedProcess(words, int(ended.splitlines()[-1]), stdout=inside("cat", "/srv/said"))


def in_use() -> str:
    return inside("readlink", "/opt/retrolux/venv")


def answers() -> bool:
    try:
        return bool(ask("/readyz", timeout=5)["status"] == "ready")
    except OSError:
        return False


def kept() -> tuple[str, str]:
    """Sums of the log's readings and of the models."""
    files_of = f"cd {STATE} && cat rgb.jsonl | sha256sum; find models -type f | sort | xargs cat | sha256sum"
    log, models = inside("sh", "-c", files_of).splitlines()
    return log, models


def break_doctor() -> None:
    """Make a checkout of the next version, whose doctor finds something wrong."""
    doctoring = f"{BROKEN}/server/cli/doctoring.py"
    inside("sh", "-c", f"rm -rf {BROKEN} && cp -r {SOURCE} {BROKEN}")
    inside("sed", "-i", "s/return 0 if is_healthy(found) else 1/return 1/", doctoring)
    assert "return 1\n" in inside("cat", doctoring) + "\n"


def test_again_broken_back_and_away() -> None:
    """One life of an installation, in its order: each step needs the one before."""
    inside("systemctl", "restart", "retrolux.service")
    for i in range(27):
        ask(f"/api?R={i % 3 / 2}&G={i // 3 % 3 / 2}&B={i // 9 / 2}")
    job = ask("/v1/fit", {"models": ["linear"]})["id"]
    until(lambda: ask(f"/v1/jobs/{job}")["state"] not in {"queued", "running"}, 60)
    assert ask(f"/v1/jobs/{job}")["state"] == "finished"
    before, known = in_use(), kept()

    assert install(SOURCE).returncode == 0
    assert in_use() != before  # a new environment, beside the one that was there
    until(answers, 30)
    assert kept() == known

    version = in_use()
    break_doctor()
    done = install(BROKEN)
    print(f"\nan upgrade whose doctor fails: exit code {done.returncode}, {done.stdout.splitlines()[-1]}")
    assert done.returncode == 1
    assert "the version before is in use again" in done.stdout
    assert in_use() == version
    until(answers, 30)
    assert kept() == known

    assert install(SOURCE, "--rollback").returncode == 0
    assert in_use() == before
    until(answers, 30)

    assert install(SOURCE, "--uninstall").returncode == 0
    assert shown("LoadState")["LoadState"] == "not-found"
    assert not Path(f"{files('..')}/../../opt/retrolux").exists()
    assert kept() == known
    assert install(SOURCE, "--uninstall", "--delete-data").returncode == 0
    assert inside("sh", "-c", f"ls -d {STATE} /etc/retrolux 2>&1 | grep -c 'No such'") == "2"
