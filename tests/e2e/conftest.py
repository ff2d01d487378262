"""Whole processes: the installed command, and a server on a free port."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

COMMAND = Path(sys.executable).with_name("retrolux")
Start = Callable[..., tuple["subprocess.Popen[str]", str]]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment with no configuration and its state in an empty folder."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("RETROLUX", "XDG", "STATE_"))}
    return kept | {"HOME": str(tmp_path), "PYTHONUNBUFFERED": "1"}


@pytest.fixture
def start(tmp_path: Path, environment: dict[str, str]) -> Iterator[Start]:
    """Start ``retrolux serve`` and return the process and its URL; it is stopped afterwards."""
    running: list[subprocess.Popen[str]] = []

    def run(*arguments: str) -> tuple[subprocess.Popen[str], str]:
        command = [str(COMMAND), "serve", "--port", "0", *arguments]
        server = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
        running.append(server)
        said = []
        while line := server.stderr.readline():
            said.append(line)
            if found := re.search(r"listening on (\S+)", line):
                return server, found[1]
        raise AssertionError("".join(said))

    yield run
    for server in running:
        server.kill()
        server.wait()
        server.stderr.close()
