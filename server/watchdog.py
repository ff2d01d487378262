"""The watchdog of the service manager, fed by what measures and what answers, and by no timer.

The serving loop, each time that it comes round, asks two things for a sign of life: the way that a measurement goes
(the recorder's lock, the instrument's lock, one transaction of the bus), and the threads that answer requests. While a
measurement is under way it does not ask for one: the steps of the measurement are one. Only the way of a measurement
feeds, and only while the threads have moved as well. So nothing feeds once the loop, a lock, the bus or all threads
hang.

An instrument that fails in time has answered: a sensor that was unplugged is no reason to start anew.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from retrolux.device.errors import DeviceError, SensorMissing

_logger = logging.getLogger(__name__)

PARTS = 10  # of the manager's patience: it is asked so many times before that ends
AFTER_FAILURE = 4  # times as long as usual until an instrument that failed is asked again
LATE = 2.5  # seconds that a sign of the threads is good for beyond the next asking
SPARING = 0.2  # of the time between two askings: more often nothing is sent


class Measuring(Protocol):
    """What measures: a :class:`~retrolux.server.station.Station`."""

    def answers(self, seconds: float) -> bool:
        """Return whether the way of a measurement is free, or a measurement is at a step that may take longer."""


class Watchdog:
    """Fed, it keeps the manager from starting the server anew.

    Parameters
    ----------
    measuring : Measuring
    feed : callable
        Tells the manager.
    patience : float
        Seconds without food after which the manager ends this process.
    clock : callable
        Seconds, monotonic.

    Attributes
    ----------
    trouble : str or None
        What the instrument failed with when it was last asked, in words.
    feedings : int
        How often it was fed.
    """

    def __init__(
        self,
        measuring: Measuring,
        feed: Callable[[], None],
        patience: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._measuring, self._feed, self._clock = measuring, feed, clock
        self._every = patience / PARTS
        self._moved = self._fed = clock()
        self._next = self._next_way = clock()
        self._sign = _Sign(self.moved)
        self._asking = False
        self._asker: int | None = None
        self.trouble: str | None = None
        self.feedings = 0

    def turn(self, hand: Callable[[Any], None], aside: Callable[[Callable[[], None]], None]) -> None:
        """Ask for signs of life where it is time; never waits.

        Parameters
        ----------
        hand : callable
            Gives a task, with a method ``service``, to the threads that answer requests.
        aside : callable
            Has what it is given called by a thread that does nothing else.
        """
        now = self._clock()
        if now < self._next:
            return
        self._next = now + self._every
        if not self._sign.waits:
            self._sign.waits = True
            hand(self._sign)
        if not self._asking and now >= self._next_way:
            self._asking = True
            aside(self._ask)

    def _ask(self) -> None:
        """Ask the way that a measurement goes, and feed if it answers, or fails in time."""
        self._asker = threading.get_ident()
        try:
            if self._answered():
                self._eat()
        except Exception:  # what was not foreseen is no answer; a new start may be the remedy
            _logger.exception("the instrument gave no sign of life")
        finally:
            self._asker = None
            self._asking = False

    def _answered(self) -> bool:
        try:
            answered = self._measuring.answers(self._every / 2)
        except DeviceError as error:
            self.trouble = _in_words(error)
            self._next_way = self._clock() + AFTER_FAILURE * self._every
            return True
        self.trouble = None if answered else self.trouble
        return answered

    def beat(self) -> None:
        """Hear a step of a measurement: whoever makes it has moved, and the way is as it should be.

        Steps that the asking itself leads to, as to open the instrument, show the way alone.
        """
        if threading.get_ident() != self._asker:
            self.moved()
        self._eat()

    def moved(self) -> None:
        """Hear that one of the threads that answer requests got on with its work."""
        self._moved = self._clock()

    def _eat(self) -> None:
        now = self._clock()
        if now - self._fed >= SPARING * self._every and now - self._moved <= self._every + LATE:
            self._fed = now
            self.feedings += 1
            self._feed()


class _Sign:
    """A task for the threads that answer requests: whichever comes to it shows that they move."""

    def __init__(self, moved: Callable[[], None]) -> None:
        self._moved = moved
        self.waits = False

    def service(self) -> None:
        self.waits = False
        self._moved()

    def cancel(self) -> None:
        """Do nothing: the server ends."""


def _in_words(error: DeviceError) -> str:
    return f"sensor unplugged: {error.cause}" if isinstance(error, SensorMissing) else error.cause
