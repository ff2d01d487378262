"""A server whose stderr is the journal, as systemd gives it, and one on a terminal."""

import os
import subprocess
from pathlib import Path

from tests.e2e.conftest import COMMAND
from tests.e2e.test_server import get
from tests.server.test_lines import parsed


def said(tmp_path: Path, environment: dict[str, str], *, journal: bool) -> list[str]:
    """Run a server, ask it twice, end it, and return its lines on stderr."""
    reading, writing = os.pipe()
    found = os.fstat(writing)
    more = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"} if journal else {}
    command = [COMMAND, "serve", "--port", "0"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment | more, stderr=writing) as server:
        os.close(writing)
        with open(reading) as stderr:  # noqa: PTH123 - a file descriptor
            lines = []
            for line in stderr:
                lines.append(line.rstrip("\n"))
                if line.startswith("listening on "):
                    url = line.split()[-1]
                    get(f"{url}/api?R=0.5&G=0&B=0")
                    get(f"{url}/healthz")
                    server.terminate()
    assert server.returncode == 0
    return lines


def test_under_systemd_each_event_is_a_line_with_its_priority(tmp_path: Path, environment: dict[str, str]) -> None:
    words, lines = [], []
    for line in said(tmp_path, environment, journal=True):
        (lines if line.startswith("<") else words).append(line)
    assert [word.split()[0] for word in words] == ["device:", "listening"]  # as on a terminal
    events = [parsed(line) for line in lines]
    assert [e["event"] for e in events] == ["listening", "request", "stopping"]
    assert {e[""] for e in events} == {"6"}
    assert (events[1]["path"], events[1]["status"]) == ("/api", "200")


def test_on_a_terminal_nothing_but_words(tmp_path: Path, environment: dict[str, str]) -> None:
    lines = said(tmp_path, environment, journal=False)
    assert [line.split()[0] for line in lines] == ["device:", "listening"]
