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
    rows = terms(settings)
    spread, chosen = np.eye(rows.shape[1]) / WEAK, []
    for _ in range(n):
        lever = rows @ spread
        told = (lever * rows).sum(axis=1)
        best = rng.choice(np.flatnonzero(told >= told.max() * (1 - 1e-9)))
        spread -= np.outer(lever[best], lever[best]) / (1 + told[best])
        chosen.append(best)
    return np.asarray(settings[chosen])


def _settings(rng: np.random.Generator, inputs: int) -> Array:
    if len(LEVELS) ** inputs <= MOST:
        return np.array(list(itertools.product(LEVELS, repeat=inputs)))
    return rng.choice(LEVELS, (MOST, inputs))
