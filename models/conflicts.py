"""Which outputs of a target stand in each other's way."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

import numpy as np

from retrolux.models.attainable import Attainable
from retrolux.models.forward import Forward
from retrolux.models.nearest import Nearest, nearest
from retrolux.models.posterior import Array
from retrolux.models.scale import Scale

Columns = tuple[int, ...]


def explained(forward: Forward, target: Array, found: Nearest, inputs: tuple[str, ...], scale: Scale) -> Attainable:
    """Return what comes nearest to a target, by inputs in their own units, and why it is not met where it is not."""
    x = found.x if found.met else nearest(forward.by_output(), target, found.x).x
    outputs = np.clip(forward.predict(x[None])[0], forward.floor, forward.ceiling)
    near = Attainable(
        score=float(np.sqrt(found.squared)),
        p=found.p,
        met=found.met,
        nearest=dict(zip(forward.names, outputs.tolist(), strict=True)),
        inputs=dict(zip(inputs, scale.own(x).tolist(), strict=True)),
    )
    return near if found.met else _with_conflicts(near, forward, target, found.x)


def _with_conflicts(near: Attainable, forward: Forward, target: Array, x: Array) -> Attainable:
    alone = [i for i in range(len(target)) if not _met(forward, target, (i,), x)]
    sets = [(i,) for i in alone] + _together(forward, _within(forward, target, alone), x, first=not alone)
    low, high = forward.reach
    return replace(
        near,
        conflicts=tuple(tuple(forward.names[i] for i in columns) for columns in sets),
        reach={forward.names[i]: (float(low[i]), float(high[i])) for i in alone},
    )


def _within(forward: Forward, target: Array, alone: list[int]) -> Array:
    """Return the target with what is out of its own reach brought to the end of it."""
    low, high = forward.reach
    near = target.copy()
    near[alone] = np.clip(target, low, high)[alone]
    return near


def _together(forward: Forward, target: Array, x: Array, *, first: bool) -> list[Columns]:
    """Return the smallest set of outputs that cannot be met together, of several the one that misses most.

    With n inputs it has at most n + 1 members where outputs are linear (Helly's theorem); with ``first``, where there
    must be one, all outputs are one if nothing smaller is.
    """
    if len(target) == 1 or (not first and nearest(forward, target, x).met):
        return []
    for size in range(2, min(len(target), len(x) + 2)):
        apart = [(one.squared, columns) for columns, one in _tried(forward, target, size, x) if not one.met]
        if apart:
            return [max(apart)[1]]
    return [tuple(range(len(target)))]


def _tried(forward: Forward, target: Array, size: int, x: Array) -> Iterator[tuple[Columns, Nearest]]:
    for columns in combinations(range(len(target)), size):
        yield columns, nearest(forward.of(columns), target[list(columns)], x)


def _met(forward: Forward, target: Array, columns: Columns, x: Array) -> bool:
    return nearest(forward.of(columns), target[list(columns)], x).met
