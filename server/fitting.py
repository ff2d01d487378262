"""A fit as a job: every method fitted, then kept, with one progress for the whole."""

from collections.abc import Callable, Sequence
from typing import Any

from retrolux.models.dataset import Dataset
from retrolux.models.priors import DESIGN
from retrolux.models.registry import BESIDE, METHODS, available
from retrolux.server.laboratory import Laboratory, Options


def fit_and_save(  # noqa: PLR0913, PLR0917 - a job's parameters
    laboratory: Laboratory,
    data: Dataset,
    device: str,
    methods: Sequence[str] | None,
    seed: int,
    report: Callable[[float], None],
    options: Options | None = None,
) -> dict[str, Any]:
    """Fit the methods and keep each as soon as it is fitted; return what was fitted.

    Parameters
    ----------
    report : callable
        Called with the fraction of the whole that is done, 0 … 1.
    """
    chosen = methods or available()
    for i, method in enumerate(chosen):
        share = _share(report, i, len(chosen))
        (model,) = laboratory.fit(data, [method], seed=seed, report=share, options=options)
        laboratory.store.save(model, device)
    return {"models": list(chosen), "n_rows": len(data.inputs), "data_hash": data.hash}


def method_options(preset: str, prior: str = DESIGN) -> Options:
    """Return the options by which the forest is one of the presets, and all methods have this prior of the inputs."""
    forest = {"forest": {"settings": {"preset": preset}}}
    return {method: {"prior": prior} | forest.get(method, {}) for method in METHODS + BESIDE}


def _share(report: Callable[[float], None], i: int, n: int) -> Callable[[str, float], None]:
    return lambda _method, fraction: report((i + fraction) / n)
