"""What is asked of a model, checked before it is answered."""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from retrolux.models.errors import BadTarget, UnknownColumn
from retrolux.models.scale import Scale

Array = NDArray[np.float64]

ROUNDED = 1e-3  # of an input's range: what printing may have taken from it
LARGEST = 1e9
"""A target may be out of the sensor's reach, to be told so; beyond this, numbers are mistakes and spoil arithmetic."""


def check_target(target: Mapping[str, float], names: Sequence[str]) -> tuple[tuple[str, ...], Array]:
    """Return a target's columns in the model's order, and their values, shape (n_columns,).

    Any finite number may be asked, also one that no sensor could read: the answer says that it cannot be reached.

    Raises
    ------
    BadTarget
        When it is empty or a value is not a finite number.
    UnknownColumn
    """
    if not target:
        raise BadTarget("The target is empty.", "Name at least one output and its counts, such as 445nm=16384.")
    check_names(target, names)
    chosen = tuple(name for name in names if name in target)
    return chosen, np.array([_finite(name, target[name]) for name in chosen])


def check_names(asked: Iterable[str], names: Sequence[str]) -> None:
    """Raise UnknownColumn for a name that is not among the columns."""
    for name in asked:
        if name not in names:
            raise UnknownColumn(f"The model has no column {name!r}.", f"Choose among {', '.join(names)}.")


def check_inputs(inputs: Mapping[str, float], names: Sequence[str], scale: Scale) -> Array:
    """Return inputs in their own units as numbers from 0 to 1, NaN for those that are not given, shape (n_inputs,).

    A thousandth of its range beyond an end is that end, where units are one's own: it may be a number that was rounded.

    Raises
    ------
    BadTarget
        When one is not a finite number within its range.
    """
    values = np.array([_finite(name, inputs[name]) if name in inputs else np.nan for name in names])
    for i, name in enumerate(names):
        low, high = scale.ends(i)
        slack = 0.0 if scale.counts else ROUNDED * (high - low)
        if values[i] < low - slack or values[i] > high + slack:
            raise BadTarget(f"{name} is {values[i]:g}, outside {low:g} to {high:g}.", f"Give {low:g} to {high:g}.")
    return scale.scaled(values) if scale.counts else np.clip(scale.scaled(values), 0.0, 1.0)


def check_array(values: Array, n_columns: int, what: str) -> Array:
    """Return values as float64 of shape (n_rows, n_columns). Raises BadTarget."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != n_columns:
        raise BadTarget(f"{what} have shape {array.shape}.", f"Give one row each, of {n_columns} columns.")
    if not np.isfinite(array).all():
        raise BadTarget(f"{what} contain a number that is not finite.", "Leave these rows out.")
    return array


def check_targets(names: Sequence[str], values: Array) -> Array:
    """Return many targets as float64 of shape (n_targets, len(names)).

    Raises
    ------
    BadTarget
        When there is none, or a number is not finite, or beyond anything that could be meant; its row is named.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != len(names) or not len(array):
        raise BadTarget(f"targets have shape {array.shape}.", f"Give one row each, of {len(names)} columns.")
    wrong = ~(np.abs(array) <= LARGEST)
    if wrong.any():
        row, i = np.argwhere(wrong)[0]
        raise BadTarget(
            f"Target {row + 1}: {names[i]} is {array[row, i]:g}, which is no number that could be meant.",
            "Give counts, such as 16384, in every row.",
        )
    return array


def _finite(name: str, value: object) -> float:
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.number):
        raise BadTarget(f"{name} is {value!r}, which is no number.", "Give counts, such as 16384.")
    if not math.isfinite(value):
        raise BadTarget(f"{name} is {value}, which is not finite.", "Give counts, such as 16384.")
    if abs(number := float(value)) > LARGEST:
        raise BadTarget(f"{name} is {number:g}, beyond anything that could be meant.", "Give counts, such as 16384.")
    return float(value)
