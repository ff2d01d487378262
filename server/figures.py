"""Numbers with their uncertainty, and what repeats, sweeps and references tell."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]
ROUNDING = 1 / 12
"""Variance of a count's rounding, in counts squared; a mean of equal counts is no surer than that."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that was found by measuring.

    Attributes
    ----------
    value : float
    se : float or None
        Its standard error; None where the readings do not tell.
    df : float
        Degrees of freedom of the standard error.
    n : int
        Readings that it rests on.
    """

    value: float
    se: float | None
    df: float
    n: int

    def to_json(self) -> dict[str, Any]:
        """Return the figure as it stands in a report."""
        return asdict(self)


def mean_of(values: Array, floor: float = 0.0) -> Figure:
    """Return the mean of independent values; ``floor`` is the least variance of the mean."""
    n = len(values)
    spread = float(np.sqrt(np.var(values, ddof=1) / n + floor)) if n > 1 else None
    return Figure(float(np.mean(values)), spread, max(n - 1, 1), n)


def deviation_of(value: float, df: float, n: int) -> Figure:
    """Return a standard deviation or a root mean square; of normal values its error is value / sqrt(2 df)."""
    return Figure(value, value / float(np.sqrt(2 * df)), df, n)


def share_of(hits: float, n: int) -> Figure:
    """Return a share of n; its error by Agresti and Coull: two hits and two misses more, so that 0 and 1 have one."""
    likely = (hits + 2) / (n + 4)
    return Figure(hits / n, float(np.sqrt(likely * (1 - likely) / (n + 4))), max(n - 1, 1), n)


def repeatability(blocks: Sequence[Array]) -> dict[str, Any] | None:
    """Return how well a setting repeats, within a block and from block to block.

    Parameters
    ----------
    blocks : sequence of ndarray
        Counts of each block.

    Returns
    -------
    dict or None
        ``mean``: of the blocks' means; ``within``: pooled standard deviation of a reading about its block's mean;
        ``between``: what is left of the scatter of the blocks' means (one-way analysis of variance, not below 0);
        both also in percent of the mean. None for fewer than two blocks of two.
    """
    whole = [b for b in blocks if len(b) > 1]
    if len(whole) < 2:
        return None
    means, sizes = np.array([b.mean() for b in whole]), np.array([len(b) for b in whole])
    df, n = int(sizes.sum() - len(whole)), int(sizes.sum())
    within = float(np.sqrt(sum(((b - b.mean()) ** 2).sum() for b in whole) / df))
    between = float(np.sqrt(max(np.var(means, ddof=1) - within**2 / sizes.mean(), 0.0)))
    level = mean_of(means, ROUNDING)
    percent = 100 / level.value if level.value else 0.0
    return {
        "mean": Figure(level.value, level.se, level.df, n).to_json(),
        "within": within,
        "within_percent": deviation_of(within * percent, df, n).to_json(),
        "between": between,
        "between_percent": between * percent,
        "blocks": len(whole),
    }


def drift(times: Array, values: Array) -> dict[str, Any] | None:
    """Return the slope of a reference's counts with time, seconds; None for fewer than three readings."""
    if len(values) < 3 or np.ptp(times) == 0:
        return None
    line, level = stats.linregress(times / 3600, values), float(values.mean())
    error = float(line.stderr) if np.ptp(values) else 0.0  # undefined of equal counts
    slope = Figure(float(line.slope), error, len(values) - 2, len(values))
    return {
        "counts_per_hour": slope.to_json(),
        "percent_per_hour": 100 * slope.value / level if level else None,
        "span_percent": 100 * float(np.ptp(values)) / level if level else None,
        "mean": level,
    }


def response(names: Sequence[str], inputs: Array, counts: Array) -> dict[str, Any] | None:
    """Return what each input adds to a channel, by least squares over readings in which all inputs vary.

    Parameters
    ----------
    names : sequence of str
        Of the inputs.
    inputs, counts : ndarray, shapes (n, len(names)) and (n,)

    Returns
    -------
    dict or None
        ``offset`` and, under ``slopes``, each input's counts at full duty; ``scatter``: standard deviation of the
        residuals in counts. None for fewer readings than twice the unknowns, or inputs that do not vary.
    """
    table = np.column_stack([np.ones(len(counts)), inputs])
    df = len(table) - table.shape[1]
    if len(table) < 2 * table.shape[1] or np.linalg.matrix_rank(table) < table.shape[1]:
        return None
    found, *_ = np.linalg.lstsq(table, counts)
    residuals = counts - table @ found
    noise = float(residuals @ residuals) / df
    errors = np.sqrt(noise * np.diag(np.linalg.inv(table.T @ table)))
    each = [Figure(float(v), float(e), df, len(table)).to_json() for v, e in zip(found, errors, strict=True)]
    slopes = dict(zip(names, each[1:], strict=True))
    return {"offset": each[0], "slopes": slopes, "scatter": float(np.sqrt(noise)), "n": len(table)}


def linearity(duties: Array, counts: Array) -> dict[str, Any] | None:
    """Return the straight line through a sweep below full duty, and by how much full duty lies above it.

    Returns
    -------
    dict or None
        ``slope`` and ``offset`` in counts; ``r2``; ``largest_residual`` in counts and in percent of the slope;
        ``step``: (mean counts at duty 1 − line at 1) / slope, in input units, None without readings at duty 1.
        None for fewer than three duties below 1, or where the counts do not follow the duty.
    """
    below = duties < 1
    x, y = duties[below], counts[below]
    if len(np.unique(x)) < 3:
        return None
    line = stats.linregress(x, y)
    if line.slope <= 0:
        return None
    largest = float(np.abs(y - line.intercept - line.slope * x).max())
    return {
        "slope": Figure(float(line.slope), float(line.stderr), len(x) - 2, len(x)).to_json(),
        "offset": float(line.intercept),
        "r2": float(line.rvalue**2),
        "largest_residual": largest,
        "largest_residual_percent": 100 * largest / float(line.slope),
        "step": _step(x, y, counts[~below]),
    }


def _step(x: Array, y: Array, full: Array) -> dict[str, Any] | None:
    """Return the step at full duty; its error is that of the full readings' mean and of the line at 1."""
    if not len(full):
        return None
    line = stats.linregress(x, y)
    residuals = y - line.intercept - line.slope * x
    noise = float(residuals @ residuals) / (len(x) - 2)
    leverage = 1 / len(x) + (1 - x.mean()) ** 2 / ((x - x.mean()) ** 2).sum()
    step = (full.mean() - line.intercept - line.slope) / line.slope
    se = np.sqrt(noise * (leverage + 1 / len(full))) / line.slope
    return Figure(float(step), float(se), len(x) - 2, len(full)).to_json()
