"""A bus that is opened anew under its users."""

import errno
import sys
from typing import Any

import pytest

from retrolux.device.bus import ReopenableBus
from retrolux.device.errors import SensorMissing
from retrolux.device.pi import open_pi
from retrolux.device.settings import InstrumentSettings
from tests.device.raspberry_pi import Raspberry


class Bus:
    """A bus that knows its number and whether it was let go of."""

    def __init__(self, number: int, log: list[str]) -> None:
        self.number, self._log = number, log

    def deinit(self) -> None:
        self._log.append(f"{self.number} let go")
        if self.number == 0:
            raise OSError(errno.EIO, "it is stuck")


def numbered(log: list[str], refuses: set[int]) -> ReopenableBus:
    made: list[int] = []

    def opening() -> Bus:
        made.append(len(made))
        if made[-1] in refuses:
            raise SensorMissing("This machine's I2C bus cannot be had.", "Check it.")
        log.append(f"{made[-1]} opened")
        return Bus(made[-1], log)

    return ReopenableBus(opening)


def test_its_users_go_on_with_the_new_bus_though_the_old_one_did_not_let_go() -> None:
    log: list[str] = []
    bus = numbered(log, set())
    bus.reopen()
    assert bus.number == 1
    bus.deinit()
    bus.deinit()
    assert log == ["0 opened", "0 let go", "1 opened", "1 let go"]


def test_a_bus_that_cannot_be_opened_again_fails_as_a_bus_does_until_it_can() -> None:
    bus = numbered([], {1})
    with pytest.raises(SensorMissing):
        bus.reopen()
    with pytest.raises(OSError, match="could not be opened again"):
        _ = bus.try_lock
    bus.reopen()
    assert bus.number == 2


def test_one_that_cannot_be_opened_at_all_is_an_error_at_once() -> None:
    with pytest.raises(SensorMissing):
        numbered([], {0})


def mends(raspberry: Raspberry, monkeypatch: pytest.MonkeyPatch, *, failures: int = 0) -> None:
    """Let the bus work again once it is opened anew, perhaps after some failures."""
    board = sys.modules["board"]
    real, left = board.I2C, iter(range(failures))

    def opened() -> Any:
        if next(left, None) is not None:
            raise RuntimeError("no such bus")
        raspberry.parts.bus.present = True
        return real()

    monkeypatch.setattr(board, "I2C", opened)


def test_a_pis_stuck_bus_is_opened_anew_and_the_reading_made(
    raspberry: Raspberry, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_pi(InstrumentSettings()) as instrument:
        raspberry.parts.bus.present = False
        mends(raspberry, monkeypatch)
        assert instrument.measure((0, 0, 1), ["445nm"]).outputs["445nm"] > 25_000
    assert raspberry.log.count("bus back") == 2
    assert raspberry.held == set()


def test_a_pis_bus_that_cannot_be_had_for_a_while_is_an_error_and_then_a_reading(
    raspberry: Raspberry, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_pi(InstrumentSettings()) as instrument:
        raspberry.parts.bus.present = False
        mends(raspberry, monkeypatch, failures=1)
        with pytest.raises(SensorMissing, match="I2C bus cannot be had: no such bus"):
            instrument.measure((0, 0, 1))
        assert [pin.duty_cycle for pin in raspberry.parts.pins] == [0, 0, 0]
        assert instrument.measure((0, 0, 1), ["445nm"]).outputs["445nm"] > 25_000
