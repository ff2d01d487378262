"""The inputs within their bounds whose outputs come nearest to a target."""

from dataclasses import dataclass
from itertools import islice, product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from retrolux.models.boxed import boxed
from retrolux.models.forward import Forward
from retrolux.models.posterior import Array

LIKELY = 0.05  # p-value from which a target counts as attainable
FARTHEST = 2.7  # of its own scatter that a single output may be missed by, however many there are
ROUNDING = 12**-0.5  # counts: no noise takes a reading beyond what can be read
_ROUNDS = 12
_NEAR_END = 0.03
_GAIN = 1e-3  # of the squared distance: what is worth another round
_PARTS = (1.0, 0.5, 0.2, 0.05)  # of a step that are tried
_TOGETHER = 200  # targets that are compared with the whole cloud at once

Cells = NDArray[np.bool_]
Indices = NDArray[np.intp]


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


@dataclass(frozen=True, eq=False)
class Rows:
    """Settings, one for each of many targets, and how far from their targets they stay.

    Attributes
    ----------
    x : ndarray, shape (n_targets, n_inputs)
    outputs : ndarray, shape (n_targets, n_outputs)
        What is expected there.
    squared, p : ndarray, shape (n_targets,)
    met : ndarray of bool, shape (n_targets,)
    miss : ndarray, shape (n_targets, n_outputs)
        By how much the outputs miss what can be read of the targets.
    unit, root : ndarray, shapes (n_targets, n_outputs) and (n_targets, n_outputs, n_outputs)
        Of the scatter there: standard deviations, and a root of the correlations.
    """

    x: Array
    outputs: Array
    squared: Array
    p: Array
    met: Cells
    miss: Array
    unit: Array
    root: Array

    def take(self, rows: Indices | Cells) -> "Rows":
        """Return some of them."""
        return Rows(*(part[rows] for part in self._parts))

    def copied(self) -> "Rows":
        """Return a copy, to be changed."""
        return Rows(*(part.copy() for part in self._parts))

    def put(self, rows: Indices, others: "Rows") -> None:
        """Replace some of them."""
        for own, other in zip(self._parts, others._parts, strict=True):
            own[rows] = other

    @property
    def _parts(self) -> tuple[NDArray[Any], ...]:
        return self.x, self.outputs, self.squared, self.p, self.met, self.miss, self.unit, self.root

    def first(self) -> Nearest:
        """Return the first of them."""
        return Nearest(self.x[0], float(self.squared[0]), float(self.p[0]), bool(self.met[0]))


def at(forward: Forward, target: Array, x: Array) -> Nearest:
    """Return how far from the target a setting stays."""
    return rows_at(forward, target[None], x[None]).first()


def nearest(forward: Forward, target: Array, start: Array) -> Nearest:
    """Return the setting in [0, 1] whose outputs come nearest to the target; see :func:`rows_nearest`."""
    return rows_nearest(forward, target[None], rows_at(forward, target[None], start[None])).first()


def descended(forward: Forward, target: Array, x: Array) -> Nearest:
    """Return the setting that comes nearest to the target about one where the search begins."""
    return rows_descended(forward, target[None], rows_at(forward, target[None], x[None])).first()


def rows_at(forward: Forward, targets: Array, x: Array) -> Rows:
    """Return how far from its target each setting stays, shapes (n_targets, n_outputs) and (n_targets, n_inputs)."""
    outputs = forward.predict(x)
    wanted = np.minimum(np.maximum(targets, forward.floor), forward.ceiling)
    miss, beyond = _miss(forward, wanted, outputs), (targets - wanted) / ROUNDING
    unit, root = _root(forward.covariance(x, outputs))
    if len(unit) < len(x):  # the same everywhere
        unit, root = np.repeat(unit, len(x), axis=0), np.repeat(root, len(x), axis=0)
    white = np.linalg.solve(root, (miss / unit)[:, :, None])[:, :, 0]
    squared = (white * white).sum(axis=1) + (beyond * beyond).sum(axis=1)
    p = _p_value(squared, _free_degrees(forward, targets, x, miss), forward.dof)
    worst = np.maximum(np.abs(miss / unit), np.abs(beyond)).max(axis=1)
    return Rows(x, outputs, squared, p, (p >= LIKELY) & (worst <= FARTHEST), miss, unit, root)


def rows_nearest(forward: Forward, targets: Array, start: Rows) -> Rows:
    """Return the settings in [0, 1] whose outputs come nearest to their targets, in the metric of their scatter.

    Gauss-Newton within bounds, from where it is told to start, then from the nearest of the cloud, the scatter taken
    where it stands; then the ends nearby, at which a response may have steps.
    """
    found = rows_descended(forward, targets, start)
    missed = np.flatnonzero(~found.met)
    if len(missed):
        begin = rows_at(forward, targets[missed], _closest(forward, targets[missed]))
        _keep_better(found, missed, rows_descended(forward, targets[missed], begin))
        missed = missed[~found.met[missed]]
    if len(missed):
        _try_ends(forward, targets, found, missed)
    return found


def rows_descended(forward: Forward, targets: Array, start: Rows, free: Cells | None = None) -> Rows:
    """Return the settings that come nearest to their targets about those where the search begins.

    Only inputs that are free move, by default all.
    """
    free = np.ones(start.x.shape, dtype=bool) if free is None else free
    best = start.copied()
    moving = np.flatnonzero(best.squared >= _GAIN)
    for _ in range(_ROUNDS):
        if not len(moving):
            break
        step = _step(forward, targets[moving], best.take(moving), free[moving])
        better = _stepped(forward, targets, best, moving, step)
        moving = moving[better & (best.squared[moving] >= _GAIN)]
    return best


def _stepped(forward: Forward, targets: Array, best: Rows, moving: Indices, step: Array) -> Cells:
    """Move each setting by the first part of its step that brings it nearer; return which were moved."""
    better = np.zeros(len(moving), dtype=bool)
    for part in _PARTS:
        left = np.flatnonzero(~better)
        if not len(left):
            break
        rows = moving[left]
        x = np.minimum(np.maximum(best.x[rows] + part * step[left], 0.0), 1.0)
        tried = rows_at(forward, targets[rows], x)
        gained = tried.squared < (1 - _GAIN) * best.squared[rows]
        best.put(rows[gained], tried.take(gained))
        better[left] = gained
    return better


def _keep_better(found: Rows, rows: Indices, others: Rows) -> None:
    gained = others.squared < found.squared[rows]
    found.put(rows[gained], others.take(gained))


def _try_ends(forward: Forward, targets: Array, found: Rows, missed: Indices) -> None:
    """Try the ends near each of some settings, and keep what comes nearer."""
    ends = [_ends(x) for x in found.x[missed]]
    whose = np.repeat(missed, [len(each) for each in ends])
    if not len(whose):
        return
    begin = rows_at(forward, targets[whose], np.array([x for each in ends for x in each]))
    tried = rows_descended(forward, targets[whose], begin, (begin.x > 0) & (begin.x < 1))
    order = np.lexsort((tried.squared, whose))
    first = order[np.unique(whose[order], return_index=True)[1]]
    _keep_better(found, whose[first], tried.take(first))


def _step(forward: Forward, targets: Array, there: Rows, free: Cells) -> Array:
    """Return the steps that lines through settings ask for, within the bounds; what they leave open stays."""
    x, n = there.x, there.x.shape[1]
    still = _satisfied(forward, targets, there.miss)[:, :, None] | ~free[:, None, :]
    both = np.concatenate([np.where(still, 0.0, forward.slopes(x)), -there.miss[:, :, None]], axis=2)
    white = np.linalg.solve(there.root, both / there.unit[:, :, None])
    jacobian = white[:, :, :-1]
    held = 1e-6 * np.maximum(np.abs(jacobian).max(axis=(1, 2)), 1e-300)[:, None, None] * np.eye(n)
    wanted = np.concatenate([white[:, :, -1], np.zeros(x.shape)], axis=1)
    found = boxed(np.concatenate([jacobian, held], axis=1), wanted, -x - 1e-12, 1 - x + 1e-12)
    return np.where(free, found, 0.0)


def _closest(forward: Forward, targets: Array) -> Array:
    """Return which of the cloud comes nearest to each target; of many targets, some at a time."""
    parts = [_closest_of(forward, targets[i : i + _TOGETHER]) for i in range(0, len(targets), _TOGETHER)]
    return np.concatenate(parts)


def _closest_of(forward: Forward, targets: Array) -> Array:
    """Return the nearest by the scatter at the nearest of them in shares of their range."""
    outputs = forward.cloud_outputs
    miss = _missed(forward, targets[:, None, :], outputs)
    first = np.square(miss / np.maximum(np.ptp(outputs, axis=0), 1e-12)).sum(axis=2).argmin(axis=1)
    unit, root = _root(forward.covariance(forward.cloud[first], outputs[first]))
    white = np.linalg.solve(root, (miss / unit[:, None, :]).transpose(0, 2, 1))
    return np.asarray(forward.cloud[(white**2).sum(axis=1).argmin(axis=1)])


def _missed(forward: Forward, targets: Array, outputs: Array) -> Array:
    return _miss(forward, np.minimum(np.maximum(targets, forward.floor), forward.ceiling), outputs)


def _miss(forward: Forward, wanted: Array, outputs: Array) -> Array:
    """Return by how much outputs miss what can be read of targets; the ceiling asks for at least that much."""
    miss: Array = outputs - wanted
    return np.where(wanted >= forward.ceiling, np.minimum(miss, 0.0), miss)


def _satisfied(forward: Forward, targets: Array, miss: Array) -> Cells:
    """Return which outputs are at least at the ceiling, as is wanted of them."""
    return np.asarray((targets >= forward.ceiling) & (miss >= 0))


def _free_degrees(forward: Forward, targets: Array, x: Array, miss: Array) -> Array:
    """Return how many outputs there are beyond the inputs that can still move, at least one."""
    free = ((x > 1e-6) & (x < 1 - 1e-6)).sum(axis=1)
    told = targets.shape[1] - _satisfied(forward, targets, miss).sum(axis=1)
    return np.asarray(np.maximum(told - free, 1))


def _p_value(squared: Array, degrees: Array, dof: float) -> Array:
    """Return how likely squared distances as large are, when their metric was estimated (Hotelling's T²)."""
    left = np.maximum(dof - degrees + 1, 1.0)
    return np.asarray(special.fdtrc(degrees, left, squared * left / (dof * degrees)))


def _ends(x: Array) -> list[Array]:
    """Return the settings beside x with inputs that are nearly off or fully on so exactly."""
    end = np.round(x)
    near = (np.abs(x - end) < _NEAR_END).tolist()
    choices = [[v, e] if close and v != e else [e if close else v] for v, e, close in zip(x, end, near, strict=True)]
    return [one for one in map(np.array, islice(product(*choices), 64)) if ((one == 0) | (one == 1)).any()]


def _root(covariance: Array) -> tuple[Array, Array]:
    """Return standard deviations, and roots of the correlations, shapes (n_rows, n) and (n_rows, n, n)."""
    whole = covariance if covariance.ndim == 3 else covariance[None]
    unit = np.sqrt(np.diagonal(whole, axis1=1, axis2=2))
    scaled = whole / (unit[:, :, None] * unit[:, None, :]) + 1e-12 * np.eye(unit.shape[1])
    return unit, np.asarray(np.linalg.cholesky(scaled))
