"""ForestDiffusion's flow, made small, fast, repeatable and storable: a conditional distribution by boosted trees."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from retrolux.models import forest_library, storage
from retrolux.models.errors import ModelUnreadable
from retrolux.models.flow_settings import FlowSettings
from retrolux.models.model import Array, Progress
from retrolux.models.progress import silent

ForestDiffusionModel, xgboost, euler_solve = forest_library.load()

_numpy_random = threading.Lock()
"""ForestDiffusion draws from NumPy's global generator: one flow at a time, and the generator is put back."""

_WORK = 100_000
"""Rows passed through a tree, about, after which a level that takes long tells its progress: a tenth of a second."""

_ROWS = 4096
"""Rows that are carried from noise to data together: more fall out of the processor's cache, and take memory."""


class _Flow(ForestDiffusionModel):  # type: ignore[misc, valid-type] # the library has no types
    """The library's model, its trees trained on this thread alone, telling how far; what ``report`` raises ends it.

    The library hands its number of threads to the trees but not to the table they are trained on, which is then made
    by as many as there are cores: they wait for one another longer than the trees take, by far where cores are busy.
    """

    report: Progress = staticmethod(silent)
    done = 0

    def train_parallel(self, x_train: Array, y_train: Array) -> Any:  # noqa: ANN401 - a booster of XGBoost
        """Train one level; called by the library's constructor. The trees are those it would train, bit for bit.

        Of the last level, that of the data themselves, nothing is ever asked: a step goes from each level to the next.
        """
        self.report(self.done / self.n_t)
        self.done += 1
        return None if self.done == self.n_t else self._trained(x_train, y_train)

    def _trained(self, x_train: Array, y_train: Array) -> Any:  # noqa: ANN401 - a booster of XGBoost
        settings = {
            "objective": "reg:squarederror",
            "tree_method": self.tree_method,
            "eta": self.eta,
            "max_depth": self.max_depth,
            "reg_lambda": self.reg_lambda,
            "reg_alpha": self.reg_alpha,
            "subsample": self.subsample,
            "seed": self.seed,
            **self.xgboost_kwargs,
        }
        table = xgboost.DMatrix(x_train, y_train, nthread=1)
        told = _Told(lambda part: self.report((self.done - 1 + part) / self.n_t), self.n_estimators, y_train.size)
        return xgboost.train(settings, table, self.n_estimators, callbacks=[told])


class _Told(xgboost.callback.TrainingCallback):  # type: ignore[misc, name-defined] # the library has no types
    """Tells which part of the trees is there, every so many of them."""

    def __init__(self, report: Progress, n: int, size: int) -> None:
        super().__init__()
        self._report, self._n, self._every = report, n, max(1, _WORK // size)

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ANN401, ARG002 - as it is called
        if (epoch + 1) % self._every == 0 and epoch + 1 < self._n:
            self._report((epoch + 1) / self._n)
        return False


@dataclass(frozen=True, eq=False)
class Flow:
    """A flow that turns noise into columns, given others.

    Attributes
    ----------
    levels : list of xgboost.Booster
        The velocity at each time but the last, where the data are reached.
    ranks : ndarray, shape (n_rows, n_columns)
        The readings' columns, each sorted. The flow works on their ranks, scaled to [−1, 1]: their scatter, 0.58, is
        near that of the noise it starts from, so that few steps carry it there, and it never leaves the readings. Of a
        plain flow only each column's ends, between which it is scaled.
    """

    levels: list[Any]
    ranks: Array

    @classmethod
    def learn(
        cls, columns: Array, given: Array, settings: FlowSettings, *, seed: int, progress: Progress | None = None
    ) -> Self:
        """Train on rows of columns, shape (n_rows, n_columns), and what is given with them, (n_rows, n_given).

        What is given should be in units of its scatter. ``progress`` may raise to cancel.
        """
        ranks = np.sort(columns, axis=0)
        ranks = ranks[[0, -1]] if settings.plain else ranks
        copies = settings.copies_of(len(columns))
        model = _Flow.__new__(_Flow)
        if progress:
            model.report = progress
        with _generator(seed):
            model.__init__(  # type: ignore[misc] # the library trains in its constructor
                _interpolated(columns, ranks, np.broadcast_to(_scale(len(ranks))[:, None], ranks.shape)),
                X_covs=given.copy() if given.shape[1] else None,
                n_t=settings.levels,
                duplicate_K=copies,
                n_estimators=settings.trees,
                max_depth=settings.depth,
                eta=settings.eta,
                min_child_weight=settings.smallest_leaf(len(columns)),
                n_batch=0,
                n_jobs=1,  # no worker processes
                nthread=1,
                seed=seed,
            )
        return cls(model.regr[0][:-1], ranks)

    def draw(self, given: Array, *, seed: int) -> Array:
        """Return one draw for each row of given columns."""
        return self.carried(self.noise(len(given), seed), given)

    def noise(self, n: int, seed: int) -> Array:
        """Return n rows to begin at, shape (n, n_columns)."""
        return np.random.RandomState(seed).normal(size=(n, self.ranks.shape[1]))

    def carried(self, noise: Array, given: Array) -> Array:
        """Return what rows of noise come to, given others, both with as many rows."""
        starts = range(0, len(given), _ROWS)
        ends = [self._solved(noise[i : i + _ROWS], given[i : i + _ROWS]) for i in starts]
        scale = np.broadcast_to(_scale(len(self.ranks))[:, None], self.ranks.shape)
        return _interpolated(np.clip(np.vstack([noise[:0], *ends]), -1.0, 1.0), scale, self.ranks)

    def _solved(self, noise: Array, given: Array) -> Array:
        """Return where the library's solver ends, shape (n_rows, n_columns), by the trees of each time."""
        n_rows, n = noise.shape
        rows = np.empty((n_rows, n + given.shape[1]), dtype=np.float32)  # what XGBoost would make of them each time
        rows[:, n:] = given

        def velocity(t: float, y: Array) -> Array:
            rows[:, :n] = y.reshape(n_rows, n)
            level = self.levels[round(t * len(self.levels))]
            return np.asarray(level.inplace_predict(rows), dtype=np.float64).reshape(-1)

        solved = euler_solve(y0=noise.reshape(-1), my_model=velocity, N=len(self.levels) + 1)
        return np.asarray(solved).reshape(n_rows, n)

    def to_files(self) -> dict[str, bytes]:
        """Return the trees in XGBoost's UBJSON and the range as npz."""
        trees = {f"level{i:02d}.ubj": bytes(level.save_raw("ubj")) for i, level in enumerate(self.levels)}
        return {"flow.npz": storage.pack({"ranks": self.ranks, "steps": np.array(len(trees))}), **trees}

    @classmethod
    def from_files(cls, files: dict[str, bytes]) -> Self:
        """Rebuild the flow without training. Raises ModelUnreadable."""
        try:
            flow = storage.unpack(files["flow.npz"])
            names = sorted(name for name in files if name.startswith("level"))
            steps = int(flow.get("steps", len(names) - 1))  # earlier versions kept the last time's trees, too
            return cls([_booster(files[name]) for name in names[:steps]], flow["ranks"])
        except (KeyError, xgboost.core.XGBoostError, json.JSONDecodeError) as error:
            raise ModelUnreadable(f"A saved flow is incomplete: {error}.", "Fit the model again.") from error


def _booster(content: bytes) -> Any:  # noqa: ANN401 - the library has no types
    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(bytearray(content))
    return booster


def _scale(n: int) -> Array:
    return np.linspace(-1.0, 1.0, n)


def _interpolated(columns: Array, start: Array, end: Array) -> Array:
    pairs = zip(columns.T, start.T, end.T, strict=True)
    return np.column_stack([np.interp(column, a, b) for column, a, b in pairs])


@contextmanager
def _generator(seed: int) -> Iterator[None]:
    with _numpy_random:
        state = np.random.get_state()  # noqa: NPY002 - the one that the library uses
        np.random.seed(seed)  # noqa: NPY002
        try:
            yield
        finally:
            np.random.set_state(state)  # noqa: NPY002
