"""The contract that every method keeps."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from retrolux.models.dataset import Dataset
from retrolux.models.solution import Solution

Array = NDArray[np.float64]
Progress = Callable[[float], None]
"""Called with the fraction done, 0 … 1, while a fit runs; may raise to cancel it."""


@dataclass(frozen=True, slots=True)
class Posterior:
    """Inputs recovered from many targets at once.

    Attributes
    ----------
    mean, std, low, high : ndarray, shape (n_targets, n_inputs)
        Central estimate (clipped to the bounds), standard deviation, and the ends of the central 90 % interval,
        all in input units.
    """

    mean: Array
    std: Array
    low: Array
    high: Array


class Model(ABC):
    """A method that learns outputs from inputs and answers which inputs give wanted outputs.

    Arrays are ``(n_rows, n_columns)``, float64, columns in the order of ``input_names`` and ``output_names``; inputs
    are bounded to [0, 1]; outputs are counts at the reference exposure.
    """

    method: ClassVar[str]
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    data_hash: str
    n_rows: int

    @abstractmethod
    def fit(self, data: Dataset, *, seed: int = 0, progress: Progress | None = None) -> Self:
        """Learn from readings; the same data and seed give the same model. Raises BadData."""

    @abstractmethod
    def prepare(self, names: Sequence[str], *, progress: Progress | None = None) -> None:
        """Fit what targets of these outputs need; without it the first such target does. Raises UnknownColumn, BadData.

        Kept with the model, and on disk when it is saved after.
        """

    @abstractmethod
    def predict(self, inputs: Array) -> Array:
        """Return outputs, shape (n_rows, n_outputs), for inputs, shape (n_rows, n_inputs)."""

    @abstractmethod
    def invert(self, target: Mapping[str, float], *, samples: int = 500, seed: int = 0) -> Solution:
        """Return inputs that give the target: named outputs, the others left free. Raises BadTarget, UnknownColumn."""

    @abstractmethod
    def recover(self, names: Sequence[str], targets: Array, *, samples: int = 500, seed: int = 0) -> Posterior:
        """Return the inputs for many targets, shape (n_targets, len(names)), in one call."""

    @abstractmethod
    def sample(
        self, n: int, given: Mapping[str, float] | None = None, *, seed: int = 0
    ) -> tuple[tuple[str, ...], Array]:
        """Draw n joint samples of inputs and outputs, or of the rest where columns are given.

        Returns the column names (inputs, then outputs; given columns included, constant) and an array of shape
        (n, len(names)).
        """

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the model as plain data with a manifest, atomically; replaces an earlier one whole."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Self:
        """Read a saved model. Raises ModelUnreadable."""
