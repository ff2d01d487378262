"""However the server ends, its light is off: at the latest when the unit's command for that has been run."""

import re
import signal
import subprocess
import threading
import urllib.error
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.e2e.conftest import COMMAND, Start
from tests.e2e.test_server import get
from tests.e2e.test_watched import BOUND, CONFIG, DUTIES, lit, post

SHORTER = {"gain": 1, "atime": 100, "astep": 5000}  # 1.4 s


def after_it_stopped() -> list[str]:
    """Return the arguments that the unit gives the command once the service has stopped."""
    unit = (ROOT / "systemd" / "retrolux.service").read_text()
    (found,) = re.findall(r"^ExecStopPost=/opt/retrolux/venv/bin/retrolux (.*)$", unit, flags=re.MULTILINE)
    return found.split()


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGKILL, pytest.param(signal.SIGABRT, marks=pytest.mark.slow)]
)
def test_the_light_is_off_afterwards(
    number: signal.Signals, start: Start, tmp_path: Path, environment: dict[str, str]
) -> None:
    (tmp_path / "retrolux.toml").write_text(CONFIG)
    server, url = start()
    pins = tmp_path / "pins"

    def measure() -> None:
        with suppress(OSError, urllib.error.URLError):
            get(post(url, "/v1/measure", DUTIES | {"exposure": SHORTER, "channels": ["515nm"]}))

    measuring = threading.Thread(target=measure)
    measuring.start()
    assert lit(pins) == "0.100008,0.2,0.299992\n"
    server.send_signal(number)
    assert server.wait(BOUND) == (0 if number == signal.SIGTERM else -number)
    measuring.join()
    if number == signal.SIGTERM:
        assert pins.read_text() == "0,0,0\n"  # of its own
    else:
        assert lit(pins)
    done = subprocess.run(
        [COMMAND, *after_it_stopped()], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert pins.read_text() == "0,0,0\n"
