"""What the service manager is told, on a socket of the test's own."""

import os
import socket
from pathlib import Path

import pytest

from retrolux.server.manager import Manager


def listening(address: str) -> socket.socket:
    heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    heard.bind(address)
    heard.settimeout(10)
    return heard


@pytest.mark.parametrize("abstract", [False, True])
def test_facts_are_one_datagram(abstract: bool, tmp_path: Path) -> None:
    name = f"retrolux-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with listening(f"\0{name}" if abstract else name) as heard:
        manager = Manager(f"@{name}" if abstract else name)
        manager.tell("READY=1", "STATUS=two\nlines  are one")
        assert heard.recv(4096) == b"READY=1\nSTATUS=two lines are one"


def test_it_is_found_in_the_environment_which_no_child_then_has(tmp_path: Path) -> None:
    own = str(os.getpid())
    environment = {"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "15000000", "WATCHDOG_PID": own, "HOME": "/"}
    manager = Manager.of(environment)
    assert (manager.present, manager.watchdog, environment) == (True, 15.0, {"HOME": "/"})


@pytest.mark.parametrize(
    ("environment", "present"),
    [
        ({}, False),
        ({"WATCHDOG_USEC": "15000000"}, False),
        ({"NOTIFY_SOCKET": "vsock:2:1", "WATCHDOG_USEC": "15000000"}, False),
        ({"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "soon"}, True),
        ({"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "15000000", "WATCHDOG_PID": "1"}, True),
    ],
)
def test_it_does_not_watch_where_it_is_not_asked_to(environment: dict[str, str], present: bool) -> None:
    manager = Manager.of(environment)
    assert (manager.present, manager.watchdog) == (present, None)


def test_nothing_waits_for_a_manager_that_is_busy_or_gone(tmp_path: Path) -> None:
    with listening(str(tmp_path / "notify")):
        manager = Manager(str(tmp_path / "notify"))
        for _ in range(100_000 // 50):  # more than a socket's queue holds
            manager.tell("WATCHDOG=1")
    manager.tell("WATCHDOG=1")
