"""ForestDiffusion, imported without what is not used of it: CatBoost, LightGBM and pandas.

ForestDiffusion imports all three with itself. It trains by XGBoost here and sees no categories, so none of them is ever
asked, yet two of them take two seconds and 50 MB. What it takes from them is put off until it is called: nothing false
stands in ``sys.modules`` meanwhile or after, and of a library that is installed the library's own object answers.
"""

import builtins
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Any

from retrolux.models.errors import MissingLibrary

PUT_OFF = ("catboost", "lightgbm", "pandas")
"""What ForestDiffusion imports and nobody here calls."""

WHOLE = "pip install '.[forest]'"
SLIM = "pip install '.[slim]' && pip install --no-deps ForestDiffusion"
"""With xgboost-cpu, which is XGBoost without its part for graphics cards, and no boosting library that is not used."""

_importing = threading.RLock()


def load() -> tuple[Any, Any, Callable[..., Any]]:
    """Return ForestDiffusion's model, the module ``xgboost``, and ForestDiffusion's solver of flows.

    Raises
    ------
    MissingLibrary
    """
    try:
        with warnings.catch_warnings(), _put_off():  # what boosting libraries say of one another concerns nobody here
            warnings.simplefilter("ignore")
            xgboost = import_module("xgboost")
            library = import_module("ForestDiffusion")
            solver = import_module("ForestDiffusion.utils.utils_diffusion")
    except ImportError as error:
        raise MissingLibrary(
            f"The method forest needs ForestDiffusion and XGBoost: {error}.",
            f"In the clone of the project: {WHOLE}; or, a third in size with xgboost-cpu: {SLIM}.",
        ) from error
    return library.ForestDiffusionModel, xgboost, solver.euler_solve


def distribution() -> str:
    """Return the name by which XGBoost is installed; its versions without graphics cards have another."""
    for name in ("xgboost", "xgboost-cpu"):
        try:
            version(name)
        except PackageNotFoundError:
            continue
        return name
    return "xgboost"


class _Later(ModuleType):
    """A module none of whose functions and classes is imported before it is called."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)

        def called(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - whatever the real one takes
            return getattr(import_module(self.__name__), name)(*args, **kwargs)

        return called


@contextmanager
def _put_off() -> Iterator[None]:
    """Let ForestDiffusion's own modules, and nobody else's, import a library without importing it."""
    with _importing:
        every = builtins.__import__

        def imported(name: str, globals: Any = None, *args: Any, **kwargs: Any) -> Any:  # noqa: A002, ANN401
            importer = (globals or {}).get("__name__", "")
            if name in PUT_OFF and importer.startswith("ForestDiffusion."):
                return _Later(name)
            return every(name, globals, *args, **kwargs)

        builtins.__import__ = imported
        try:
            yield
        finally:
            builtins.__import__ = every
