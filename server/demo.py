"""The main job, end to end: measure, log, fit, invert, play the answers back."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from retrolux.device.designs import design
from retrolux.device.identity import new_id
from retrolux.models.dataset import Dataset
from retrolux.models.registry import available
from retrolux.server.laboratory import FitReport, Laboratory
from retrolux.server.readings import to_dataset

TARGET = {"445nm": 2.0**14, "515nm": 2.0**14, "630nm": 2.0**14}
"""The question of the paper: 2^14 counts at three wavelengths."""

_MEASURING = 0.3  # share of the progress bar


@dataclass(frozen=True)
class Demo:
    """One run of the main job.

    Attributes
    ----------
    lab : Laboratory
        Instrument and log; earlier readings of the log are left alone, and no saved model is replaced.
    n : int
        Latin-hypercube readings to learn from.
    playbacks : int
        Times each answer is measured; the mean is reported.
    seed : int
        Of the design, the fits and the samples.
    report : callable
        Called with the fraction of the whole that is done, 0 … 1, and what is being done.
    """

    lab: Laboratory
    n: int
    playbacks: int
    seed: int
    report: Callable[[float, str], None]

    def run(self) -> list[dict[str, Any]]:
        """Return each method's answer to :data:`TARGET`, with what the instrument measured for it."""
        data = self._collect()
        methods = available()
        return [self._answer(method, data, self._share(k, len(methods))) for k, method in enumerate(methods)]

    def _collect(self) -> Dataset:
        run, records = new_id(), []
        for i, point in enumerate(design("lhs", self.n, self.seed)):
            records.append(self.lab.measure(point, run=run, i=i).to_record())
            self.report(_MEASURING * (i + 1) / self.n, "measuring")
        ratios = self.lab.gain_ratios
        return to_dataset(records, source=str(self.lab.log_path), gain_ratios=ratios)[0]

    def _answer(self, method: str, data: Dataset, share: FitReport) -> dict[str, Any]:
        (model,) = self.lab.fit(data, [method], seed=self.seed, report=share)
        solution = self.lab.invert(model, TARGET, seed=self.seed)
        return solution.to_json() | self.lab.play_back(solution, self.playbacks)

    def _share(self, k: int, n: int) -> FitReport:
        part = (1 - _MEASURING) / n
        return lambda method, fraction: self.report(_MEASURING + part * (k + fraction), f"fitting {method}")
