"""A fit as a job: every method fitted, then kept, with one progress for the whole."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from retrolux.models import registry
from retrolux.models.dataset import Dataset
from retrolux.models.model import Progress
from retrolux.models.priors import DESIGN
from retrolux.models.registry import BESIDE, METHODS, available
from retrolux.models.spreading import as_done, elsewhere
from retrolux.models.state_space import StateSpace
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
    if len(chosen) > 1 and elsewhere():
        fitting = _Fitting(data, laboratory.state(data), seed, options or {})
        for _, (manifest, files) in as_done(fitting.packed, chosen, report):
            laboratory.store.take_in(manifest, files, device)
    else:
        _in_turn(laboratory, data, device, chosen, seed, report, options)
    return {"models": list(chosen), "n_rows": len(data.inputs), "data_hash": data.hash}


def _in_turn(  # noqa: PLR0913, PLR0917 - as above
    laboratory: Laboratory,
    data: Dataset,
    device: str,
    chosen: Sequence[str],
    seed: int,
    report: Callable[[float], None],
    options: Options | None,
) -> None:
    for i, method in enumerate(chosen):
        share = _share(report, i, len(chosen))
        (model,) = laboratory.fit(data, [method], seed=seed, report=share, options=options)
        laboratory.store.save(model, device)


@dataclass(frozen=True)
class _Fitting:
    """What methods are fitted to where others work; what comes back is plain data, as on disk."""

    data: Dataset
    state: StateSpace | None
    seed: int
    options: Options

    def packed(self, method: str, report: Progress) -> tuple[dict[str, Any], dict[str, bytes]]:
        """Return the fitted method's manifest and files."""
        model = registry.create(method, **self.options.get(method, {}))
        return model.fit(self.data, seed=self.seed, progress=report, state=self.state).packed()


def method_options(preset: str, prior: str = DESIGN) -> Options:
    """Return the options by which the forest is one of the presets, and all methods have this prior of the inputs."""
    forest = {"forest": {"settings": {"preset": preset}}}
    return {method: {"prior": prior} | forest.get(method, {}) for method in METHODS + BESIDE}


def _share(report: Callable[[float], None], i: int, n: int) -> Callable[[str, float], None]:
    return lambda _method, fraction: report((i + fraction) / n)
