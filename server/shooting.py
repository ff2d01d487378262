"""The shots of an aim on the instrument, by corrections that are computed here or elsewhere."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from retrolux.device.identity import new_id
from retrolux.server.station import Station

Report = Callable[[int, Mapping[str, float]], None]
"""Called after each shot with how many were made, and the latest's error by channel; may raise to end the run."""


@dataclass(frozen=True)
class Aim:
    """What is aimed at.

    Attributes
    ----------
    target : mapping of str to float
        Counts at the reference exposure, under the ambient light of now.
    shots : int
        At most so many readings.
    anyway : bool
        Whether to try a target that the model holds to be unattainable.
    """

    target: Mapping[str, float]
    shots: int = 3
    anyway: bool = False
    seed: int = 0


@dataclass(frozen=True)
class Step:
    """What a shot led to.

    Attributes
    ----------
    inputs : list of float
        What to try next, or to settle on.
    settled : bool
        Whether the shot met the target within the noise of a reading.
    error : mapping of str to float
        Measured less wanted, by channel, in standard deviations of one reading.
    """

    inputs: list[float]
    settled: bool = False
    error: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return its fields."""
        return asdict(self)


class Corrections(Protocol):
    """What tells the next inputs of an aim."""

    def begin(self, run: str) -> Step:
        """Return what to try first; the readings will have this run. Raises ModelError, Unattainable."""

    def see(self, record: Mapping[str, Any], seconds: float) -> Step:
        """Return what a reading leads to, so many seconds after the one before."""

    def settle(self) -> dict[str, Any]:
        """Return the answer."""


def shoot(station: Station, corrections: Corrections, shots: int, report: Report) -> dict[str, Any]:
    """Measure, correct, and stop where the target is met within the noise of a reading.

    All shots are one run of the log. The answer is corrected by the last shot, too, and is then not measured again.

    Raises
    ------
    Unattainable, ModelError
        Before the light moves.
    DeviceError
        The light is dark then; the shots so far are in the log.
    """
    run, before = new_id(), None
    step = corrections.begin(run)
    for made in range(shots):
        if step.settled:
            break
        reading = station.measure(step.inputs, origin="aim", run=run, i=made)
        step = corrections.see(reading.to_record(), 0.0 if before is None else reading.time - before.time)
        before = reading
        report(made + 1, step.error)
    return corrections.settle()
