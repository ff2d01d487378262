"""How well methods recover the inputs of readings they have not seen."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from retrolux.models import readings, registry
from retrolux.models.dataset import Dataset
from retrolux.models.errors import BadData
from retrolux.models.model import Model, Posterior, Progress
from retrolux.models.readings import PAPER
from retrolux.models.score import Score, score
from retrolux.models.spreading import spread

Options = Mapping[str, Mapping[str, Any]]
"""What methods are created with, by their names."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores of methods on the same readings.

    Attributes
    ----------
    n_train, n_test : int
        Readings used.
    left_out : mapping of str to int
        Readings of ``train`` and ``test`` that are saturated in a target channel.
    models : mapping of str to Score
    """

    n_train: int
    n_test: int
    left_out: Mapping[str, int]
    models: Mapping[str, Score]

    def to_json(self) -> dict[str, Any]:
        """Return the evaluation in the form that the command line prints."""
        return {
            "n_train": self.n_train,
            "n_test": self.n_test,
            "left_out": dict(self.left_out),
            "models": {method: s.to_json() for method, s in self.models.items()},
        }


def evaluate(  # noqa: PLR0913 - what an evaluation has to be told
    train: Dataset,
    test: Dataset,
    methods: Sequence[str],
    *,
    condition: str = "targets",
    targets: Sequence[str] = PAPER,
    seed: int = 0,
    progress: Progress | None = None,
    options: Options | None = None,
) -> Evaluation:
    """Fit methods to readings and recover the inputs of others from their outputs.

    Parameters
    ----------
    train, test : Dataset
        Of the same inputs; channels that only one of them has are left out.
    methods : sequence of str
    condition : str
        Recover from the ``targets``, from ``all`` channels that are not saturated in the reading, or from channels that
        are named, separated by commas.
    targets : sequence of str
        A reading saturated in one of these is left out, of both datasets.
    progress : callable, optional
        Called with the fraction done.
    options : mapping of str to mapping, optional
        What methods are created with, by their names.

    Raises
    ------
    BadData
        When inputs differ or no reading is left.
    UnknownColumn
        When a target is not a channel of both.
    """
    if train.input_names != test.input_names or not train.scale.alike(test.scale):
        raise BadData("The readings to learn from and to recover have different inputs.", "Compare like with like.")
    known, unseen = _unsaturated(train, test, targets), _unsaturated(test, train, targets)
    if not len(unseen):
        raise BadData("No reading is left to recover.", "Give readings that are not saturated in the targets.")
    names = readings.usable(known, 1).output_names
    told = _conditions(condition, targets, names)
    unseen = unseen.take(~unseen.saturated[:, unseen.columns(told)].all(axis=1))  # a reading that tells nothing
    if not len(unseen):
        raise BadData("No reading is left to recover.", "Name channels that are not saturated in all of them.")
    patterns = _patterns(unseen, told)
    task = _Task(known, unseen, patterns, seed, options or {})
    scores = dict(zip(methods, spread(task.score, methods, progress), strict=True))
    left_out = {"train": len(train) - len(known), "test": len(test) - len(unseen)}
    return Evaluation(len(known), len(unseen), left_out, scores)


def _conditions(condition: str, targets: Sequence[str], names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the channels to recover from, in the order of names. Raises BadData."""
    if condition in {"targets", "all"}:
        return tuple(targets) if condition == "targets" else names
    asked = [name.strip() for name in condition.split(",")]
    if unknown := [name for name in asked if name not in names]:
        raise BadData(
            f"There is no condition {', '.join(unknown)}.", f"Choose targets, all, or some of {', '.join(names)}."
        )
    return tuple(name for name in names if name in asked)


Patterns = Mapping[tuple[str, ...], list[int]]
"""The readings, by index, of each pattern of channels that inputs are recovered from."""


def _unsaturated(data: Dataset, other: Dataset, targets: Sequence[str]) -> Dataset:
    common = data.select([name for name in data.output_names if name in other.output_names])
    return common.take(~common.saturated[:, common.columns(targets)].any(axis=1))


def _patterns(data: Dataset, names: tuple[str, ...]) -> Patterns:
    """Group readings by the channels, of those named, that are not saturated in them."""
    found: dict[tuple[str, ...], list[int]] = {}
    saturated = data.saturated[:, data.columns(names)]
    for row, cells in enumerate(saturated):
        found.setdefault(tuple(n for n, bad in zip(names, cells, strict=True) if not bad), []).append(row)
    return found


@dataclass(frozen=True, slots=True)
class _Task:
    known: Dataset
    unseen: Dataset
    patterns: Patterns
    seed: int
    options: Options

    def score(self, method: str, report: Progress) -> Score:
        """Fit one method and compare what it recovers with the truth."""
        began = time.perf_counter()
        own = self.options.get(method, {})
        model = registry.create(method, targets=next(iter(self.patterns)), **own)
        model.fit(self.known, seed=self.seed, progress=report)
        for pattern in self.patterns:
            model.prepare(pattern)
        fitted = time.perf_counter()
        found = _recovered(model, self.unseen, self.patterns, self.seed)
        seconds = time.perf_counter() - fitted
        return score(found, self.unseen, self.known.inputs, fitted - began, 1000 * seconds / len(self.unseen))


def _recovered(model: Model, unseen: Dataset, patterns: Patterns, seed: int) -> Posterior:
    found = [
        model.recover(pattern, unseen.outputs[rows][:, unseen.columns(pattern)], seed=seed)
        for pattern, rows in patterns.items()
    ]
    return Posterior.joined(found).take(np.argsort(np.concatenate(list(patterns.values()))))
