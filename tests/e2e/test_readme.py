"""Every command of the README runs, in its order, in an empty folder."""

import json
import re
import shlex
import subprocess
import tomllib
import urllib.request
from pathlib import Path

import pytest

from retrolux.server.config import Config
from tests.conftest import ROOT
from tests.e2e.conftest import COMMAND, Start

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.replace("\\\n", " ").splitlines() if line and line[0] != "#"]
ELSEWHERE = ("python3 -m venv", "sudo sh systemd/install.sh", "git clone")  # by the gate, and by tests/systemd


def commands(word: str) -> list[str]:
    return [line for line in COMMANDS if line.startswith(word)]


def test_every_command_is_of_a_kind_that_is_tested() -> None:
    tested = {*commands("retrolux"), *commands("curl")}
    assert not [line for line in COMMANDS if line not in tested and not line.startswith(ELSEWHERE)]
    assert tested


def test_the_command_lines_run_in_their_order(start: Start, tmp_path: Path, environment: dict[str, str]) -> None:
    pytest.importorskip("ForestDiffusion", reason="the extra `forest` is not installed")
    (tmp_path / "pi.toml").write_text('state = "pi"\n')
    _, url = start("--config", "pi.toml")  # the Raspberry Pi that models are pushed to
    for line in commands("retrolux"):
        if not line.startswith("retrolux serve"):
            arguments = shlex.split(line.replace("http://raspberrypi:8000", url), comments=True)[1:]
            done = subprocess.run(
                [COMMAND, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{line}\n{done.stderr}"


def test_the_table_shown_is_what_the_demo_prints(tmp_path: Path, environment: dict[str, str]) -> None:
    pytest.importorskip("ForestDiffusion", reason="the extra `forest` is not installed")
    done = subprocess.run(
        [COMMAND, "demo"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    (shown,) = re.findall(r"```text\n\$ retrolux demo\n(.*?)```", README, flags=re.DOTALL)
    printed, promised = (re.findall(r"([RGB]) (\d\.\d+) ± (\d\.\d+)", text) for text in (done.stdout, shown))
    assert [row[0] for row in printed] == [row[0] for row in promised] == list("RGB" * 5)
    for row, promise in zip(printed, promised, strict=True):
        assert float(row[1]) == pytest.approx(float(promise[1]), abs=0.002)  # the forest rounds as its machine does
        assert float(row[2]) == pytest.approx(float(promise[2]), abs=0.001)


def test_the_curl_lines_run_in_their_order(start: Start, tmp_path: Path, environment: dict[str, str]) -> None:
    subprocess.run([COMMAND, "collect", "-n", "40"], cwd=tmp_path, env=environment, capture_output=True, check=True)
    _, url = start()
    for line in commands("curl"):
        done = subprocess.run(
            ["/bin/sh", "-c", line.replace("http://127.0.0.1:8000", url)],
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        document = json.loads(done.stdout)
        assert "remedy" not in document, f"{line}\n{done.stdout}"
        if "/v1/fit" in line:
            wait_for(f"{url}/v1/jobs/{document['id']}")


def wait_for(job: str) -> None:
    """Ask until the job has ended; each question waits for its answer, so this spins slowly and ends."""
    for _ in range(100_000):
        with urllib.request.urlopen(job, timeout=60) as answer:
            state = json.load(answer)["state"]
        if state not in {"queued", "running"}:
            break
    assert state == "finished"


def test_the_configuration_shown_is_one() -> None:
    (shown,) = re.findall(r"```toml\n(.*?)```", README, flags=re.DOTALL)
    config = Config.model_validate(tomllib.loads(shown))
    assert config.instrument_settings == Config(device="pi").instrument_settings  # what is shown are the defaults
    assert set(tomllib.loads(shown)) | {"log", "remote"} == set(Config.model_fields)


def test_every_page_that_is_named_is_there() -> None:
    for page in re.findall(r"\]\(([^):]+)\)", README):
        assert (ROOT / page).is_file(), page
