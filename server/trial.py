"""Whether a model that was sent can be loaded and answers."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from retrolux.models import registry, storage
from retrolux.models.ambient import Ambient
from retrolux.models.errors import BadArchive, ModelError, NotFitted
from retrolux.models.model import Model
from retrolux.models.readings import PAPER


def tried(folder: Path) -> dict[str, Any]:
    """Load a model and ask which inputs give what it predicts of the middle, with and without ambient light.

    Raises
    ------
    BadArchive
        When it cannot be loaded, is not what its manifest says, or does not answer with numbers.
    """
    try:
        _ask(registry.load(folder), storage.read_manifest(folder))
    except ModelError as error:
        raise BadArchive(f"The model cannot be used: {error.cause}", error.remedy) from error
    except Exception as error:  # its files are from outside: whatever they cause is their fault
        raise BadArchive(f"The model cannot be used: {error!r}."[:300], "Fit it again, and push it again.") from error
    return {}


def _ask(model: Model, manifest: dict[str, Any]) -> None:
    names = tuple(n for n in PAPER if n in model.output_names) or model.output_names[:1]
    middle = np.full((1, len(model.input_names)), 0.5)
    told = dict(zip(model.output_names, model.predict(middle)[0].tolist(), strict=True))
    target = {name: max(told[name], 0.0) for name in names}
    answers = [model.invert(target, samples=50)]
    with suppress(NotFitted):  # one that does not know the light alone is not asked for it
        answers.append(model.invert(target, samples=50, ambient=Ambient.none(model.world.names)))
    numbers = [*told.values(), *(x for answer in answers for x in answer.inputs.values())]
    if not np.isfinite(numbers).all() or any(tuple(answer.inputs) != model.input_names for answer in answers):
        raise BadArchive("It does not answer with numbers.", "Fit it again.")
    if model.scale.counts != manifest.get("counts", True):
        raise BadArchive("Its readings are not what its manifest says.", "Fit it again.")
