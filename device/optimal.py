"""Settings that tell most of a light's response in all: a D-optimal design."""

import itertools

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

EDGE = 0.02  # a duty whose pulses, and whose gaps, every light makes whole
LEVELS = (0.0, EDGE, 0.5, 1 - EDGE)
MOST = 1024  # settings that are chosen from; of more, so many by chance
WEAK = 1e-6  # of what a reading tells: what is known beforehand, so that the first readings can be compared


def terms(points: Array) -> Array:
    """Return what the response is thought to be made of: a constant and, of each input, slope, step at 0 and bend.

    A light's pulses begin late, so that it has a step where they begin; its own heat bends the line. The step at full
    duty is left out: what lies between is asked more often.

    Parameters
    ----------
    points : ndarray, shape (n_rows, n_inputs)

    Returns
    -------
    ndarray, shape (n_rows, 1 + 3 n_inputs)
    """
    return np.hstack([np.ones((len(points), 1)), points, points > 0, 4 * points * (1 - points)])


def d_optimal(n: int, seed: int, inputs: int) -> Array:
    """Return n settings, shape (n, inputs), each the one that multiplies the determinant of the information most.

    Such a sequence tends to a D-optimal design (Wynn, 1970), and each of its beginnings is nearly one, so that a
    collection may be cut short. For constant scatter; the seed chooses among equals.
    """
    rng = np.random.default_rng(seed)
    settings = _settings(rng, inputs)
    return np.asarray(settings[chosen(settings, n, rng)])


def chosen(settings: Array, n: int, rng: np.random.Generator, *, once: bool = False) -> list[int]:
    """Return which settings make a D-optimal design, as indices; see :func:`d_optimal`.

    Parameters
    ----------
    settings : ndarray, shape (n_rows, n_inputs)
        To choose from.
    n : int
    rng : numpy.random.Generator
        Chooses among equals.
    once : bool
        Whether each of them can be taken only once; then n is at most their number.
    """
    rows = terms(settings)
    spread, left, found = np.eye(rows.shape[1]) / WEAK, np.ones(len(rows)), list[int]()
    for _ in range(n):
        lever = rows @ spread
        told = (lever * rows).sum(axis=1)
        worth = told * left
        best = int(rng.choice(np.flatnonzero(worth >= worth.max() * (1 - 1e-9))))
        spread -= np.outer(lever[best], lever[best]) / (1 + told[best])
        left[best] = 0 if once else 1
        found.append(best)
    return found


def _settings(rng: np.random.Generator, inputs: int) -> Array:
    if len(LEVELS) ** inputs <= MOST:
        return np.array(list(itertools.product(LEVELS, repeat=inputs)))
    return rng.choice(LEVELS, (MOST, inputs))
