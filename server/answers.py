"""Answers of fitted models in the form that the command line and the HTTP interface print."""

from collections.abc import Mapping
from typing import Any

from retrolux.models.model import Model
from retrolux.models.path import follow
from retrolux.models.targets import check_inputs
from retrolux.server.errors import BadArgument


def predict(model: Model, inputs: Mapping[str, float]) -> dict[str, Any]:
    """Return the forward prediction at one setting. Raises BadArgument, BadTarget."""
    if set(inputs) != set(model.input_names):
        raise BadArgument(
            f"The model's inputs are {', '.join(model.input_names)}; got {', '.join(inputs) or 'none'}.",
            "Give a value for each.",
        )
    outputs = model.predict(check_inputs(inputs, model.input_names, model.scale)[None])[0]
    predicted = dict(zip(model.output_names, outputs.tolist(), strict=True))
    return {"model": model.method, "inputs": dict(inputs), "predicted": predicted}


def refuse_of_a_table(model: Model, *, net: bool, played: bool) -> None:
    """Raise BadArgument where a light is meant, and the model is a table's: inputs called R, G, B are none yet."""
    if not model.scale.counts and (net or played):
        raise BadArgument(
            "A table knows of no instrument and no ambient light.",
            "Leave net and playing back out (--net, --verify; net, playbacks).",
        )


def path(
    model: Model, target: Mapping[str, float], inputs: Mapping[str, float], outputs: Mapping[str, float] | None
) -> dict[str, Any]:
    """Return the way from a known pair to the target as ``path``. Raises BadTarget, UnknownColumn, NoDerivative."""
    return {"path": follow(model, target, inputs, outputs).to_json()}


def sample(model: Model, n: int, given: Mapping[str, float], seed: int) -> dict[str, Any]:
    """Return n samples, a row each, with the names of their columns. Raises UnknownColumn, BadTarget."""
    columns, rows = model.sample(n, given, seed=seed)
    return {"model": model.method, "given": dict(given), "columns": list(columns), "rows": rows.tolist()}
