"""A server as a process: many clients at once, ends, and restarts."""

import json
import signal
import socket
import subprocess
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from retrolux.device.factory import open_instrument
from retrolux.device.log import read_records
from tests.e2e.conftest import COMMAND, Start

DARK, SLOPES = (1400, 1100, 600), (29145, 63489, 30201)  # counts at 630, 515 and 445 nm for R, G and B


def get(url: str) -> Any:
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
        for channel, dark, slope, duty in zip(("630nm", "515nm", "445nm"), DARK, SLOPES, asked, strict=True):
            expected = min(dark + slope * duty, 65535)
            assert abs(out[channel] - expected) < 1500 + 0.05 * expected  # out belongs to its own in


def test_sigterm_finishes_ends_well_and_keeps_the_log(start: Start, tmp_path: Path) -> None:
    server, url = start()
    for _ in range(3):
        get(f"{url}/api?G=0.5")
    server.send_signal(signal.SIGTERM)
    assert server.wait(timeout=20) == 0
    (log,) = tmp_path.rglob("rgb.jsonl")
    assert len(read_records(log)) == 3


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
