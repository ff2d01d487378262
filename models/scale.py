"""What columns are measured in: inputs' own units, and whether outputs are a sensor's counts."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from retrolux.models.errors import BadData

Array = NDArray[np.float64]
LARGE = 1e9  # from which powers of ten read better


@dataclass(frozen=True, eq=False)
class Scale:
    """Inputs between two ends each, which models see as 0 and 1.

    Arrays of inputs hold numbers from 0 to 1; wherever inputs have names they are in their own units. Of an instrument
    they are duties, and the two are the same.

    Attributes
    ----------
    low, high : ndarray, shape (n_inputs,) or (1,)
        The ends, in each input's own unit.
    counts : bool
        Whether outputs are counts of a sensor, at least 0, which saturates; else they may be any numbers.

    Raises
    ------
    BadData
        When an end is not finite, or the upper one is not above the lower.
    """

    DUTIES: ClassVar["Scale"]

    low: Array
    high: Array
    counts: bool = True

    def __post_init__(self) -> None:
        if not (np.isfinite(self.low).all() and np.isfinite(self.high).all() and (self.low < self.high).all()):
            ends = ", ".join(f"{low:g} … {high:g}" for low, high in zip(self.low, self.high, strict=True))
            raise BadData(f"An input's range is no range: {ends}.", "Give finite ends, the lower one first.")

    def __reduce__(self) -> str | tuple[Any, ...]:
        """Return how another process makes it again; that of an instrument is one and the same everywhere."""
        return "Scale.DUTIES" if self is Scale.DUTIES else (Scale, (self.low, self.high, self.counts))

    @property
    def width(self) -> Array:
        """From end to end, in each input's own unit."""
        return self.high - self.low

    def alike(self, other: "Scale") -> bool:
        """Return whether 0 and 1 mean the same of both, and outputs are of one kind."""
        low, high = ([float(x) for x in (a - b).ravel()] for a, b in ((self.low, other.low), (self.high, other.high)))
        return self.counts == other.counts and not any(low + high)

    def own(self, inputs: Array) -> Array:
        """Return inputs, shape (…, n_inputs), from [0, 1] to their own units; what is within stays within."""
        values = self.low + inputs * self.width
        return np.asarray(np.where((inputs >= 0) & (inputs <= 1), np.clip(values, self.low, self.high), values))

    def scaled(self, values: Array) -> Array:
        """Return inputs, shape (…, n_inputs), from their own units to [0, 1]; what is within stays within."""
        return np.asarray((values - self.low) / self.width)

    def ends(self, i: int) -> tuple[float, float]:
        """Return the ends of one input, in its own unit."""
        low, high = (np.broadcast_to(end, max(len(end), i + 1)) for end in (self.low, self.high))
        return float(low[i]), float(high[i])

    def amount(self, value: float) -> str:
        """Return an output's value in words: whole counts, or any other number by :func:`plain`."""
        return f"{value:.0f}" if self.counts else plain(value)

    def setting(self, value: float) -> str:
        """Return an input's value in words: three digits of a duty, or any other number by :func:`plain`."""
        return f"{value:.3g}" if self.counts else plain(value)

    @property
    def unit(self) -> str:
        """What follows an output's value in words."""
        return " counts" if self.counts else ""

    @classmethod
    def enclosing(cls, *inputs: Array) -> Self:
        """Return the scale of a table, whose ends are the least and largest values of rows, shape (n_rows, n_inputs).

        An input that never varies has no width of its own: it is given that of 1.
        """
        low, high = (np.array([end(column) for column in np.vstack(inputs).T]) for end in (np.min, np.max))
        return cls(low, np.where(high > low, high, low + 1.0), counts=False)


def plain(value: float) -> str:
    """Return a number of any unit with four digits, or all before its point: 1487, not 1.487e+03."""
    return f"{value:.0f}" if 1e4 <= abs(value) < LARGE else f"{value:.4g}"


Scale.DUTIES = Scale(np.zeros(1), np.ones(1))
