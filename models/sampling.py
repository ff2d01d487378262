"""Samples of a method's columns, as a chain: inputs first, then the outputs, group by group."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from retrolux.models.errors import BadTarget
from retrolux.models.posterior import Array
from retrolux.models.priors import UNIFORM
from retrolux.models.reweighting import DRAWS
from retrolux.models.targets import check_inputs, check_target

if TYPE_CHECKING:
    from retrolux.models.method import Method

Names = tuple[str, ...]


def sample(method: "Method", n: int, given: Mapping[str, float], seed: int) -> tuple[Names, Array]:
    """Return the columns' names and n samples, inputs in their own units; see :meth:`Model.sample`."""
    every = method.data.input_names + method.output_names
    known = _given(method, given, every, n)
    for i, step in enumerate([method.input_names, *method._groups()]):
        wanted = tuple(name for name in step if name not in known)
        if wanted:
            rows = _drawn(method, tuple(c for c in every if c in known), wanted, known, n, seed + i)
            drawn = np.clip(rows, 0, 1) if i == 0 else rows
            known |= dict(zip(wanted, drawn.T, strict=True))
    inputs, outputs = (
        np.column_stack([known[c] for c in names]) for names in (method.input_names, method.output_names)
    )
    return every, np.hstack([method.scale.own(inputs), outputs])


def _given(method: "Method", given: Mapping[str, float], every: Names, n: int) -> dict[str, Array]:
    """Return what is known of samples, inputs from 0 to 1."""
    if n < 1:
        raise BadTarget(f"{n} samples were asked for.", "Ask for at least one.")
    if not given:
        return {}
    names, values = check_target(given, every)
    known = dict(zip(names, values.tolist(), strict=True))
    inputs = {name: value for name, value in known.items() if name in method.input_names}
    shares = check_inputs(inputs, method.input_names, method.scale)
    known |= {name: x for name, x in zip(method.input_names, shares.tolist(), strict=True) if name in inputs}
    return {name: np.full(n, value) for name, value in known.items()}


def _drawn(  # noqa: PLR0913, PLR0917 - one step of the chain
    method: "Method", given: Names, wanted: Names, known: Mapping[str, Array], n: int, seed: int
) -> Array:
    values = np.column_stack([known[name] for name in given]) if given else np.empty((n, 0))
    even = method.reweighs or (method.prior == UNIFORM and not set(given) & set(method.output_names))
    if not (even and set(wanted) & set(method.input_names)):
        return method._conditional(given, wanted).draw(values, seed=seed)
    drawn = method._conditional(given, wanted).draw(np.repeat(values[:1], max(n, DRAWS), axis=0), seed=seed)
    every = np.column_stack(
        [drawn[:, wanted.index(c)] if c in wanted else np.full(len(drawn), known[c][0]) for c in method.input_names]
    )
    return method.even.redrawn(drawn, every, n, seed)
