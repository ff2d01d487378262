"""How well methods aim: the inputs of a log's next reading, from the counts that it is to have and the log so far."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from retrolux.models import registry
from retrolux.models.ambient import Ambient
from retrolux.models.dataset import Dataset
from retrolux.models.errors import BadData
from retrolux.models.evaluation import Options
from retrolux.models.kalman import Track
from retrolux.models.model import Posterior, Progress
from retrolux.models.readings import PAPER
from retrolux.models.score import Rows, Score, score
from retrolux.models.spreading import spread
from retrolux.models.state_space import StateSpace, in_order, waits


@dataclass(frozen=True, slots=True)
class Aiming:
    """Scores of methods on the same readings, in the order of time.

    Attributes
    ----------
    n_train, n_test : int
        Readings learnt from, and aimed at.
    n_reference : int
        First readings of sittings: what they were set to is told, so they are no part of the scores.
    left_out : int
        Readings that are saturated in a target channel.
    models : mapping of str to Score
    reference : mapping of str to Score or None
        Of those first readings, aimed at with the ambient light unknown; None where there are fewer than two.
    """

    n_train: int
    n_test: int
    n_reference: int
    left_out: int
    models: Mapping[str, Score]
    reference: Mapping[str, Score | None]

    def to_json(self) -> dict[str, Any]:
        """Return the evaluation in the form that the command line prints."""
        numbers = {name: getattr(self, name) for name in ("n_train", "n_test", "n_reference", "left_out")}
        models = {method: s.to_json() for method, s in self.models.items()}
        first = {method: s and s.to_json() for method, s in self.reference.items()}
        return numbers | {"models": models, "reference": first}


def aim(  # noqa: PLR0913 - what an evaluation has to be told
    train: Dataset,
    test: Dataset,
    methods: Sequence[str],
    *,
    targets: Sequence[str] = PAPER,
    seed: int = 0,
    progress: Progress | None = None,
    options: Options | None = None,
) -> Aiming:
    """Walk a log in the order of time and aim at each reading's own counts in the target channels.

    Nothing else of the reading is used, and of the readings before it only those of its sitting, through the ambient
    light that they tell of. Each sitting begins with a reference reading.

    Parameters
    ----------
    train, test : Dataset
        With times; channels that only one of them has are left out.
    options : mapping of str to mapping, optional
        What methods are created with, by their names.

    Raises
    ------
    BadData
        Where times are missing or no reading is left.
    UnknownColumn
    """
    _refuse_without_times(train, test)
    common = [name for name in train.output_names if name in test.output_names]
    known, unseen = train.select(common), in_order(test.select(common))
    state = StateSpace.learn(known)
    track = state.follow(unseen)
    seen = ~unseen.saturated[:, unseen.columns(targets)].any(axis=1)
    first = np.isinf(waits(unseen))
    if not (seen & ~first).any():
        raise BadData("No reading is left to aim at.", "Give sittings of several readings, unsaturated in the targets.")
    parts = seen & ~first, seen & first
    task = _Task(known, unseen, tuple(targets), state, track, parts, seed, options or {})
    both = dict(zip(methods, spread(task.scores, methods, progress), strict=True))
    scores = {method: s[0] for method, s in both.items() if s[0] is not None}
    reference = {method: s[1] for method, s in both.items()}
    return Aiming(len(known), int((seen & ~first).sum()), int(first.sum()), int((~seen).sum()), scores, reference)


def _refuse_without_times(*logs: Dataset) -> None:
    if any(log.times is None for log in logs):
        raise BadData("A reading has no time, so its order is not known.", "Give logs whose readings have times.")
    if len({log.input_names for log in logs}) > 1:
        raise BadData("The readings to learn from and to aim at have different inputs.", "Compare like with like.")


@dataclass(frozen=True, slots=True)
class _Task:
    known: Dataset
    unseen: Dataset
    targets: tuple[str, ...]
    state: StateSpace
    track: Track
    parts: tuple[Rows, Rows]
    seed: int
    options: Options

    def scores(self, method: str, report: Progress) -> tuple[Score | None, ...]:
        """Fit one method and score what it aims at in each part of the readings."""
        began = time.perf_counter()
        model = registry.create(method, targets=self.targets, **self.options.get(method, {}))
        model.fit(self.known, seed=self.seed, progress=report, state=self.state)
        fitted = time.perf_counter() - began
        return tuple(self._score(model.recover_in, rows, fitted) if rows.sum() > 1 else None for rows in self.parts)

    def _score(self, aim_in: Any, rows: Rows, fit_seconds: float) -> Score:  # noqa: ANN401 - a model's method
        unseen = self.unseen.take(rows)
        began = time.perf_counter()
        wanted = unseen.outputs[:, unseen.columns(self.targets)]
        found: Posterior = aim_in(self.targets, wanted, self._ambient(rows), seed=self.seed)
        seconds = time.perf_counter() - began
        return score(found, unseen, self.known.inputs, fit_seconds, 1000 * seconds / len(unseen))

    def _ambient(self, rows: Rows) -> list[Ambient]:
        """Return the ambient light of each reading as it was known just before it."""
        return self.track.before(self.state.names, np.flatnonzero(rows))
