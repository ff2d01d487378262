"""The contract that every method keeps."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from retrolux.models.ambient import Ambient
from retrolux.models.dataset import Dataset
from retrolux.models.derivatives import Sensitivity
from retrolux.models.posterior import Array, Posterior, Progress
from retrolux.models.scale import Scale
from retrolux.models.solution import Solution
from retrolux.models.solutions import Solutions

if TYPE_CHECKING:
    from retrolux.models.state_space import StateSpace

__all__ = ["Array", "Model", "Posterior", "Progress"]


class Model(ABC):
    """A method that learns outputs from inputs and answers which inputs give wanted outputs.

    Arrays are ``(n_rows, n_columns)``, float64, columns in the order of ``input_names`` and ``output_names``; inputs
    are bounded to [0, 1]; outputs are counts at the reference exposure, or what a table has.
    """

    method: ClassVar[str]
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    data_hash: str
    n_rows: int
    until: float | None
    """When the latest reading was made that it knows of, seconds since the epoch; None where none says."""
    updates: ClassVar[bool] = False
    """Whether further readings change it without a fit."""
    smooth: ClassVar[bool] = True
    """Whether predictions have a derivative; where not, :meth:`derivative` is that of a part of them, if of any."""

    @abstractmethod
    def fit(
        self, data: Dataset, *, seed: int = 0, progress: Progress | None = None, state: "StateSpace | None" = None
    ) -> Self:
        """Learn from readings; the same data and seed give the same model. Raises BadData.

        With a state space of the same readings it also learns the light alone, for targets under ambient light that is
        known.
        """

    @abstractmethod
    def update(self, data: Dataset) -> Self:
        """Take in further readings, in the order in which they came.

        A model that :attr:`updates` is afterwards one that was fitted to all of them; another one only watches whether
        they are what it says, see :attr:`stale`. Not to be called while another thread asks.

        Raises
        ------
        BadData, UnknownColumn
            For readings of other columns than the model's; it stays as it is.
        NotFitted
        """

    @abstractmethod
    def copy(self) -> Self:
        """Return a model that answers the same and stays as it is when this one learns. Raises NotFitted."""

    @property
    @abstractmethod
    def stale(self) -> str | None:
        """Why it should be fitted again, in words: readings it was updated with are not what it says. Else None."""

    @property
    @abstractmethod
    def scale(self) -> Scale:
        """Of the readings; wherever an input stands by its name, as in answers, it is in its own unit."""

    @property
    @abstractmethod
    def world(self) -> "StateSpace":
        """Response, ambient light and scatter that the readings tell of. Raises NotFitted."""

    @abstractmethod
    def prepare(self, names: Sequence[str], *, progress: Progress | None = None) -> None:
        """Fit what targets of these outputs need; without it the first such target does. Raises UnknownColumn, BadData.

        Kept with the model, and on disk when it is saved after.
        """

    @property
    def usual(self) -> bool:
        """Whether it was made without options, but for the targets that it is prepared for."""
        return True

    @abstractmethod
    def predict(self, inputs: Array) -> Array:
        """Return outputs, shape (n_rows, n_outputs), for inputs, shape (n_rows, n_inputs)."""

    @abstractmethod
    def invert(
        self, target: Mapping[str, float], *, samples: int = 500, seed: int = 0, ambient: Ambient | None = None
    ) -> Solution:
        """Return inputs that give the target: named outputs, the others left free.

        Parameters
        ----------
        target : mapping of str to float
            Counts at the reference exposure.
        ambient : Ambient, optional
            What is known of the ambient light that the target is to be met in; :meth:`Ambient.none` for a target of the
            light alone. Without, it may be whatever it was in the readings.

        Raises
        ------
        BadTarget, UnknownColumn
        NotFitted
            When ambient light is given to a model that did not learn the light alone.
        """

    @abstractmethod
    def invert_many(
        self,
        names: Sequence[str],
        targets: Array,
        *,
        samples: int = 500,
        seed: int = 0,
        ambient: Ambient | None = None,
    ) -> Solutions:
        """Return inputs that give many targets of the same outputs, in one call.

        The same numbers as :meth:`invert` gives one by one, but by the method's own answer alone: further ones are not
        looked for, nor what stands in the way of a target that cannot be met.

        Parameters
        ----------
        names : sequence of str
            Of the outputs, in any order.
        targets : ndarray, shape (n_targets, len(names))
            Counts at the reference exposure.
        ambient : Ambient, optional
            The same for all; see :meth:`invert`.

        Raises
        ------
        BadTarget
            When there is no target, or a row holds what is no finite number; the row is named, counted from 1.
        UnknownColumn, NotFitted
        """

    @abstractmethod
    def derivative(self, inputs: Array) -> Array:
        """Return d(outputs)/d(inputs) at one point, shape (n_outputs, n_inputs), in counts for the whole input.

        Parameters
        ----------
        inputs : ndarray, shape (n_inputs,)

        Raises
        ------
        BadTarget
        NoDerivative
            When the method's predictions go in steps.
        """

    @abstractmethod
    def sensitivity(self, solution: Solution, *, ambient: Ambient | None = None) -> Sensitivity:
        """Return how an answer's inputs move with each output of its target, in the ambient light it was asked for in.

        Raises
        ------
        NoDerivative, NotFitted
        """

    @abstractmethod
    def noise(self, names: Sequence[str]) -> Array:
        """Return the standard deviation of readings about the predictions, in counts, shape (len(names),)."""

    @abstractmethod
    def recover(self, names: Sequence[str], targets: Array, *, samples: int = 500, seed: int = 0) -> Posterior:
        """Return the inputs for many targets, shape (n_targets, len(names)), in one call."""

    @abstractmethod
    def recover_in(
        self, names: Sequence[str], targets: Array, ambient: Sequence[Ambient], *, samples: int = 500, seed: int = 0
    ) -> Posterior:
        """Return the inputs for many targets, each under ambient light of its own. Raises NotFitted."""

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

    @abstractmethod
    def packed(self) -> tuple[dict[str, Any], dict[str, bytes]]:
        """Return the manifest and the files' contents that :func:`~retrolux.models.storage.write` writes."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Self:
        """Read a saved model. Raises ModelUnreadable."""
