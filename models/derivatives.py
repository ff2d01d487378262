"""How outputs move with inputs, and how an answer moves with its target."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrolux.models.posterior import Array

PER = 1000.0
"""Counts that a sensitivity is told for."""

ANSWER = "the method's own answer"
LINE = "the line alone; what the trees add to it goes in steps"
NEAREST = "the nearest answer on the same branch"

AT_AN_END = 1e-6  # of an input: nearer to 0 or 1 it stays there
RANK = 1e-9  # singular values below this share of the largest are rounding


@dataclass(frozen=True)
class Sensitivity:
    """How the inputs of an answer move with the outputs of its target.

    Attributes
    ----------
    moves : mapping of str to mapping of str to float
        By output of the target, then by input: the move of the input, in its own unit, when the output's target grows
        by ``per`` and the others stay.
    of : str
        What it is the derivative of, in words.
    per : float
        1000 where outputs are counts, else 1.
    """

    moves: Mapping[str, Mapping[str, float]]
    of: str
    per: float = PER

    @classmethod
    def named(cls, matrix: Array, inputs: Sequence[str], outputs: Sequence[str], of: str, per: float) -> "Sensitivity":
        """Return a matrix d(inputs)/d(target), shape (n_inputs, n_outputs), by its names."""
        rows = (per * matrix).T.tolist()
        table = {c: dict(zip(inputs, row, strict=True)) for c, row in zip(outputs, rows, strict=True)}
        return cls(table, of, per)

    def to_json(self) -> dict[str, Any]:
        """Return the table in the form that the command line and the HTTP interface print."""
        name = "per_unit" if self.per == 1 else f"per_{self.per:.0f}_counts"
        return {name: {c: dict(row) for c, row in self.moves.items()}, "of": self.of}


def moving(inputs: Array) -> NDArray[np.bool_]:
    """Return which inputs are not held at 0 or 1."""
    return np.asarray((inputs > AT_AN_END) & (inputs < 1 - AT_AN_END))


def held_at_the_ends(derivative: Array, inputs: Array) -> Array:
    """Return d(inputs)/d(target) of answers that are clipped: an input at an end does not move."""
    return np.where(moving(inputs)[:, None], derivative, 0.0)


def least_move(jacobian: Array, inputs: Array, scatter: Array) -> Array:
    """Return d(inputs)/d(target) of the nearest answer: the pseudo-inverse of d(outputs)/d(inputs).

    With fewer outputs than inputs that move it is the shortest way; with more, least squares in units of the scatter.

    Parameters
    ----------
    jacobian : ndarray, shape (n_outputs, n_inputs)
    inputs : ndarray, shape (n_inputs,)
        Those at 0 or 1 are held there.
    scatter : ndarray, shape (n_outputs,)
        Standard deviation of a reading.
    """
    free = moving(inputs)
    out = np.zeros(jacobian.T.shape)
    out[free] = np.linalg.pinv(jacobian[:, free] / scatter[:, None], rcond=RANK) / scatter
    return out
