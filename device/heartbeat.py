"""The heartbeat of whoever measures: what a watchdog listens to."""

import math
import time
from collections.abc import Callable


class Heartbeat:
    """A beat at each step of a measurement, with how long the step may take.

    It is given by the thread that measures, so that it stops where that hangs.

    Parameters
    ----------
    clock : callable
        Seconds, monotonic, of the machine: also where time is simulated.

    Attributes
    ----------
    heard : callable
        Called at each beat, by the thread that gives it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = -math.inf
        self.heard: Callable[[], None] = lambda: None

    def beat(self, seconds: float = 0.0) -> None:
        """Say that a step is done, and that the next one may take so many seconds."""
        self._until = self._clock() + seconds
        self.heard()

    @property
    def expected(self) -> bool:
        """Whether the step that was begun last may still be under way."""
        return self._clock() < self._until
