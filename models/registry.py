"""The methods by name; each one's module, and the libraries behind it, are imported only when asked for."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retrolux.models import storage
from retrolux.models.errors import ModelUnreadable, UnknownMethod

if TYPE_CHECKING:  # what a method is, and SciPy behind it, is loaded with the first method
    from retrolux.models.model import Model

METHODS = ("linear", "pls", "gmm", "forest", "bayes")
"""The four methods of the paper, in the order in which they are shown, and the reference that it names."""

BESIDE = ("gp",)
"""What an evaluation can set beside them."""

_CLASSES = {
    "linear": ("linear", "LinearModel"),
    "pls": ("pls", "PlsModel"),
    "gmm": ("gmm", "GmmModel"),
    "forest": ("forest", "ForestModel"),
    "bayes": ("bayes", "BayesModel"),
    "gp": ("gaussian_process", "GpModel"),
}

_OPTIONAL = {"forest": ("ForestDiffusion", "xgboost")}


def available() -> tuple[str, ...]:
    """Return the methods whose libraries are installed; none of them is imported."""
    return tuple(m for m in METHODS if all(find_spec(library) is not None for library in _OPTIONAL.get(m, ())))


def create(method: str, **options: Any) -> "Model":  # noqa: ANN401 - each method's class names its own
    """Return an unfitted model.

    Parameters
    ----------
    method : str
        One of :data:`METHODS` or :data:`BESIDE`.
    **options
        Of the method's class; every class knows ``targets``, the outputs that ``fit`` prepares for.

    Raises
    ------
    UnknownMethod
    MissingLibrary
        When the method's optional package is not installed.
    """
    model: Model = _class(method)(**options)
    return model


def load(folder: Path) -> "Model":
    """Read a saved model of any method. Raises ModelUnreadable, MissingLibrary."""
    method = storage.read_manifest(folder).get("method")
    if method not in _CLASSES:
        raise ModelUnreadable(f"The model in {folder} is of an unknown method, {method!r}.", "Fit the model again.")
    return _class(method).load(folder)


def _class(method: str) -> "type[Model]":
    if method not in _CLASSES:
        raise UnknownMethod(f"There is no method {method!r}.", f"Choose among {', '.join(METHODS)}.")
    module, name = _CLASSES[method]
    found: type[Model] = getattr(import_module(f"retrolux.models.{module}"), name)
    return found
