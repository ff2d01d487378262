"""How a flow's trees are trained: ForestDiffusion makes the tables, and XGBoost learns each level from its own.

The library trains one level after the other. None knows of another, so they are learnt on as many threads as there are
cores, each level by one: its trees are those that the library would train, bit for bit, on any number of cores.
"""

import threading
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Self

import numpy as np

from retrolux.models import forest_library
from retrolux.models.flow_settings import FlowSettings
from retrolux.models.model import Array, Progress
from retrolux.models.spreading import by_threads

ForestDiffusionModel, xgboost, _ = forest_library.load()

_numpy_random = threading.Lock()
"""ForestDiffusion draws from NumPy's global generator: one draft at a time, and the generator is put back."""

_WORK = 100_000
"""Rows passed through a tree, about, after which a level that takes long tells its progress: a tenth of a second."""


class _Tables(ForestDiffusionModel):  # type: ignore[misc, valid-type] # the library has no types
    """The library's model, which keeps the table of each level where it would train it.

    The library hands its number of threads to the trees but not to the table they are trained on, which is then made
    by as many as there are cores: they wait for one another longer than the trees take, by far where cores are busy.
    """

    def train_parallel(self, x_train: Array, y_train: Array) -> tuple[Array, Array]:
        """Keep what one level learns from; called by the library's constructor."""
        return x_train, y_train


@dataclass(frozen=True, eq=False)
class Draft:
    """A flow before its levels are learnt.

    Attributes
    ----------
    tables : list of (ndarray, ndarray)
        Where pairs of noise and data are at each time, with what is given, shape (n_pairs, n_columns + n_given), and
        the velocity there, (n_pairs, n_columns). Not of the last time, where the data are reached: nothing is ever
        asked of it, for a step goes from each level to the next.
    options : dict
        Of XGBoost.
    trees : int
    """

    tables: list[tuple[Array, Array]]
    options: dict[str, Any]
    trees: int

    @classmethod
    def of(cls, scaled: Array, given: Array, settings: FlowSettings, *, seed: int) -> Self:
        """Return the draft of columns scaled to [−1, 1], shape (n_rows, n_columns), and what is given with them."""
        with generator(seed):
            made = _Tables(
                scaled,
                X_covs=given.copy() if given.shape[1] else None,
                n_t=settings.levels,
                duplicate_K=settings.copies_of(len(scaled)),
                n_estimators=settings.trees,
                max_depth=settings.depth,
                eta=settings.eta,
                n_batch=0,
                n_jobs=1,  # no worker processes
                seed=seed,
                min_child_weight=settings.smallest_leaf(len(scaled)),
                max_bin=settings.bins(len(scaled)),
                nthread=1,
            )
        return cls(made.regr[0][:-1], _options(made), made.n_estimators)


def _options(made: Any) -> dict[str, Any]:  # noqa: ANN401 - the library has no types
    """Return what the library would hand to XGBoost."""
    return {
        "objective": "reg:squarederror",
        "tree_method": made.tree_method,
        "eta": made.eta,
        "max_depth": made.max_depth,
        "reg_lambda": made.reg_lambda,
        "reg_alpha": made.reg_alpha,
        "subsample": made.subsample,
        "seed": made.seed,
        **made.xgboost_kwargs,
    }


def trained(
    drafts: Iterable[Draft], n: int, settings: FlowSettings, progress: Progress
) -> Generator[list[Any], None, None]:
    """Yield the boosters of each of n drafts, in their order; drafts are taken as threads come free.

    What ``progress`` raises ends all of them.
    """
    telling = _Telling(progress, n * (settings.levels - 1))
    try:
        learnt = by_threads(telling.learnt, (level for draft in drafts for level in _levels(draft)))
        for _ in range(n):
            yield list(islice(learnt, settings.levels - 1))
    finally:
        telling.end(_Ended())


@dataclass(frozen=True, eq=False)
class _Level:
    table: tuple[Array, Array]
    options: dict[str, Any]
    trees: int


def _levels(draft: Draft) -> Iterator[_Level]:
    return (_Level(table, draft.options, draft.trees) for table in draft.tables)


class _Telling:
    """Adds up how far the levels are, and tells it by one thread at a time; what that raises ends them all."""

    def __init__(self, progress: Progress, n: int) -> None:
        self._progress, self._n, self._done = progress, n, 0.0
        self._one_at_a_time = threading.Lock()
        self._end: BaseException | None = None

    def learnt(self, level: _Level) -> Any:  # noqa: ANN401 - a booster of XGBoost
        """Return the level's booster."""
        table = xgboost.DMatrix(*level.table, nthread=1)
        booster = xgboost.Booster(level.options, [table])
        every = max(1, _WORK // level.table[1].size)
        for tree in range(level.trees):
            if tree % every == 0:
                self._tell(min(every, level.trees - tree) / level.trees)
            booster.update(table, tree)
        return booster

    def _tell(self, next_part: float) -> None:
        """Tell what was begun before, and count the part of a level that begins now."""
        with self._one_at_a_time:
            if self._end:
                raise self._end
            try:
                self._progress(min(self._done / self._n, 1.0))
            except BaseException as error:
                self._end = error
                raise
            self._done += next_part

    def end(self, why: BaseException) -> None:
        """End the levels that still learn, by this if by nothing before."""
        with self._one_at_a_time:
            self._end = self._end or why


class _Ended(Exception):
    """Nobody waits for this level any more."""


@contextmanager
def generator(seed: int) -> Iterator[None]:
    """Seed NumPy's global generator for the library, and put it back."""
    with _numpy_random:
        state = np.random.get_state()  # noqa: NPY002 - the one that the library uses
        np.random.seed(seed)  # noqa: NPY002
        try:
            yield
        finally:
            np.random.set_state(state)  # noqa: NPY002
