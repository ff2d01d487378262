"""Experimental designs: which settings to measure."""

import itertools
import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from retrolux.device.errors import BadInput
from retrolux.device.optimal import d_optimal

Array = NDArray[np.float64]
DECIMALS = 6  # of a duty; finer than any PWM, and exact in the log


def design(kind: str, n: int, seed: int = 0, inputs: int = 3) -> list[tuple[float, ...]]:
    """Return settings in [0, 1], in the order in which they are to be measured.

    Parameters
    ----------
    kind : str
        ``lhs``: n points of a Latin hypercube. ``sobol``: the first n points of a scrambled Sobol' sequence.
        ``grid``: the smallest full factorial grid of at least n points. ``box-behnken``: the midpoints of the edges
        and as many centre points as make n (at least one more than the midpoints). ``d-optimal``: those that tell most
        of slopes, steps and bends; see :func:`~retrolux.device.optimal.d_optimal`.
    n : int
        Number of points asked for.
    seed : int
        Of ``lhs`` and ``sobol``, of the order of ``grid`` and ``box-behnken``, and of the choice among equals.

    Raises
    ------
    BadInput
        When there is no such design, n is too small for it, or the seed is negative.
    """
    if kind not in _DESIGNS:
        raise BadInput(f"There is no design {kind!r}.", f"The designs are {', '.join(_DESIGNS)}.")
    if not isinstance(n, int) or n < 1:
        raise BadInput(f"A design of {n} readings cannot be.", "Ask for at least 1.")
    if not isinstance(seed, int) or seed < 0:
        raise BadInput(f"The seed {seed!r} cannot be.", "Give an integer of 0 or more.")
    points = np.round(_DESIGNS[kind](n, seed, inputs), DECIMALS)
    return [tuple(row) for row in points.tolist()]


def _latin_hypercube(n: int, seed: int, inputs: int) -> Array:
    return np.asarray(qmc.LatinHypercube(inputs, rng=np.random.default_rng(seed)).random(n))


def _sobol(n: int, seed: int, inputs: int) -> Array:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # balance wants a power of two; any n was asked for
        return np.asarray(qmc.Sobol(inputs, rng=np.random.default_rng(seed)).random(n))


def _grid(n: int, seed: int, inputs: int) -> Array:
    levels = next(k for k in itertools.count(1) if k**inputs >= n)
    axis = np.linspace(0, 1, levels) if levels > 1 else np.array([0.5])
    return _shuffled(np.array(list(itertools.product(axis, repeat=inputs))), seed)


def _box_behnken(n: int, seed: int, inputs: int) -> Array:
    edges = [
        [a if k == i else b if k == j else 0.5 for k in range(inputs)]
        for i, j in itertools.combinations(range(inputs), 2)
        for a, b in itertools.product((0.0, 1.0), repeat=2)
    ]
    if n <= len(edges):
        raise BadInput(f"A Box-Behnken design has more than {n} readings.", f"Ask for at least {len(edges) + 1}.")
    return _shuffled(np.array(edges + [[0.5] * inputs] * (n - len(edges))), seed)


def _shuffled(points: Array, seed: int) -> Array:
    """Return the points in random order, so that drift does not follow an input."""
    return np.asarray(np.random.default_rng(seed).permutation(points))


_DESIGNS: dict[str, Callable[[int, int, int], Array]] = {
    "lhs": _latin_hypercube,
    "sobol": _sobol,
    "grid": _grid,
    "box-behnken": _box_behnken,
    "d-optimal": d_optimal,
}
