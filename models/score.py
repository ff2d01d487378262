"""How good recovered inputs are: errors, intervals, and where the one is large and the other wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import r2_score, root_mean_squared_error

from retrolux.models.dataset import Dataset
from retrolux.models.model import Array, Posterior
from retrolux.models.sittings import sittings

NINETY = 3.29  # standard deviations that a normal distribution's 90 % interval is wide
RESAMPLED = 1000
TENTHS = 10
SURE = 1e-9  # standard deviation of an input that is certain, as one that is off
DUTIES = (0.25, 0.5, 0.75)

Rows = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Score:
    """What one method reached; one number an input where a mapping.

    Attributes
    ----------
    rmse : mapping of str to float
        Root of the mean squared error, in the input's own unit.
    r2 : mapping of str to float or None
        Coefficient of determination; None for an input that does not vary, which has none.
    coverage90 : mapping of str to float
        Share of the true inputs inside the 90 % interval.
    coverage90_together : float
        Share of the true inputs inside the 90 % ellipsoid.
    width : mapping of str to float or None
        Mean width of that interval over 3.29 RMSE: 1 for intervals of errors that are normal.
    crps : mapping of str to float
        Mean continuous ranked probability score, in input units: of a normal distribution with the posterior's mean and
        standard deviation (Gneiting & Raftery, 2007, section 4.2). Smaller is better.
    pit : mapping of str to list of float
        Shares of the ten equal parts in which that distribution's probability of what is below the truth lies; 0.1 each
        where it is calibrated.
    rmse_between, rmse_at_ends : mapping of str to float, or None
        Of readings whose inputs are all between 0 and 1, and of those with an input at an end; None where there are
        none.
    rmse_new : mapping of str to float, or None
        Of readings of settings that were not learnt from.
    rmse_range, coverage_range : mapping of str to (float, float), or None
        95 % of resampled sittings; None where times do not say what sat together, or all did.
    coverage_by_duty : mapping of str to mapping of str to float
        Share inside the interval, by where the input lies.
    fit_seconds : float
        For everything that is fitted before the first question can be answered.
    invert_ms : float
        Milliseconds a reading.
    """

    rmse: Mapping[str, float]
    r2: Mapping[str, float | None]
    coverage90: Mapping[str, float]
    coverage90_together: float
    width: Mapping[str, float | None]
    crps: Mapping[str, float]
    pit: Mapping[str, list[float]]
    rmse_between: Mapping[str, float] | None
    rmse_at_ends: Mapping[str, float] | None
    rmse_new: Mapping[str, float] | None
    rmse_range: Mapping[str, tuple[float, float]] | None
    coverage_range: Mapping[str, tuple[float, float]] | None
    coverage_by_duty: Mapping[str, Mapping[str, float]]
    fit_seconds: float
    invert_ms: float

    def to_json(self) -> dict[str, Any]:
        """Return the score in the form that the command line prints."""
        return asdict(self)


def score(found: Posterior, unseen: Dataset, learnt: Array, fit_seconds: float, invert_ms: float) -> Score:
    """Compare what was recovered with the truth.

    Parameters
    ----------
    found : Posterior
        Of each reading.
    unseen : Dataset
    learnt : ndarray, shape (n_rows, n_inputs)
        Inputs of the readings that were learnt from.
    """
    true, names, unit = unseen.inputs, unseen.input_names, unseen.scale.width
    missed, inside = (found.mean - true) * unit, (found.low <= true) & (true <= found.high)
    rmse = unit * root_mean_squared_error(true, found.mean, multioutput="raw_values")
    at_ends: Rows = np.any((true <= 0) | (true >= 1), axis=1)
    seen = {row.tobytes() for row in learnt + 0.0}  # + 0 makes −0 of it 0
    new: Rows = np.array([row.tobytes() not in seen for row in true + 0.0])
    spread = np.maximum(found.std, SURE) * unit
    wide = (found.high - found.low).mean(axis=0) * unit
    blocks = _blocks(unseen)
    return Score(
        rmse=named(names, rmse),
        r2={name: _determination(t, f) for name, t, f in zip(names, true.T, found.mean.T, strict=True)},
        coverage90=named(names, inside.mean(axis=0)),
        coverage90_together=float((found.outside(true) <= 1).mean()),
        width={n: float(w / NINETY / r) if r > 0 else None for n, w, r in zip(names, wide, rmse, strict=True)},
        crps=named(names, _crps(missed, spread)),
        pit=dict(zip(names, _pit(missed, spread), strict=True)),
        rmse_between=_rmse_of(missed, ~at_ends, names),
        rmse_at_ends=_rmse_of(missed, at_ends, names),
        rmse_new=_rmse_of(missed, new, names),
        rmse_range=_range(missed**2, blocks, names, root=True),
        coverage_range=_range(inside.astype(float), blocks, names, root=False),
        coverage_by_duty={n: _by_duty(x, i) for n, x, i in zip(names, true.T, inside.T, strict=True)},
        fit_seconds=fit_seconds,
        invert_ms=invert_ms,
    )


def named(names: Sequence[str], values: Array) -> dict[str, float]:
    """Return values by name."""
    return dict(zip(names, np.asarray(values).tolist(), strict=True))


def _crps(missed: Array, std: Array) -> Array:
    z = missed / std
    each = std * (z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.sqrt(np.pi))
    return np.asarray(each.mean(axis=0))


def _pit(missed: Array, std: Array) -> list[list[float]]:
    below = stats.norm.cdf(-missed / std)
    parts = np.clip((below * TENTHS).astype(int), 0, TENTHS - 1)
    return [[float((column == part).mean()) for part in range(TENTHS)] for column in parts.T]


def _determination(true: Array, found: Array) -> float | None:
    return float(r2_score(true, found)) if np.ptp(true) > 0 else None


def _rmse_of(missed: Array, rows: Rows, names: Sequence[str]) -> dict[str, float] | None:
    return named(names, np.sqrt((missed[rows] ** 2).mean(axis=0))) if rows.any() else None


def _blocks(unseen: Dataset) -> list[NDArray[np.intp]]:
    """Return the readings of each sitting, by index."""
    if unseen.times is None:
        return []
    (sitting,) = sittings(unseen.times)
    return [np.flatnonzero(sitting == k) for k in np.unique(sitting)]


def _range(
    values: Array, blocks: Sequence[NDArray[np.intp]], names: Sequence[str], *, root: bool
) -> dict[str, tuple[float, float]] | None:
    """Return between what the mean of values lies when sittings are drawn again, with replacement."""
    if len(blocks) < 2:
        return None
    sums, sizes = np.array([values[b].sum(axis=0) for b in blocks]), np.array([len(b) for b in blocks])
    drawn = np.random.default_rng(0).integers(0, len(blocks), (RESAMPLED, len(blocks)))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)[:, None]
    low, high = np.quantile(np.sqrt(means) if root else means, (0.025, 0.975), axis=0)
    return {name: (float(a), float(b)) for name, a, b in zip(names, low, high, strict=True)}


def _by_duty(duty: Array, inside: Rows) -> dict[str, float]:
    """Return the share inside at 0, between, and at 1; of parts in which there are readings."""
    edges = [0.0, *DUTIES, 1.0]
    parts = {"0": duty <= 0, "1": duty >= 1}
    for low, high in pairwise(edges):
        parts[f"{low:g}–{high:g}"] = (duty > 0) & (duty < 1) & (duty >= low) & (duty < high)
    return {name: float(inside[rows].mean()) for name, rows in sorted(parts.items()) if rows.any()}
