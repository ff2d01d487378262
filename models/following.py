"""The ambient light as it is known at each new reading, which is taken off it."""

from dataclasses import dataclass, replace

import numpy as np

from retrolux.models.dataset import Dataset
from retrolux.models.kalman import update
from retrolux.models.model import Array
from retrolux.models.sittings import PAUSE
from retrolux.models.state_space import StateSpace, in_order, latest

LATEST = 50
"""Readings by which the ambient light at the end of a log is known."""


@dataclass
class Following:
    """A Kalman filter that goes on: mean, covariance and time of what it knows, however many readings it saw.

    Attributes
    ----------
    world : StateSpace
    mean : ndarray, shape (n_outputs,)
    covariance : ndarray, shape (n_outputs, n_outputs)
    time : float
        Of the latest reading, seconds since the epoch; −∞ before the first.
    """

    world: StateSpace
    mean: Array
    covariance: Array
    time: float = -np.inf

    @classmethod
    def of(cls, world: StateSpace, data: Dataset | None = None) -> "Following":
        """Return what is known after the latest of some readings; without any, that of any sitting's beginning."""
        found = cls(world, world.walk.mean, world.walk.covariance)
        if data is not None:
            found.net(latest(data, LATEST) if data.times is not None else data.take(np.arange(len(data))[-LATEST:]))
        return found

    def net(self, data: Dataset) -> Dataset:
        """Return readings in the order of time less their ambient light, each as it and those before it tell."""
        rows = in_order(data.select(self.world.names))
        seen, ambient = self.world.observed(rows), np.empty(rows.outputs.shape)
        times = np.full(len(rows), np.inf) if rows.times is None else rows.times
        for i, time in enumerate(times):
            before = self._before(float(time))
            self.mean, self.covariance = update(*before, seen.values[i], seen.noise[i], seen.bounds[i])
            self.time, ambient[i] = float(time), self.mean
        return replace(rows, outputs=rows.outputs - ambient, times=None)

    def _before(self, time: float) -> tuple[Array, Array]:
        seconds, walk = time - self.time, self.world.walk
        if not seconds < PAUSE:  # nor where neither time is known
            return walk.mean, walk.covariance
        return walk.later(self.mean, self.covariance, seconds)
