"""Whether an answer can be trusted: does it reach the target, and did the model see readings like it?"""

from collections.abc import Sequence

import numpy as np
from scipy import stats

from retrolux.models.exposure import CEILING
from retrolux.models.model import Array

_CONFIDENCE = 0.999
_CLOSE = 0.01  # of the target: a miss that nobody minds
_VAGUE = 0.2  # standard deviation of an input above which the target hardly determines it


def covariance(residuals: Array, lost: int) -> Array:
    """Return the covariance of residuals, shape (n_rows, n_columns), when ``lost`` degrees of freedom went."""
    scale = np.maximum(np.abs(residuals).max(axis=0), 1.0)
    matrix = (residuals / scale).T @ (residuals / scale) / max(len(residuals) - lost, 1)
    return np.asarray(np.outer(scale, scale) * (matrix + 1e-12 * np.eye(len(scale))))


def distance(points: Array, centre: Array, scatter: Array) -> Array:
    """Return squared Mahalanobis distances of rows to a centre."""
    unit = np.sqrt(np.diag(scatter))
    z = (points - centre) / unit
    inverse = np.linalg.pinv(scatter / np.outer(unit, unit), hermitian=True)
    return np.asarray(np.einsum("ri,ij,rj->r", z, inverse, z))


def misses(names: Sequence[str], target: Array, reached: Array, scatter: Array) -> list[str]:
    """Return, in words, which outputs miss the target by more than scatter and 1 %; nothing when it is reached."""
    miss = reached - target
    if np.all(np.abs(miss) <= _CLOSE * np.abs(target)):
        return []
    if distance(reached[None], target, scatter)[0] <= stats.chi2.ppf(_CONFIDENCE, len(target)):
        return []
    worst = np.abs(miss) > np.maximum(_CLOSE * np.abs(target), 3 * np.sqrt(np.diag(scatter)))
    if not worst.any():  # together unlikely, none alone
        worst = np.abs(miss) == np.abs(miss).max()
    return [_miss(*row) for row, bad in zip(zip(names, target, reached, strict=True), worst, strict=True) if bad]


def strangeness(inputs: dict[str, float], seen: Array, target: Array, outputs: Array) -> list[str]:
    """Return, in words, what sets an answer apart from the readings; nothing when it lies among them.

    Parameters
    ----------
    seen : ndarray, shape (n_rows, n_inputs)
        The readings' inputs.
    outputs : ndarray, shape (n_rows, n_targets)
        The readings' outputs in the target's columns.
    """
    low, high = seen.min(axis=0), seen.max(axis=0)
    slack = 0.02 * (high - low)
    words = [
        f"{name} = {value:.3g} lies outside the readings, {low[i]:.3g} … {high[i]:.3g}."
        for i, (name, value) in enumerate(inputs.items())
        if not low[i] - slack[i] <= value <= high[i] + slack[i]
    ]
    centre, scatter = outputs.mean(axis=0), covariance(outputs - outputs.mean(axis=0), 1)
    limit = max(stats.chi2.ppf(_CONFIDENCE, len(target)), 1.1 * distance(outputs, centre, scatter).max())
    if distance(target[None], centre, scatter)[0] > limit:
        words.append("The target is unlike every reading: its outputs do not occur together.")
    return words


def remarks(inputs: dict[str, float], std: Array, predicted: dict[str, float]) -> list[str]:
    """Return what else a person should know of an answer."""
    vague = [name for name, s in zip(inputs, std, strict=True) if s > _VAGUE]
    over = [name for name, counts in predicted.items() if counts >= CEILING]
    words = [f"The target hardly determines {', '.join(vague)}: see the interval."] if vague else []
    if over:
        words.append(f"At the reference exposure {', '.join(over)} would saturate (above {CEILING} counts).")
    return words


def _miss(name: str, target: float, reached: float) -> str:
    return f"{name}: {target:.0f} counts cannot be reached; the nearest is {reached:.0f} ({reached - target:+.0f})."
