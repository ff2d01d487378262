"""ForestDiffusion's flow, made small, repeatable and storable: a conditional distribution learnt by boosted trees."""

import json
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from retrolux.models import storage
from retrolux.models.errors import MissingLibrary, ModelUnreadable
from retrolux.models.flow_settings import FlowSettings
from retrolux.models.model import Array, Progress

try:
    with warnings.catch_warnings():  # what the three boosting libraries say of one another concerns nobody here
        warnings.simplefilter("ignore")
        import xgboost
        from ForestDiffusion import ForestDiffusionModel
        from sklearn.preprocessing import MinMaxScaler
except ImportError as _error:
    raise MissingLibrary(
        f"The method forest needs ForestDiffusion and XGBoost: {_error}.",
        "In the clone of the project: pip install '.[forest]'.",
    ) from _error

_numpy_random = threading.Lock()
"""ForestDiffusion draws from NumPy's global generator: one flow at a time, and the generator is put back."""


class _Flow(ForestDiffusionModel):  # type: ignore[misc] # the library has no types
    """The library's model, telling how far its training is; what ``report`` raises ends it."""

    report: Progress | None = None
    done = 0

    def train_parallel(self, x_train: Array, y_train: Array) -> Any:  # noqa: ANN401 - an estimator of XGBoost
        if self.report:
            self.report(self.done / self.n_t)
        self.done += 1
        return super().train_parallel(x_train, y_train)


@dataclass(frozen=True, eq=False)
class Flow:
    """A flow that turns noise into columns, given others.

    Attributes
    ----------
    levels : list of xgboost.Booster
        The velocity at each time.
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
        levels = [level.get_booster() for level in model.regr[0]]
        return cls(levels, ranks)

    def draw(self, given: Array, *, seed: int) -> Array:
        """Return one draw for each row of given columns."""
        covariates = given if given.shape[1] else None
        with _generator(seed):
            drawn = self._model().generate(batch_size=len(given), X_covs=covariates)
        scale = np.broadcast_to(_scale(len(self.ranks))[:, None], self.ranks.shape)
        return _interpolated(np.asarray(drawn, dtype=np.float64), scale, self.ranks)

    def to_files(self) -> dict[str, bytes]:
        """Return the trees in XGBoost's UBJSON and the range as npz."""
        trees = {f"level{i:02d}.ubj": bytes(level.save_raw("ubj")) for i, level in enumerate(self.levels)}
        return {"flow.npz": storage.pack({"ranks": self.ranks}), **trees}

    @classmethod
    def from_files(cls, files: dict[str, bytes]) -> Self:
        """Rebuild the flow without training. Raises ModelUnreadable."""
        try:
            ranks = storage.unpack(files["flow.npz"])["ranks"]
            names = sorted(name for name in files if name.startswith("level"))
            return cls([_booster(files[name]) for name in names], ranks)
        except (KeyError, xgboost.core.XGBoostError, json.JSONDecodeError) as error:
            raise ModelUnreadable(f"A saved flow is incomplete: {error}.", "Fit the model again.") from error

    def _model(self) -> ForestDiffusionModel:
        """Return the library's model as its constructor leaves it, without the training."""
        model = ForestDiffusionModel.__new__(ForestDiffusionModel)
        n = self.ranks.shape[1]
        model.p_in_one, model.diffusion_type = n > 1, "flow"
        model.regr = [self.levels if model.p_in_one else [[level] for level in self.levels]]
        model.n_batch = 1  # predicts from boosters themselves
        model.n_t, model.b, model.c = len(self.levels), 1, n
        model.y_uniques, model.y_probs, model.label_y = np.array([0]), np.array([1.0]), None
        model.cat_indexes, model.int_indexes = [], []
        model.X_min, model.X_max = np.full((1, n), -1.0), np.full((1, n), 1.0)
        model.scaler = MinMaxScaler(feature_range=(-1, 1)).fit(np.vstack([model.X_min, model.X_max]))
        return model


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
