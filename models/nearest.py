"""The inputs within their bounds whose outputs come nearest to a target."""

from dataclasses import dataclass
from itertools import islice, product

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import lsq_linear

from retrolux.models.forward import Forward
from retrolux.models.posterior import Array

LIKELY = 0.05  # p-value from which a target counts as attainable
FARTHEST = 2.7  # of its own scatter that a single output may be missed by, however many there are
ROUNDING = 12**-0.5  # counts: no noise takes a reading beyond what can be read
_ROUNDS = 12
_NEAR_END = 0.03
_GAIN = 1e-3  # of the squared distance: what is worth another round


@dataclass(frozen=True, eq=False)
class Nearest:
    """A setting, and how far from the target it stays.

    Attributes
    ----------
    x : ndarray, shape (n_inputs,)
    squared : float
        Squared Mahalanobis distance.
    p : float
    met : bool
    """

    x: Array
    squared: float
    p: float
    met: bool


def at(forward: Forward, target: Array, x: Array, outputs: Array | None = None) -> Nearest:
    """Return how far from the target a setting stays, whose expected outputs may be known."""
    there = forward.predict(x[None])[0] if outputs is None else outputs
    miss, beyond, covariance = _miss(forward, target, there), _beyond(forward, target), forward.covariance(x, there)
    white = np.linalg.solve(_root(covariance), miss)
    squared = float(white @ white + beyond @ beyond)
    p = _p_value(squared, _free_degrees(forward, target, x, miss), forward.dof)
    worst = max(np.abs(miss / np.sqrt(np.diag(covariance))).max(), np.abs(beyond).max())
    return Nearest(x, squared, p, bool(p >= LIKELY and worst <= FARTHEST))


def nearest(forward: Forward, target: Array, start: Array) -> Nearest:
    """Return the setting in [0, 1] whose outputs come nearest to the target, in the metric of their scatter.

    Gauss-Newton within bounds, from where it is told to start, then from the nearest of the cloud, the scatter taken
    where it stands; then the ends nearby, at which a response may have steps.
    """
    found = descended(forward, target, start)
    if found.met:
        return found
    found = min(found, descended(forward, target, _closest(forward, target)), key=lambda one: one.squared)
    if found.met:
        return found
    ends = [descended(forward, target, x, (x > 0) & (x < 1)) for x in _ends(found.x)]
    return min([found, *ends], key=lambda one: one.squared)


def descended(forward: Forward, target: Array, x: Array, free: NDArray[np.bool_] | None = None) -> Nearest:
    """Return the setting that comes nearest to the target about one where the search begins.

    Only inputs that are free move, by default all.
    """
    best = at(forward, target, x)
    for _ in range(_ROUNDS):
        if best.squared < _GAIN:
            break
        step = _step(forward, target, best.x, np.ones(len(x), dtype=bool) if free is None else free)
        tried = (at(forward, target, np.clip(best.x + part * step, 0, 1)) for part in (1.0, 0.5, 0.2, 0.05))
        better = next((one for one in tried if one.squared < (1 - _GAIN) * best.squared), None)
        if better is None:
            break
        best = better
    return best


def _step(forward: Forward, target: Array, x: Array, free: NDArray[np.bool_]) -> Array:
    """Return the step that a line through x asks for, within the bounds; what it leaves open stays."""
    there = forward.predict(x[None])[0]
    miss = _miss(forward, target, there)
    slopes = np.where(_satisfied(forward, target, miss)[:, None] | ~free, 0.0, forward.slopes(x))
    white = np.linalg.solve(_root(forward.covariance(x, there)), np.column_stack([slopes, -miss]))
    jacobian = white[:, :-1]
    held = 1e-6 * max(float(np.abs(jacobian).max()), 1e-300) * np.eye(len(x))
    wanted = np.concatenate([white[:, -1], np.zeros(len(x))])
    bounds = -x - 1e-12, 1 - x + 1e-12
    found = lsq_linear(np.vstack([jacobian, held]), wanted, bounds=bounds, method="bvls").x
    return np.where(free, found, 0.0)


def _closest(forward: Forward, target: Array) -> Array:
    """Return which of the cloud comes nearest, by the scatter at the nearest of them in shares of their range."""
    outputs = forward.cloud_outputs
    miss = _miss(forward, target, outputs)
    first = int(np.argmin(np.square(miss / np.maximum(np.ptp(outputs, axis=0), 1e-12)).sum(axis=1)))
    white = np.linalg.solve(_root(forward.covariance(forward.cloud[first], outputs[first])), miss.T)
    return np.asarray(forward.cloud[int(np.argmin((white**2).sum(axis=0)))])


def _miss(forward: Forward, target: Array, outputs: Array) -> Array:
    """Return by how much outputs miss what can be read of the target; the ceiling asks for at least that much."""
    wanted = np.clip(target, forward.floor, forward.ceiling)
    miss: Array = outputs - wanted
    return np.where(wanted >= forward.ceiling, np.minimum(miss, 0.0), miss)


def _satisfied(forward: Forward, target: Array, miss: Array) -> NDArray[np.bool_]:
    """Return which outputs are at least at the ceiling, as is wanted of them."""
    return np.asarray((target >= forward.ceiling) & (miss >= 0))


def _beyond(forward: Forward, target: Array) -> Array:
    """Return by how much the target is more or less than can be read, in units of a count's rounding."""
    return np.asarray((target - np.clip(target, forward.floor, forward.ceiling)) / ROUNDING)


def _free_degrees(forward: Forward, target: Array, x: Array, miss: Array) -> int:
    """Return how many outputs there are beyond the inputs that can still move, at least one."""
    free = int(((x > 1e-6) & (x < 1 - 1e-6)).sum())
    told = len(target) - int(_satisfied(forward, target, miss).sum())
    return max(told - free, 1)


def _p_value(squared: float, degrees: int, dof: float) -> float:
    """Return how likely a squared distance as large is, when its metric was estimated (Hotelling's T²)."""
    left = max(dof - degrees + 1, 1.0)
    return float(stats.f.sf(squared * left / (dof * degrees), degrees, left))


def _ends(x: Array) -> list[Array]:
    """Return the settings beside x with inputs that are nearly off or fully on so exactly."""
    end = np.round(x)
    near = (np.abs(x - end) < _NEAR_END).tolist()
    choices = [[v, e] if close and v != e else [e if close else v] for v, e, close in zip(x, end, near, strict=True)]
    return [one for one in map(np.array, islice(product(*choices), 64)) if ((one == 0) | (one == 1)).any()]


def _root(covariance: Array) -> Array:
    unit = np.sqrt(np.diag(covariance))
    scaled = covariance / np.outer(unit, unit) + 1e-12 * np.eye(len(unit))
    return np.asarray(unit[:, None] * np.linalg.cholesky(scaled))
