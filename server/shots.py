"""Close the loop: ask a model, measure what it says, correct it by what was measured, a few times."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from retrolux.models.closed_loop import ClosedLoop
from retrolux.models.dataset import Dataset
from retrolux.models.model import Model
from retrolux.server.errors import BadArgument, Unattainable
from retrolux.server.laboratory import Laboratory
from retrolux.server.shooting import Aim, Report, Step, shoot

__all__ = ["MOST", "Aim", "Loop", "take_aim"]

MOST = 20


class Loop:
    """The corrections of one aim, by a model and the ambient light of now.

    Raises
    ------
    BadArgument
        For a model of a table.
    BadTarget, UnknownColumn, NotFitted
    """

    def __init__(self, lab: Laboratory, model: Model, aim: Aim) -> None:
        if not model.scale.counts:
            raise BadArgument("The model is of a table, and a table has no light to aim.", "Fit one to a log.")
        self._run = ""
        self._ratios, self._anyway = lab.gain_ratios, aim.anyway
        self._loop = ClosedLoop(model, aim.target, lab.ambient(model) or model.world.ever(), seed=aim.seed)

    def begin(self, run: str) -> Step:
        """Return what to try first; the readings will have this run. Raises Unattainable."""
        self._run = run
        if not (self._loop.solution.feasible or self._anyway):
            raise Unattainable(
                f"The target cannot be met: {' '.join(self._loop.solution.warnings)}",
                "Ask for one that can (retrolux invert tells), or aim anyway with --anyway.",
            )
        return Step(self._loop.inputs.tolist())

    def see(self, record: Mapping[str, Any], seconds: float) -> Step:
        """Return what a reading leads to, so many seconds after the one before."""
        data = Dataset.from_records([record], gain_ratios=self._ratios)
        columns = zip(data.output_names, data.outputs[0], data.saturated[0], strict=True)
        measured = {name: float(counts) for name, counts, saturated in columns if not saturated}
        shot = self._loop.see(measured, data.inputs[0].tolist(), seconds)
        return Step(self._loop.inputs.tolist(), self._loop.settled, shot.error)

    def settle(self) -> dict[str, Any]:
        """Return the answer as ``invert`` gives it, with what :func:`take_aim` adds."""
        loop = self._loop
        shots = {"run": self._run, "shots": [asdict(shot) for shot in loop.shots]}
        return loop.solution.to_json() | shots | {"settled": loop.settled, "unsure": loop.unsure}


def take_aim(lab: Laboratory, model: Model, aim: Aim, report: Report = lambda _n, _error: None) -> dict[str, Any]:
    """Measure, correct, and stop where the target is met within the noise of a reading; see :func:`shoot`.

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
    return shoot(lab, Loop(lab, model, aim), aim.shots, report)
