"""Many targets in one question, and the table or document that answers them."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from retrolux.models.posterior import Array
from retrolux.models.solutions import Solutions
from retrolux.server.errors import BadArgument

_SINGLE = ("feasible", "in_domain", "score", "p", "novelty_p", "several")


def rectangular(names: Sequence[str], rows: Sequence[Sequence[float]]) -> Array:
    """Return targets as an array, shape (n_targets, len(names)). Raises BadArgument for a row of another length."""
    for i, row in enumerate(rows, 1):
        if len(row) != len(names):
            raise BadArgument(
                f"targets: row {i} has {len(row)} numbers, and there are {len(names)} names.",
                "Give every row a number for each name.",
            )
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(names))


def document(found: Solutions) -> dict[str, Any]:
    """Return the answers as one document of arrays, a row a target."""
    return {
        "model": found.model,
        "names": list(found.names),
        "input_names": list(found.input_names),
        "output_names": list(found.output_names),
        "inputs": found.inputs.tolist(),
        "std": found.std.tolist(),
        "interval90": np.stack([found.low, found.high], axis=2).tolist(),
        "predicted": found.predicted.tolist(),
    } | {name: getattr(found, name).tolist() for name in _SINGLE}


def header(found: Solutions) -> list[str]:
    """Return the names of the columns of :func:`rows`."""
    each = [f"{part}_{name}" for part in ("std", "low", "high") for name in found.input_names]
    predicted = [f"predicted_{name}" for name in found.output_names]
    return [*(f"target_{name}" for name in found.names), *found.input_names, *each, *predicted, *_SINGLE]


def rows(found: Solutions) -> Iterator[list[float | bool]]:
    """Yield the answers as rows of a table."""
    wide = [found.targets, found.inputs, found.std, found.low, found.high, found.predicted]
    single = [getattr(found, name).tolist() for name in _SINGLE]
    for numbers, *others in zip(np.hstack(wide).tolist(), *single, strict=True):
        yield [*numbers, *others]


def records(found: Solutions) -> Iterator[dict[str, Any]]:
    """Yield the answers as records in the form of a single one, as far as they go."""
    parts = {"target": (found.names, found.targets), "inputs": (found.input_names, found.inputs)}
    parts |= {"std": (found.input_names, found.std), "predicted": (found.output_names, found.predicted)}
    interval = np.stack([found.low, found.high], axis=2).tolist()
    lists = {key: (names, values.tolist()) for key, (names, values) in parts.items()}
    single = {name: getattr(found, name).tolist() for name in _SINGLE}
    for i, ends in enumerate(interval):
        named = {key: dict(zip(names, values[i], strict=True)) for key, (names, values) in lists.items()}
        named["interval90"] = dict(zip(found.input_names, ends, strict=True))
        yield {"model": found.model} | named | {name: values[i] for name, values in single.items()}
