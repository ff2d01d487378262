"""A server whose service manager is the test: what it is told, and when its watchdog is no longer fed."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Start
from tests.e2e.test_server import get
from tests.server.processes import children, first

PATIENCE = 1.0  # seconds that the manager waits for food
BOUND = 60.0  # that the test waits for what is to come
DUTIES = {"inputs": {"R": 0.1, "G": 0.2, "B": 0.3}}
LONG = {"gain": 1, "atime": 100, "astep": 12000}  # 3.4 s: three of the manager's patience
CONFIG = """[simulator]
real_time = true
pins = "pins"
hang = "hang"
"""


class Told:
    """The manager's socket."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)

    def close(self) -> None:
        self._socket.close()

    def until(self, pattern: str, times: int = 1) -> list[str]:
        """Return what was told, up to the fact that fits for so many times."""
        said, until = list[str](), time.monotonic() + BOUND
        while times:
            self._socket.settimeout(max(until - time.monotonic(), 0.001))
            said += self._socket.recv(4096).decode().splitlines()
            times -= bool(re.fullmatch(pattern, said[-1]))
        return said

    def silence(self) -> None:
        """Wait until it was not fed for longer than the manager waits, and would be ended."""
        until, since = time.monotonic() + BOUND, time.monotonic()
        while (left := since + 1.5 * PATIENCE - time.monotonic()) > 0:
            assert time.monotonic() < until, "it is fed although it hangs"
            self._socket.settimeout(left)
            try:
                if b"WATCHDOG=1" in self._socket.recv(4096):
                    since = time.monotonic()
            except TimeoutError:
                return

    def forget(self) -> None:
        """Drop what was told before."""
        self._socket.setblocking(False)
        try:
            while True:
                self._socket.recv(4096)
        except BlockingIOError:
            return


@pytest.fixture
def told(tmp_path: Path, environment: dict[str, str]) -> Iterator[Told]:
    (tmp_path / "retrolux.toml").write_text(CONFIG)
    name = f"retrolux-test-{os.getpid()}-{tmp_path.name}"
    environment |= {"NOTIFY_SOCKET": f"@{name}", "WATCHDOG_USEC": f"{PATIENCE * 1e6:.0f}"}
    manager = Told(f"\0{name}")
    yield manager
    manager.close()


def post(url: str, path: str, body: object) -> urllib.request.Request:
    return urllib.request.Request(url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})


def test_it_says_when_it_is_ready_what_it_is_at_that_it_lives_and_that_it_ends(start: Start, told: Told) -> None:
    server, url = start()
    assert told.until("STATUS=listening.*")[0] == "READY=1"
    told.until("STATUS=idle, no reading yet")
    told.until("WATCHDOG=1", 2)
    get(post(url, "/v1/measure", DUTIES))
    told.until(r"STATUS=idle, last reading \d\d:\d\d, 1 reading")
    told.until("WATCHDOG=1", 2)
    server.send_signal(signal.SIGTERM)
    assert "STOPPING=1" in told.until("STATUS=finishing.*")
    assert server.wait(BOUND) == 0


def test_a_bus_that_hangs_is_seen_and_what_needs_none_is_answered(start: Start, told: Told, tmp_path: Path) -> None:
    _, url = start()
    told.until("WATCHDOG=1", 2)
    (tmp_path / "hang").touch()
    told.silence()
    assert get(f"{url}/v1/log")["total"] == 0
    (tmp_path / "hang").unlink()
    told.until("WATCHDOG=1", 2)


@pytest.mark.slow
def test_a_bus_that_hangs_in_the_middle_of_a_measurement_is_seen(start: Start, told: Told, tmp_path: Path) -> None:
    _, url = start()
    measuring = threading.Thread(target=lambda: get(post(url, "/v1/measure", DUTIES | {"exposure": LONG})))
    measuring.start()
    lit(tmp_path / "pins")
    told.until("WATCHDOG=1", 2)
    (tmp_path / "hang").touch()  # in the middle of an integration
    told.silence()
    (tmp_path / "hang").unlink()
    measuring.join()


@pytest.mark.slow
def test_a_long_exposure_is_no_hang(start: Start, told: Told, tmp_path: Path) -> None:
    _, url = start()
    told.until("WATCHDOG=1")
    done: list[float] = []

    def measure() -> None:
        done.append(get(post(url, "/v1/measure", DUTIES | {"exposure": LONG, "channels": ["515nm"]}))["elapsed"])

    measuring = threading.Thread(target=measure)
    measuring.start()
    lit(tmp_path / "pins")
    told.forget()
    told.until("WATCHDOG=1", 2)
    assert not done  # it was fed while the sensor integrated
    measuring.join()
    assert done[0] > 2 * PATIENCE
    told.until("WATCHDOG=1", 2)


@pytest.mark.slow
def test_a_fit_that_takes_long_is_no_hang(start: Start, told: Told) -> None:
    server, url = start()
    for i in range(6):
        get(f"{url}/api?R={i / 10}&G={i * i / 50}&B={1 - i / 7}")
    get(post(url, "/v1/fit", {"models": ["linear"]}))
    fit = first(lambda: children(server.pid))
    os.kill(fit, signal.SIGSTOP)  # it is under way, and stays so
    told.until("STATUS=fitting linear.*")
    told.forget()
    told.until("WATCHDOG=1", 6)
    os.kill(fit, signal.SIGCONT)
    told.until("STATUS=idle.*")


# a server in which a lock is never given back once it gets SIGUSR1, and whose /v1/models never answers
DEADLOCKED = """
import signal, threading
from retrolux.server import http, serving, station
stations, never = [], threading.Event()
made = station.Station.__init__
def make(self, *arguments):
    made(self, *arguments)
    stations.append(self)
def hold():
    with stations[0].recorder._one_at_a_time:
        never.wait()
station.Station.__init__ = make
http.Front.models = lambda self: never.wait()
signal.signal(signal.SIGUSR1, lambda *_: threading.Thread(target=hold, daemon=True).start())
from retrolux.server.cli import main
main(["serve", "--port", "0"])
"""


@pytest.fixture
def deadlocked(tmp_path: Path, environment: dict[str, str]) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", DEADLOCKED]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as server:
        yield server
        server.kill()


@pytest.mark.slow
@pytest.mark.parametrize("what", ["lock", "threads"])
def test_a_deadlock_is_seen(what: str, told: Told, deadlocked: "subprocess.Popen[str]") -> None:
    server, asking = deadlocked, list[socket.socket]()
    assert server.stderr is not None
    with contextlib.ExitStack() as ending:
        url = next(found[1] for line in server.stderr if (found := re.search(r"listening on http://(\S+)", line)))
        told.until("WATCHDOG=1", 2)
        host, port = url.split(":")
        for _ in range(8 if what == "threads" else 0):
            asking.append(ending.enter_context(socket.create_connection((host, int(port)))))
            asking[-1].sendall(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n")
        if what == "lock":
            server.send_signal(signal.SIGUSR1)
        told.silence()
        server.send_signal(signal.SIGABRT)  # as the manager does
        said = server.stderr.read()
    assert server.wait() == -signal.SIGABRT
    assert "in hold" in said if what == "lock" else said.count("in <lambda>") >= 8  # the journal has where they hang


@pytest.mark.slow
def test_a_sensor_that_is_missing_is_waited_for_under_a_manager(start: Start, told: Told, tmp_path: Path) -> None:
    (tmp_path / "retrolux.toml").write_text('[simulator]\nfault = "sensor absent"\n')
    _, url = start()
    assert told.until("STATUS=listening.*")[0] == "READY=1"
    told.until("STATUS=sensor unplugged: No sensor answers.*")
    told.until("WATCHDOG=1", 2)
    assert get(f"{url}/v1/log")["total"] == 0


def lit(pins: Path) -> str:
    """Wait until all of the light shines, blue last, and return its duties."""
    until = time.monotonic() + BOUND
    while not pins.exists() or (duties := pins.read_text()).endswith(",0\n"):
        assert time.monotonic() < until
    return duties
