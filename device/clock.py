"""Two clocks with one face: one that only counts, and the machine's own."""

import time
from collections.abc import Callable
from typing import Protocol

from retrolux.device.heartbeat import Heartbeat


class Clock(Protocol):
    """What everything that waits or measures time is given.

    Attributes
    ----------
    heartbeat : Heartbeat
        Of whoever waits by it.
    """

    heartbeat: Heartbeat

    def monotonic(self) -> float:
        """Return seconds since some beginning."""

    def sleep(self, seconds: float) -> None:
        """Let seconds pass."""

    def time(self) -> float:
        """Return seconds since the epoch, UTC."""

    def synchronised(self) -> bool | None:
        """Return whether that is set by somebody who knows it; None where nobody says."""


class FakeClock:
    """Time that passes only when somebody sleeps.

    Parameters
    ----------
    epoch : float, optional
        What :meth:`time` begins with; now by default, so that a simulated log has plausible times.

    Attributes
    ----------
    right : bool
        What :meth:`synchronised` says.
    """

    def __init__(self, epoch: float | None = None) -> None:
        self._epoch = time.time() if epoch is None else epoch
        self._elapsed = 0.0
        self.heartbeat = Heartbeat()
        self.right = True

    def monotonic(self) -> float:
        """Return the seconds that were slept."""
        return self._elapsed

    def sleep(self, seconds: float) -> None:
        """Let time pass, at once."""
        self._elapsed += max(seconds, 0.0)

    def time(self) -> float:
        """Return the beginning plus the seconds that were slept."""
        return self._epoch + self._elapsed

    def synchronised(self) -> bool:
        """Return that it is right: there is no other time than this, unless a test says so."""
        return self.right


class RealClock:
    """The machine's own time. Each wait is a step of the heartbeat, which says how long it means to take.

    Parameters
    ----------
    synchronised : callable, optional
        Tells whether the machine's time is set by somebody who knows it; by default nobody says.
    """

    def __init__(self, synchronised: Callable[[], bool | None] = lambda: None) -> None:
        self.heartbeat = Heartbeat()
        self._synchronised = synchronised

    def monotonic(self) -> float:
        """Return :func:`time.monotonic`."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self.heartbeat.beat(seconds)
        time.sleep(max(seconds, 0.0))
        self.heartbeat.beat()

    def time(self) -> float:
        """Return :func:`time.time`."""
        return time.time()

    def synchronised(self) -> bool | None:
        """Return what is known of it."""
        return self._synchronised()
