"""The installed service under a systemd of its own: run by ``sudo sh tests/systemd/booted.sh FOLDER``."""

import json
import os
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from retrolux.device.factory import open_instrument
from retrolux.device.settings import InstrumentSettings

pytestmark = pytest.mark.booted

STATE = Path("/var/lib/retrolux")
MINUTES = 3.0
LONG = {"gain": 1, "atime": 100, "astep": 18000}  # 5.1 s
A_READING = {"inputs": {"R": 0.2, "G": 0.4, "B": 0.6}, "channels": ["515nm"]}


def inside(*command: str, check: bool = True) -> str:
    """Run a command in the container and return what it prints."""
    names = ("--mount", "--uts", "--ipc", "--net", "--pid")
    enter = ["nsenter", "--target", os.environ["RETROLUX_BOOTED"], *names, "--", *command]
    return subprocess.run(enter, capture_output=True, text=True, check=check).stdout.strip()


def shown(*properties: str, unit: str = "retrolux.service") -> dict[str, str]:
    return dict(
        line.split("=", 1) for line in inside("systemctl", "show", unit, f"-p{','.join(properties)}").splitlines()
    )


def files(name: str) -> Path:
    """Return a file of the container's state folder, as this machine sees it."""
    return Path(f"/proc/{os.environ['RETROLUX_BOOTED']}/root{STATE}/{name}")


def ask(path: str, body: object = None, timeout: float = 60) -> Any:
    url = f"http://127.0.0.1:{os.environ['RETROLUX_PORT']}{path}"
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(
        urllib.request.Request(url, data, {"Content-Type": "application/json"}), timeout=timeout
    ) as a:
        return json.load(a)


def until(done: Callable[[], bool], seconds: float) -> float:
    """Wait until something is so, for so many seconds at most; return how long it took."""
    began = time.monotonic()
    while not done():
        assert time.monotonic() - began < seconds, (
            f"not within {seconds:g} s: {inside('systemctl', 'status', 'retrolux', check=False)}"
        )
        time.sleep(0.05)  # real processes of another name space: nothing here could be waited on
    return time.monotonic() - began


class Service:
    """The service, active, with its failures so far forgotten."""

    def __init__(self) -> None:
        inside("systemctl", "reset-failed", "retrolux.service")
        inside("systemctl", "restart", "retrolux.service")
        self.pid = int(shown("MainPID")["MainPID"])

    def is_new(self) -> bool:
        state = shown("ActiveState", "SubState", "MainPID")
        return state["SubState"] == "running" and int(state["MainPID"]) not in {0, self.pid}

    def kill(self, number: str) -> None:
        inside("sh", "-c", f"kill -{number} {self.pid}")  # the shell's own: a small system has no other

    def said(self) -> str:
        return inside(
            "journalctl", "-u", "retrolux", "-u", "retrolux-failure@*", "-o", "cat", "--no-pager", "-n", "400"
        )


@pytest.fixture
def service() -> Iterator[Service]:
    inside("sh", "-c", f"rm -f {STATE}/hang {STATE}/rgb.jsonl* /run/reasons")
    inside(
        "sh",
        "-c",
        "cd /etc/retrolux && echo 'echo \"$1\" >> /run/reasons' > on-failure && sed -i '1i#!/bin/sh' on-failure"
        " && chmod +x on-failure",
    )
    yield Service()
    files("hang").unlink(missing_ok=True)


def reasons() -> list[str]:
    return inside("cat", "/run/reasons", check=False).splitlines()


def begin_to_measure() -> None:
    def measure() -> None:
        with suppress(OSError):
            ask("/v1/measure", A_READING | {"exposure": LONG})

    threading.Thread(target=measure, daemon=True).start()
    until(lambda: not files("pins").read_text().endswith(",0\n"), 20)


def test_at_boot_the_light_is_made_dark_before_the_service_starts() -> None:
    dark = shown("ExecMainStatus", "ExecMainExitTimestampMonotonic", unit="retrolux-dark.service")
    began = shown("ExecMainStartTimestampMonotonic")
    assert dark["ExecMainStatus"] == "0"
    assert 0 < int(dark["ExecMainExitTimestampMonotonic"]) < int(began["ExecMainStartTimestampMonotonic"])
    assert "red, green and blue are at 0" in inside("journalctl", "-u", "retrolux-dark", "-o", "cat", "--no-pager")


def test_it_says_what_it_is_at(service: Service) -> None:
    until(lambda: shown("StatusText")["StatusText"] == "idle, no reading yet", 10)
    ask("/v1/measure", A_READING)
    until(lambda: shown("StatusText")["StatusText"].endswith("1 reading"), 10)
    begin_to_measure()
    until(lambda: shown("StatusText")["StatusText"] == "measuring", 5)


def test_a_stopped_server_is_started_anew_within_half_a_minute(service: Service) -> None:
    service.kill("STOP")
    took = until(service.is_new, 30)
    print(f"\nSIGSTOP to ready again: {took:.1f} s")
    assert ask("/healthz") == {"status": "ok"}
    assert ask("/readyz")["status"] == "ready"
    until(lambda: bool(reasons()), 5)
    assert reasons()[0].startswith("watchdog:")


@pytest.mark.parametrize("measuring", [False, True])
def test_a_bus_that_hangs_starts_it_anew_within_half_a_minute(measuring: bool, service: Service) -> None:
    """The bus answers again once the process is gone: one that hangs for good is a matter of the next test but one."""
    if measuring:
        begin_to_measure()
    began = time.monotonic()
    files("hang").touch()
    until(lambda: not Path(f"/proc/{os.environ['RETROLUX_BOOTED']}/root/proc/{service.pid}").exists(), 30)
    files("hang").unlink()
    until(service.is_new, 30)
    took = time.monotonic() - began
    print(f"\nhanging bus{' in a measurement' if measuring else ''} to ready again: {took:.1f} s")
    assert took < 30
    assert files("pins").read_text() == "0,0,0\n"
    assert "Thread 0x" in service.said()  # where each thread was


def test_killed_in_the_middle_it_leaves_the_light_dark_within_two_seconds(service: Service) -> None:
    begin_to_measure()
    service.kill("KILL")
    took = until(lambda: files("pins").read_text() == "0,0,0\n", 2)
    print(f"\nSIGKILL to dark: {took:.2f} s, to ready again: {took + until(service.is_new, 30):.1f} s")
    until(lambda: reasons() == ["signal:killed:KILL"], 5)


def test_a_stop_waits_for_a_reading_that_takes_longer_than_the_watchdog(service: Service) -> None:
    answered: list[float] = []
    exposure = {"gain": 1, "atime": 100, "astep": 62000}  # 17.4 s

    def measure() -> None:
        answered.append(ask("/v1/measure", A_READING | {"exposure": exposure})["elapsed"])

    measuring = threading.Thread(target=measure)
    measuring.start()
    until(lambda: not files("pins").read_text().endswith(",0\n"), 20)
    inside("systemctl", "stop", "retrolux.service")
    measuring.join()
    assert answered[0] > 15
    assert shown("Result", "ExecMainStatus") == {"Result": "success", "ExecMainStatus": "0"}
    assert reasons() == []


def test_a_long_exposure_does_not_start_it_anew(service: Service) -> None:
    reading = ask(
        "/v1/measure", {"inputs": A_READING["inputs"], "exposure": {"gain": 1, "atime": 255, "astep": 65534}}, 200
    )
    print(f"\na reading of {reading['elapsed']:.0f} s")
    assert reading["elapsed"] > 80
    assert not service.is_new()


def test_a_fit_of_several_minutes_does_not_start_it_anew(service: Service) -> None:
    lines = (json.dumps(record) for record in readings(1000))
    files("rgb.jsonl").write_text("".join(f"{line}\n" for line in lines))
    inside("chown", "retrolux:retrolux", f"{STATE}/rgb.jsonl")
    job = ask("/v1/fit", {"models": ["forest"], "forest": {"preset": "paper"}})["id"]
    until(lambda: shown("StatusText")["StatusText"].startswith("fitting forest"), 30)
    began = time.monotonic()
    until(lambda: time.monotonic() - began > 60 * MINUTES or ask(f"/v1/jobs/{job}")["state"] != "running", 600)
    state = ask(f"/v1/jobs/{job}")
    print(f"\nfitted for {time.monotonic() - began:.0f} s, then {state['state']}, {100 * state['progress']:.0f} %")
    assert not service.is_new()
    assert shown("NRestarts")["NRestarts"] == "0"


def readings(n: int) -> Iterator[dict[str, Any]]:
    with open_instrument("sim", InstrumentSettings(begins=1.7e9)) as instrument:
        for i in range(n):
            yield instrument.measure((i % 10 / 9, i // 10 % 10 / 9, i // 100 / 9)).to_record()


def test_what_fails_again_and_again_rests_and_then_starts_again(service: Service) -> None:
    inside("rm", "-f", "/run/retrolux-rests")
    for _ in range(5):
        service.kill("KILL")
        until(lambda: service.is_new() or shown("ActiveState")["ActiveState"] == "failed", 30)
        service.pid = int(shown("MainPID")["MainPID"])
    assert shown("ActiveState")["ActiveState"] == "failed"
    until(lambda: "start-limit-hit" in reasons(), 10)
    took = until(service.is_new, 90)
    print(f"\nfailed five times, ready again after {took:.0f} s")
    assert took > 50
    assert inside("cat", "/run/retrolux-rests").startswith("1 ")
