"""Opening and closing, and failing to, leaves no file open and no lock held."""

from collections.abc import Callable
from pathlib import Path

import pytest

from retrolux.device.errors import DeviceError, LogUnwritable, RemoteError
from retrolux.device.factory import open_instrument
from retrolux.device.instrument import Instrument
from retrolux.device.jsonl import JsonLines
from retrolux.device.log import MeasurementLog
from retrolux.device.recording import Recorder
from retrolux.device.remote import Remote
from retrolux.device.sim.pwm import FULL, REMEMBERED, PwmPin
from tests.device.loopback import Behaviour, claude_light, retrolux, serving
from tests.device.raspberry_pi import Raspberry


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def fifty_times(act: Callable[[], None]) -> None:
    """Act once, so that what is imported is imported, then fifty times, and count."""
    act()
    before = open_files()
    for _ in range(50):
        act()
    assert open_files() == before


pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="this system does not list open files")


@pytest.mark.parametrize("name", ["sim", "sim:2", "pi"])
def test_an_instrument_leaves_nothing_open(raspberry: Raspberry, name: str) -> None:
    def act() -> None:
        with open_instrument(name) as instrument:
            instrument.measure((0.1, 0, 0), ["nir"])

    fifty_times(act)
    assert raspberry.held == set()


def test_a_pi_that_cannot_be_opened_leaves_nothing_open(raspberry: Raspberry) -> None:
    def act(refuses: set[int], present: bool) -> None:
        raspberry.refuses, raspberry.parts.bus.present = refuses, present
        with pytest.raises(DeviceError):
            open_instrument("pi")

    fifty_times(lambda: act({12}, present=True))
    fifty_times(lambda: act(set(), present=False))
    raspberry.parts.bus.present = True
    with open_instrument("pi"):
        fifty_times(lambda: act(set(), present=True))  # it is busy


@pytest.mark.parametrize("acting", [claude_light, retrolux])
def test_remote_readings_leave_nothing_open(acting: Callable[[Instrument], Behaviour]) -> None:
    """Counted once the server is gone too: it is in this process, and closes its end after the answer is read."""
    before = open_files()
    with open_instrument("sim") as behind, serving(acting(behind)) as (address, _):
        for _ in range(50):
            with Remote(address) as instrument:
                instrument.measure((0.1, 0, 0), ["nir"])
    assert open_files() == before


def test_a_remote_that_is_not_there_leaves_nothing_open() -> None:
    def act() -> None:
        with pytest.raises(RemoteError):
            Remote("http://127.0.0.1:1", timeout=5).measure((0, 0, 0))

    fifty_times(act)


def test_a_log_leaves_nothing_open(tmp_path: Path) -> None:
    def act() -> None:
        Recorder(open_instrument("sim"), MeasurementLog(tmp_path / "rgb.jsonl")).close()

    fifty_times(act)


def test_a_log_that_cannot_be_opened_leaves_nothing_open(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("dear diary")

    def act() -> None:
        for path in (tmp_path, tmp_path / "none" / "x", tmp_path / "notes"):
            with pytest.raises(LogUnwritable):
                JsonLines(path)

    fifty_times(act)


def test_an_emulated_output_told_for_a_year_stays_small() -> None:
    pin = PwmPin()
    for step in range(3 * REMEMBERED):
        pin.duty_cycle = step % FULL
    assert pin.duty_cycle == (3 * REMEMBERED - 1) % FULL
    assert pin.changes == 3 * REMEMBERED + 1
    assert len(pin.fractions) == REMEMBERED
