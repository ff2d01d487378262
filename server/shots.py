"""Close the loop: ask a model, measure what it says, correct it by what was measured, a few times."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from retrolux.device.identity import new_id
from retrolux.device.measurement import Measurement
from retrolux.models.closed_loop import ClosedLoop, Shot
from retrolux.models.dataset import Dataset
from retrolux.models.model import Model
from retrolux.server.errors import BadArgument, Unattainable
from retrolux.server.laboratory import Laboratory

MOST = 20
Report = Callable[[int, Shot], None]
"""Called with the number of shots made and the latest; may raise to end the run."""


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


def take_aim(lab: Laboratory, model: Model, aim: Aim, report: Report = lambda _n, _shot: None) -> dict[str, Any]:
    """Measure, correct, and stop where the target is met within the noise of a reading.

    All shots are one run of the log. The answer is corrected by the last shot, too, and is then not measured again.

    Returns
    -------
    dict
        The answer as ``invert`` gives it, with ``run``, ``shots``, ``settled`` and ``unsure``: root mean square over
        the target's channels of what is not known of their counts, in standard deviations of one reading.

    Raises
    ------
    Unattainable
        Before the light moves.
    BadArgument
        For a model of a table.
    BadTarget, UnknownColumn, NotFitted
    DeviceError
        The light is dark then; the shots so far are in the log.
    """
    if not model.scale.counts:
        raise BadArgument("The model is of a table, and a table has no light to aim.", "Fit one to a log.")
    loop = ClosedLoop(model, aim.target, lab.ambient(model) or model.world.ever(), seed=aim.seed)
    if not (loop.solution.feasible or aim.anyway):
        raise Unattainable(
            f"The target cannot be met: {' '.join(loop.solution.warnings)}",
            "Ask for one that can (retrolux invert tells), or aim anyway with --anyway.",
        )
    run, last = new_id(), None
    while len(loop.shots) < aim.shots and not loop.settled:
        last = _shoot(lab, loop, run, last)
        report(len(loop.shots), loop.shots[-1])
    shots = {"run": run, "shots": [asdict(shot) for shot in loop.shots]}
    return loop.solution.to_json() | shots | {"settled": loop.settled, "unsure": loop.unsure}


def _shoot(lab: Laboratory, loop: ClosedLoop, run: str, before: Measurement | None) -> Measurement:
    reading = lab.measure(loop.inputs.tolist(), origin="aim", run=run, i=len(loop.shots))
    data = Dataset.from_records([reading.to_record()], gain_ratios=lab.gain_ratios)
    columns = zip(data.output_names, data.outputs[0], data.saturated[0], strict=True)
    measured = {name: float(counts) for name, counts, saturated in columns if not saturated}
    loop.see(measured, data.inputs[0].tolist(), reading.time - before.time if before else 0.0)
    return reading
