"""From a failed attempt to a reading, by ever stronger means, and never without an end."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from retrolux.device.clock import Clock
from retrolux.device.errors import SensorMissing, SensorReset, SensorTimeout

Result = TypeVar("Result")
SensorError = SensorMissing | SensorTimeout | SensorReset


@dataclass(frozen=True, slots=True)
class Rung:
    """One means of recovery.

    Attributes
    ----------
    name : str
        As it is counted.
    pause : float
        Seconds that the hardware is left alone before.
    prepare : callable
        The means. Where it raises an error of the sensor, the next rung is tried.
    """

    name: str
    pause: float
    prepare: Callable[[], None]


class Ladder:
    """Tries an act after each rung's means in turn, until it succeeds.

    Parameters
    ----------
    clock : Clock
    rungs : sequence of Rung
        The first is the attempt that usually succeeds.

    Attributes
    ----------
    attempted, succeeded : Counter
        How often an act was tried at each rung, and how often it succeeded there, by its name.
    """

    def __init__(self, clock: Clock, rungs: Sequence[Rung]) -> None:
        self._clock = clock
        self._rungs = tuple(rungs)
        self.attempted: Counter[str] = Counter()
        self.succeeded: Counter[str] = Counter()

    def climb(self, act: Callable[[], Result], before_another: Callable[[], None] = lambda: None) -> Result:
        """Return what the act returns once it succeeds.

        Parameters
        ----------
        act : callable
        before_another : callable, optional
            Called before each attempt but the first, once the rung's means have succeeded.

        Raises
        ------
        SensorMissing, SensorTimeout, SensorReset
            The last rung's, when none helped; everything else at once.
        """
        began = self._clock.monotonic()
        for rung in self._rungs:
            self.attempted[rung.name] += 1
            try:
                self._clock.sleep(rung.pause)
                rung.prepare()
                if rung is not self._rungs[0]:
                    before_another()
                result = act()
            except (SensorMissing, SensorTimeout, SensorReset) as error:
                last: SensorError = error
            else:
                self.succeeded[rung.name] += 1
                return result
        raise self._given_up(last, began) from last

    def _given_up(self, last: SensorError, began: float) -> SensorError:
        seconds = self._clock.monotonic() - began
        error = type(last)(f"{last.cause} Given up after {len(self._rungs)} attempts in {seconds:.1f} s.", last.remedy)
        if isinstance(last, SensorMissing) and isinstance(error, SensorMissing):
            error.others = last.others
        return error
