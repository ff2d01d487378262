"""From inputs that nearly give a target to inputs that do, by the method's own predictions."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import least_squares

from retrolux.models.derivatives import AT_AN_END
from retrolux.models.posterior import Array

if TYPE_CHECKING:
    from retrolux.models.method import Method

HOLD = 1e-3  # standard deviations of the scatter that moving by the whole of an input costs: next to nothing
CLOSE = 1e-3  # of the scatter: what needs no settling
EVALUATIONS = 15
TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class Wish:
    """A target, as a method sees it.

    Attributes
    ----------
    model : Method
    names : tuple of str
        The target's outputs, in the model's order.
    values : ndarray, shape (n_outputs,)
    """

    model: "Method"
    names: tuple[str, ...]
    values: Array

    def missed(self, inputs: Array) -> Array:
        """Return by how much rows of inputs are predicted to miss it, at most, in standard deviations of a reading."""
        return np.asarray(np.abs(self._missed(inputs)).max(axis=1))

    def settled(self, candidates: Array) -> Array:
        """Return inputs in [0, 1] near the first candidate that are predicted to give it, or come nearest to it.

        Minimises ``|(f(x) − y) / σ|² + 10⁻⁶ |x − x₀|²`` within the bounds. Of a method whose predictions go in steps
        the candidate that misses least is taken.

        Parameters
        ----------
        candidates : ndarray, shape (n_candidates, n_inputs)
        """
        if not self.model.smooth:
            return np.asarray(candidates[self.missed(candidates).argmin()])
        start = candidates[0]
        if self.missed(start[None])[0] < CLOSE:
            return np.asarray(start)
        hold = HOLD * np.eye(len(start))
        found = least_squares(
            lambda x: np.concatenate([self._missed(x[None])[0], hold @ (x - start)]),
            start,
            lambda x: np.vstack([self.model.derivative(x)[self._columns] / self._scatter[:, None], hold]),
            bounds=(0, 1),
            xtol=TOLERANCE,
            ftol=TOLERANCE,
            max_nfev=EVALUATIONS,
        )
        x = np.asarray(found.x, dtype=np.float64)
        return np.where(x < AT_AN_END, 0.0, np.where(x > 1 - AT_AN_END, 1.0, x))

    def _missed(self, rows: Array) -> Array:
        return np.asarray((self.model.predict(rows)[:, self._columns] - self.values) / self._scatter)

    @cached_property
    def _columns(self) -> list[int]:
        return self.model.data.columns(self.names)

    @cached_property
    def _scatter(self) -> Array:
        return self.model.noise(self.names)
