"""Least squares within bounds, for many right-hand sides at once.

Which bounds hold is found by pivoting whole blocks of them (Júdice & Pires, 1994, *Computers & Operations Research* 21,
587): the solution is exact, as of an active-set method. Rows that have not settled after a few rounds are left to
SciPy's.
"""

import numpy as np
from scipy.optimize import lsq_linear

from retrolux.models.posterior import Array

_ROUNDS = 8
_ROUNDING = 1e-13


def boxed(design: Array, wanted: Array, low: Array, high: Array) -> Array:
    """Return the x between bounds of which ``design · x`` comes nearest to what is wanted, shape (n_rows, n).

    Parameters
    ----------
    design : ndarray, shape (n_rows, m, n) or (1, m, n)
        Of full rank, m ≥ n.
    wanted : ndarray, shape (n_rows, m)
    low, high : ndarray, shape (n_rows, n)
    """
    turn, root = np.linalg.qr(design)
    short = (wanted[:, None, :] @ turn)[:, 0]
    x = np.asarray(np.linalg.solve(root, short[:, :, None])[:, :, 0])
    outside = np.flatnonzero(((x < low) | (x > high)).any(axis=1))
    if len(outside):
        roots = np.broadcast_to(root, (len(x), *root.shape[1:]))[outside]
        x[outside] = _pivoted(roots, short[outside], x[outside], (low[outside], high[outside]))
    return x


def _pivoted(root: Array, wanted: Array, start: Array, bounds: tuple[Array, Array]) -> Array:
    low, high = bounds
    x, side = start.copy(), _sides(start, bounds)
    left = np.arange(len(x))
    for _ in range(_ROUNDS):
        ends = low[left], high[left]
        x[left] = _held(root[left], wanted[left], side[left], ends)
        pull = ((root[left] @ x[left][:, :, None])[:, :, 0] - wanted[left])[:, None, :] @ root[left]
        then = _turned(side[left], x[left], pull[:, 0], ends, _slack(root[left], wanted[left]))
        settled = (then == side[left]).all(axis=1)
        side[left] = then
        left = left[~settled]
        if not len(left):
            break
    for i in left:
        x[i] = lsq_linear(root[i], wanted[i], bounds=(low[i], high[i]), method="bvls").x
    return np.asarray(np.clip(x, low, high))


def _sides(x: Array, bounds: tuple[Array, Array]) -> Array:
    """Return -1 below the bounds, 1 above them, 0 between."""
    return np.asarray((x > bounds[1]).astype(np.float64) - (x < bounds[0]))


def _held(root: Array, wanted: Array, side: Array, bounds: tuple[Array, Array]) -> Array:
    """Return the least squares of what is free while the rest stays at its bounds."""
    fixed = np.where(side < 0, bounds[0], np.where(side > 0, bounds[1], 0.0))
    free = (side == 0)[:, None, :]
    whole = np.concatenate([root * free, np.eye(side.shape[1]) * ~free], axis=1)
    rest = wanted - (root @ fixed[:, :, None])[:, :, 0]
    turn, small = np.linalg.qr(whole)
    short = np.concatenate([rest, np.zeros_like(rest)], axis=1)[:, None, :] @ turn
    return np.where(side == 0, np.linalg.solve(small, short.transpose(0, 2, 1))[:, :, 0], fixed)


def _turned(side: Array, x: Array, pull: Array, bounds: tuple[Array, Array], slack: Array) -> Array:
    """Return which bounds hold next: those that were crossed, less those whose slope points inwards."""
    crossed = _sides(x, (bounds[0] - _ROUNDING, bounds[1] + _ROUNDING))
    return np.where(side == 0, crossed, np.where(side * pull > slack, 0.0, side))


def _slack(root: Array, wanted: Array) -> Array:
    size = np.linalg.norm(root, axis=1) * np.linalg.norm(wanted, axis=1)[:, None]
    return np.asarray(_ROUNDING * size)
