"""What feeds the watchdog, and what does not, by a time of the test's own."""

import threading
from collections import deque
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from retrolux.device.errors import DeviceError, SensorMissing, SensorTimeout
from retrolux.server.config import Config
from retrolux.server.manager import Manager
from retrolux.server.station import Station
from retrolux.server.watchdog import LATE, PARTS, Watchdog
from retrolux.server.watched import Watched

PATIENCE = 15.0
TURN = 0.5
LONGEST = PATIENCE / PARTS + LATE  # that threads which do not move are not noticed


class Way:
    """The way of a measurement, as it is told to be."""

    def __init__(self) -> None:
        self.answer: bool | Exception = True
        self.asked = 0
        self.step: Callable[[], None] = lambda: None

    def answers(self, seconds: float) -> bool:
        assert seconds < PATIENCE / PARTS
        self.asked += 1
        self.step()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class World:
    """A serving loop that comes round twice a second, threads that answer, and a way: each may hang."""

    def __init__(self) -> None:
        self.now = 0.0
        self.fed: list[float] = []
        self.way = Way()
        self.watchdog = Watchdog(self.way, lambda: self.fed.append(self.now), PATIENCE, lambda: self.now)
        self.tasks: deque[Any] = deque()
        self.loop = self.threads = self.bus = True
        self.each: Callable[[], None] = lambda: None

    def run(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            self.now += TURN
            self.each()
            while self.threads and self.tasks:
                self.tasks.popleft().service()
            if self.loop:
                self.watchdog.turn(self.tasks.append, self._aside)

    def _aside(self, act: Callable[[], None]) -> None:
        if self.bus:  # else the transaction never returns
            act()

    def longest_pause(self, since: float) -> float:
        times = [since, *(t for t in self.fed if t > since), self.now]
        return max(b - a for a, b in pairwise(times))


@pytest.fixture
def world() -> World:
    world = World()
    world.run(60)
    assert world.longest_pause(0) <= PATIENCE / 2  # an idle server is fed
    return world


@pytest.mark.parametrize(("what", "latest"), [("loop", 0.0), ("bus", 0.0), ("threads", LONGEST)])
def test_whatever_hangs_it_is_fed_no_more(what: str, latest: float, world: World) -> None:
    world.way.step = world.watchdog.beat  # as where the instrument has to be opened to be asked
    setattr(world, what, False)
    began = world.now
    world.run(600)
    assert world.fed[-1] <= began + latest + TURN
    assert latest + PATIENCE < 25  # with the time of a new start, below half a minute
    assert len(world.tasks) <= 1  # nothing piles up meanwhile


def test_a_lock_that_is_never_given_back_does_not_feed(world: World) -> None:
    world.way.answer = False
    began = world.now
    world.run(600)
    assert world.fed[-1] <= began


def test_the_steps_of_a_measurement_feed_while_it_has_the_instrument(world: World) -> None:
    world.way.answer, world.threads = False, False  # all threads wait for the one that measures
    world.each = world.watchdog.beat
    began = world.now
    world.run(600)
    assert world.longest_pause(began) < PATIENCE / 2
    assert len(world.fed) < 600 / (0.2 * PATIENCE / PARTS)  # and not at each of thousands of steps
    world.each = lambda: None  # it hangs in the middle
    began = world.now
    world.run(600)
    assert world.fed[-1] <= began


def test_questions_at_which_their_process_works_are_no_reason_to_end(world: World) -> None:
    world.threads, world.each = False, world.watchdog.moved
    began = world.now
    world.run(600)
    assert world.longest_pause(began) < PATIENCE / 2
    world.bus = False  # but they do not hide a bus that hangs
    began = world.now
    world.run(600)
    assert world.fed[-1] <= began


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            SensorMissing("The sensor stopped answering.", "Plug it in."),
            "sensor unplugged: The sensor stopped answering.",
        ),
        (SensorTimeout("The sensor is late.", "Wait."), "The sensor is late."),
    ],
)
def test_to_fail_in_time_is_an_answer(error: DeviceError, words: str, world: World) -> None:
    world.way.answer = error
    began, asked = world.now, world.way.asked
    world.run(600)
    assert world.longest_pause(began) < PATIENCE * 0.6
    assert world.watchdog.trouble == words
    assert world.way.asked - asked < 0.5 * 600 / (PATIENCE / PARTS)  # a sensor is not looked for all the time
    world.way.answer = True
    world.run(20)
    assert world.watchdog.trouble is None


def test_what_was_not_foreseen_is_no_answer(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.way.answer = ZeroDivisionError()
    began = world.now
    world.run(60)
    assert world.fed[-1] <= began
    assert "no sign of life" in caplog.text
    world.way.answer = True
    world.run(10)
    assert world.fed[-1] > began + 60


def test_a_station_answers_unless_a_step_takes_longer_than_it_said(tmp_path: Path) -> None:
    with Station(Config(state=tmp_path)) as station:
        assert station.answers(0)  # it is opened for it
        heart, held, done = station.instrument.heartbeat, threading.Event(), threading.Event()

        def hold() -> None:
            with station.instrument._one_at_a_time:
                held.set()
                done.wait()

        holder = threading.Thread(target=hold)
        holder.start()
        held.wait()
        assert not station.answers(0.01)
        heart.beat(1000)  # an integration
        assert station.answers(0.01)
        heart.beat()
        assert not station.answers(0.01)
        done.set()
        holder.join()


def test_a_station_s_sensor_that_is_missing_is_looked_for_again(tmp_path: Path) -> None:
    config = Config.model_validate({"state": tmp_path, "simulator": {"fault": "sensor absent"}})
    with Station(config) as station:
        for _ in range(2):
            with pytest.raises(SensorMissing, match="No sensor answers"):
                station.answers(0)


def test_each_answer_to_a_request_is_a_move_and_an_error_is_one_too(tmp_path: Path) -> None:
    moves: list[str] = []
    watched = Watched(Station(Config(state=tmp_path)), Manager("@nobody", 15.0))
    watched.moved = lambda: moves.append("moved")  # type: ignore[method-assign]

    def breaks(environ: dict[str, Any], _start: Any) -> list[bytes]:
        if environ:
            raise ZeroDivisionError
        return [b"answer"]

    application = watched.around(breaks)
    assert application({}, None) == [b"answer"]
    with pytest.raises(ZeroDivisionError):
        application({"PATH_INFO": "/"}, None)
    assert moves == ["moved"] * 2
    unwatched = Watched(Station(Config(state=tmp_path)), Manager())
    assert unwatched.around(breaks) is breaks
