"""ForestDiffusion's flow, made small, fast, repeatable and storable: a conditional distribution by boosted trees."""

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from retrolux.models import forest_library, storage
from retrolux.models.errors import ModelUnreadable
from retrolux.models.flow_settings import FlowSettings
from retrolux.models.flow_training import Draft, trained
from retrolux.models.model import Array, Progress
from retrolux.models.progress import silent

_, xgboost, euler_solve = forest_library.load()

_ROWS = 4096
"""Rows that are carried from noise to data together: more fall out of the processor's cache, and take memory."""


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
        work = (columns, given)
        return next(cls.each([work], settings, seed=seed, progress=progress or silent))

    @classmethod
    def each(
        cls, tables: Sequence[tuple[Array, Array]], settings: FlowSettings, *, seed: int, progress: Progress
    ) -> Iterator[Self]:
        """Yield the flow of each table of columns and what is given, on as many threads as there are cores."""
        ranks = [_ranks(columns, settings) for columns, _ in tables]
        scaled = (
            _interpolated(table[0], r, _as_wide(_scale(len(r)), r)) for table, r in zip(tables, ranks, strict=True)
        )
        drafts = (Draft.of(c, given, settings, seed=seed) for c, (_, given) in zip(scaled, tables, strict=True))
        with closing(trained(drafts, len(tables), settings, progress)) as found:
            yield from (cls(levels, r) for levels, r in zip(found, ranks, strict=True))

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
        scale = _as_wide(_scale(len(self.ranks)), self.ranks)
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


def _ranks(columns: Array, settings: FlowSettings) -> Array:
    ranks = np.sort(columns, axis=0)
    return ranks[[0, -1]] if settings.plain else ranks


def _as_wide(column: Array, table: Array) -> Array:
    return np.broadcast_to(column[:, None], table.shape)


def _scale(n: int) -> Array:
    return np.linspace(-1.0, 1.0, n)


def _interpolated(columns: Array, start: Array, end: Array) -> Array:
    pairs = zip(columns.T, start.T, end.T, strict=True)
    return np.column_stack([np.interp(column, a, b) for column, a, b in pairs])
