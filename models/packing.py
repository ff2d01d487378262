"""A method's manifest and files, and the method made of them again."""

from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from retrolux.models import readings
from retrolux.models.drift import Drift
from retrolux.models.errors import ModelUnreadable
from retrolux.models.state_space import StateSpace

if TYPE_CHECKING:
    from retrolux.models.fitted import Fitted

M = TypeVar("M", bound="Fitted")


def packed(model: "Fitted") -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the manifest and the files' contents; those of the light alone begin with its name. Raises NotFitted."""
    files = {"readings.npz": readings.pack(model.data)}
    fits = list(model._fits.items())
    for i, (_, fit) in enumerate(fits):
        files |= _named(f"fit{i}", fit.to_files())
    more, further = model._more()
    manifest, files = _manifest(model) | {"fits": [list(pattern) for pattern, _ in fits]} | more, files | further
    if model._light is not None:
        manifest["light"], light = packed(model._light)
        files |= _named("light", light) | _named("world", model.world.to_files())
    return manifest, files


def restored(cls: type[M], manifest: dict[str, Any], files: dict[str, bytes]) -> M:
    """Return the model of a manifest and files. Raises ModelUnreadable, KeyError, TypeError, ValueError."""
    if manifest["method"] != cls.method:
        raise ModelUnreadable(f"The saved model is {manifest['method']}, not {cls.method}.", "Load it by its name.")
    model = cls(**manifest["options"])
    model.input_names, model.output_names = tuple(manifest["inputs"]), tuple(manifest["outputs"])
    model.data_hash, model.n_rows, model.seed = manifest["data_hash"], manifest["n_rows"], manifest["seed"]
    model.created = datetime.fromisoformat(manifest["created"])
    model._data = readings.unpack(files["readings.npz"], model.input_names, model.output_names)
    model._factors = {(known, tuple(names)): np.array(factor) for known, names, factor in manifest["honesty"]}
    for i, (given, wanted) in enumerate(manifest["fits"]):
        model._fits[tuple(given), tuple(wanted)] = cls.fit_class.from_files(_of(f"fit{i}", files))
    if "light" in manifest:
        model._light = restored(cls, manifest["light"], _of("light", files))
        model._world = StateSpace.from_files(_of("world", files))
    model.until = manifest.get("until")
    model._drift = Drift.none(len(model.output_names))
    model._take_more(manifest, files)
    return model


def _manifest(model: "Fitted") -> dict[str, Any]:
    return {
        "method": model.method,
        "data_hash": model.data_hash,
        "n_rows": model.n_rows,
        "until": model.until,
        "inputs": model.input_names,
        "outputs": model.output_names,
        "counts": model.scale.counts,
        "seed": model.seed,
        "options": model._options(),
        "created": model.created.isoformat(),
        "honesty": [[known, names, factor.tolist()] for (known, names), factor in model._factors.items()],
        "libraries": {name: version(name) for name in ("retrolux", "numpy", "scipy", "scikit-learn", *model.libraries)},
    }


def _named(prefix: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {f"{prefix}-{name}": content for name, content in files.items()}


def _of(prefix: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {n.removeprefix(f"{prefix}-"): content for n, content in files.items() if n.startswith(f"{prefix}-")}
