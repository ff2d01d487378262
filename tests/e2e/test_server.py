"""A server as a process: many clients at once, ends, and restarts."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from retrolux.device.factory import open_instrument
from retrolux.device.log import read_records
from tests.e2e.conftest import COMMAND, Start
from tests.server.processes import children, gone

# counts in the dark, and for R, G and B at full duty
LIGHT = {"445nm": (600, 60, 320, 30200), "515nm": (1200, 350, 63450, 480), "630nm": (1600, 29000, 1200, 700)}


def ask(url: str, path: str, body: dict[str, Any]) -> Any:
    question = urllib.request.Request(url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    return get(question)


def get(url: str | urllib.request.Request) -> Any:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return json.load(answer)


def test_32_clients_each_get_the_answer_to_their_own_question(start: Start) -> None:
    _, url = start()

    def ask(i: int) -> list[tuple[list[float], list[float], dict[str, int]]]:
        asked = [[round(i / 31, 6), round(((7 * i + k) % 32) / 40, 6), round(k / 8, 6)] for k in range(8)]
        answers = [get(f"{url}/api?R={r}&G={g}&B={b}") for r, g, b in asked]
        return [(a, d["in"], d["out"]) for a, d in zip(asked, answers, strict=True)]

    with ThreadPoolExecutor(32) as pool:
        rows = [row for result in pool.map(ask, range(32)) for row in result]
    assert len(rows) == 256
    for asked, answered, out in rows:
        assert answered == asked
        for channel, (dark, *slopes) in LIGHT.items():
            expected = min(dark + sum(s * duty for s, duty in zip(slopes, asked, strict=True)), 65535)
            assert abs(out[channel] - expected) < 500 + 0.05 * expected  # out belongs to its own in


def test_sigterm_finishes_ends_well_and_keeps_the_log(start: Start, tmp_path: Path) -> None:
    server, url = start()
    for _ in range(3):
        get(f"{url}/api?G=0.5")
    server.send_signal(signal.SIGTERM)
    assert server.wait(timeout=20) == 0
    (log,) = tmp_path.rglob("rgb.jsonl")
    assert len(read_records(log)) == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_process_is_left_behind(number: signal.Signals, start: Start) -> None:
    server, url = start()
    assert children(server.pid) == []  # none before a model is asked
    with pytest.raises(urllib.error.HTTPError, match="409"):  # none is fitted, which that process says
        ask(url, "/v1/predict", {"inputs": {"R": 0, "G": 0, "B": 0}, "model": "linear"})
    (child,) = children(server.pid)
    ended = os.pidfd_open(child)
    server.send_signal(number)
    assert server.wait(timeout=20) == (0 if number == signal.SIGTERM else -number)
    assert gone(ended)


def test_requests_under_way_are_answered_before_the_end(start: Start, tmp_path: Path) -> None:
    (tmp_path / "retrolux.toml").write_text("[sensor]\natime = 255\nastep = 65534\n")  # 47 s of fake time: much polling
    server, url = start()
    with ThreadPoolExecutor(24) as pool:
        asked = [pool.submit(get, f"{url}/api?G={i / 24}") for i in range(24)]
        next(done for done in asked if done.result())  # one is answered, the others are under way
        server.send_signal(signal.SIGTERM)
        answered = [done.result()["in"][1] for done in asked]
    assert answered == [i / 24 for i in range(24)]
    assert server.wait(timeout=40) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_command_that_is_ended_makes_the_light_dark(
    number: signal.Signals, tmp_path: Path, environment: dict[str, str]
) -> None:
    """The command runs in real time with its light written to a file, so that what outlives it can be looked at."""
    seen = tmp_path / "seen"
    script = tmp_path / "collect.py"
    script.write_text(LIT_FOR_LONG.format(seen=str(seen)))
    command = [sys.executable, str(script), "collect", "-n", "50", "-o", "rgb.jsonl"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as process:
        while "LIT" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(number)
        process.send_signal(number)
        assert process.wait(timeout=30) != 0
    assert set(seen.read_text().split()) == {"0"}


# what the pins were at last, written when the interpreter ends; a reading that takes as long as it is let
LIT_FOR_LONG = """
import atexit, sys, time
from pathlib import Path
from retrolux.device.sim import pwm
from retrolux.device import clock
pins = []
made = pwm.PwmPin.__init__
def make(self, *a, **k):
    made(self, *a, **k)
    pins.append(self)
pwm.PwmPin.__init__ = make
def wait(self, seconds):
    self._elapsed += seconds
    if any(pin.duty_cycle for pin in pins):
        print("LIT", file=sys.stderr, flush=True)
        time.sleep(30)
clock.FakeClock.sleep = wait
atexit.register(lambda: Path({seen!r}).write_text(" ".join(str(pin.duty_cycle) for pin in pins)))
from retrolux.server.cli import main
main()
"""


def test_killed_it_comes_back_with_every_acknowledged_reading(start: Start, tmp_path: Path) -> None:
    server, url = start()
    acknowledged = [get(f"{url}/v1/log")["total"] for _ in range(2) if get(f"{url}/api?R=0.1")]
    server.kill()
    server.wait()
    _, again = start()
    assert get(f"{again}/v1/log")["total"] == acknowledged[-1] == 2


def test_a_port_in_use_is_one_clear_line(tmp_path: Path, environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [COMMAND, "serve", "--port", str(port)],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    (said,) = [line for line in done.stderr.splitlines() if not line.startswith("device:")]
    assert str(port) in said


def test_another_retrolux_is_an_instrument(start: Start) -> None:
    _, url = start()
    with open_instrument(url) as remote:
        reading = remote.measure((0.1, 0.5, 0.2), ["515nm"])
    assert reading.inputs == (0.1, 0.5, 0.2)
    assert 25_000 < reading.outputs["515nm"] < 40_000
    assert "sim" in reading.device  # a simulated reading never passes for a real one
    assert url in reading.device
