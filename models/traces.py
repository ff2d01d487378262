"""What a reading leaves beside a straight line, and how it differs from its neighbours in the same sitting."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrolux.models.dataset import Dataset

Array = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass(frozen=True, eq=False, slots=True)
class Rows:
    """The readings of two logs, one below the other.

    Attributes
    ----------
    data : Dataset
    second : ndarray of bool, shape (n_rows,)
        Whether a reading is of the second log.
    times : ndarray, shape (n_rows,)
        Seconds since 1970.
    sitting : ndarray of int, shape (n_rows,)
        Counted from 0, the same for readings of both logs at the same time.
    """

    data: Dataset
    second: NDArray[np.bool_]
    times: Array
    sitting: Index

    @property
    def block(self) -> Index:
        """Number of the stretch of readings of one log in one sitting, 2 × sitting + log; shape (n_rows,)."""
        return 2 * self.sitting + self.second

    @property
    def n_blocks(self) -> int:
        """Number of such stretches, empty ones included."""
        return 2 * (int(self.sitting.max()) + 1)


@dataclass(frozen=True, eq=False, slots=True)
class Traces:
    """Residuals of readings from the straight line that both logs share; NaN where a cell is saturated.

    Attributes
    ----------
    within : ndarray, shape (n_rows, n_channels)
        Counts relative to the mean residual of the reading's own log in its sitting.
    offset : ndarray, shape (n_blocks, n_channels)
        That mean, relative to the mean of both logs in the sitting, or to that of all where one log was not there.
    step : ndarray, shape (n_rows, n_channels)
        Change of ``within`` since the previous reading of the same log in the same sitting.
    bend : ndarray, shape (n_rows, n_channels)
        Difference to the mean of the reading before and the reading after.
    signal : ndarray, shape (n_rows, n_channels)
        What the shared line gives for the inputs, in counts, at least 1.
    """

    within: Array
    offset: Array
    step: Array
    bend: Array
    signal: Array


def traces(rows: Rows) -> Traces:
    """Return what the readings leave beside the straight line of least squares through both logs.

    The line has the slopes of all readings and an offset for each sitting, both logs together. It treats them alike,
    so that it cannot give away which of the two a reading is of.
    """
    slope = _slopes(rows)
    lit = rows.data.inputs @ slope
    residual = np.where(rows.data.saturated, np.nan, rows.data.outputs - lit)
    grand = _means(residual, np.zeros(len(residual), dtype=np.intp), 1)
    own = _means(residual, rows.block, rows.n_blocks)
    readings = np.bincount(rows.block, minlength=rows.n_blocks).reshape(-1, 2)
    both = readings.min(axis=1, keepdims=True) > 0
    base = np.where(both, _means(residual, rows.sitting, rows.n_blocks // 2), grand)
    within = residual - own[rows.block]
    step, bend = _steps(rows, within)
    return Traces(within, own - np.repeat(base, 2, axis=0), step, bend, np.maximum(lit + grand, 1))


def _slopes(rows: Rows) -> Array:
    """Return counts per unit of each input, shape (n_inputs, n_channels), by least squares on unsaturated cells."""
    design = np.hstack([rows.data.inputs, np.eye(rows.n_blocks // 2)[rows.sitting]])
    slopes = np.zeros((rows.data.inputs.shape[1], rows.data.outputs.shape[1]))
    for channel, good in enumerate(~rows.data.saturated.T):
        found = np.linalg.lstsq(design[good], rows.data.outputs[good, channel], rcond=None)[0]
        slopes[:, channel] = found[: len(slopes)]
    return slopes


def _means(values: Array, group: Index, n_groups: int) -> Array:
    """Return the mean of each group's values without the NaN, 0 where there is none; shape (n_groups, n_columns)."""
    sums, counts = np.zeros((2, n_groups, values.shape[1]))
    np.add.at(sums, group, np.nan_to_num(values))
    np.add.at(counts, group, np.isfinite(values))
    return sums / np.maximum(counts, 1)


def _steps(rows: Rows, within: Array) -> tuple[Array, Array]:
    """Return the change since the previous reading, and the departure from the line between the two neighbours."""
    order = np.lexsort([rows.times, rows.block])
    same = np.diff(rows.block[order]) == 0
    before, after = order[:-1][same], order[1:][same]
    step, ahead = np.full((2, *within.shape), np.nan)
    step[after] = within[after] - within[before]
    ahead[before] = step[after]
    return step, (step - ahead) / 2
