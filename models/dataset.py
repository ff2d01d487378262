"""Readings as arrays: named columns, counts at the reference exposure, saturated cells marked."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Dataset:
    """Columns of inputs and outputs.

    Attributes
    ----------
    inputs : ndarray, shape (n_rows, n_inputs)
    outputs : ndarray, shape (n_rows, n_outputs)
        Counts at the reference exposure (gain 128, 280.78 ms).
    saturated : ndarray of bool, shape (n_rows, n_outputs)
        Cells at the sensor's ceiling: the true value is at least what stands there.
    input_names, output_names : tuple of str
    """

    inputs: NDArray[np.float64]
    outputs: NDArray[np.float64]
    saturated: NDArray[np.bool_]
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]

    @classmethod
    def from_records(
        cls,
        records: Iterable[Mapping[str, Any]],
        *,
        input_names: tuple[str, ...] | None = None,
        gain_ratios: Mapping[float, float] | None = None,
    ) -> Self:
        """Build the columns from records of the log (design: the record). Raises BadData, MixedSettings."""
        raise NotImplementedError
