"""How an inverse gets better with the number of readings that it learnt from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy.stats import qmc

from retrolux.models import registry
from retrolux.models.ambient import Ambient
from retrolux.models.dataset import Dataset
from retrolux.models.method import Method
from retrolux.models.model import Array
from retrolux.models.state_space import StateSpace
from retrolux.models.targets import check_names

MARGIN = 0.05  # of an input, at either end: what lies there may be a step, and is another question
QUESTIONS = 128
TENTH = (0.1, 0.9)

Light = Callable[[Array], Array]
"""Returns what the light alone makes of inputs (n_rows, n_inputs), in the order of the targets."""


@dataclass(frozen=True, slots=True)
class Point:
    """Inverse errors of a method after some readings of a design.

    Attributes
    ----------
    method, design : str
    n : int
        Readings.
    errors : tuple of float
        Of each seed: root mean square, in parts of an input's range; NaN where the method could not be fitted.
    """

    method: str
    design: str
    n: int
    errors: tuple[float, ...]

    @property
    def median(self) -> float:
        """Of the seeds; NaN where one could not be fitted."""
        return float(np.median(self.errors))

    @property
    def spread(self) -> tuple[float, float]:
        """What a tenth of the seeds is below, and a tenth above."""
        low, high = np.quantile(self.errors, TENTH)
        return float(low), float(high)

    def to_json(self) -> dict[str, Any]:
        """Return the point in the form that the command line prints."""
        errors = [None if np.isnan(e) else e for e in self.errors]
        unknown = None in errors
        return {
            "method": self.method,
            "design": self.design,
            "n": self.n,
            "median": None if unknown else self.median,
            "low": None if unknown else self.spread[0],
            "high": None if unknown else self.spread[1],
            "errors": errors,
        }


def fitted(method: str, data: Dataset, options: dict[str, Any] | None = None, seed: int = 0) -> Method:
    """Return a method that learnt from readings, with the light apart from the ambient light. Raises BadData."""
    state = None if method == "bayes" else StateSpace.learn(data)  # it finds its own
    model = registry.create(method, **(options or {})).fit(data, seed=seed, state=state)
    assert isinstance(model, Method)  # noqa: S101 - for the type checker
    return model


def inverse_error(model: Method, targets: Sequence[str], light: Light, *, net: bool = True, seed: int = 0) -> float:
    """Return by how much a model errs in the inputs of targets without noise, root mean square over inputs and targets.

    An inverse that knows the response answers these exactly: all of this error is what the readings left unknown.

    Parameters
    ----------
    model : Method
        Fitted with a state space.
    targets : sequence of str
    light : callable
        The truth. Its inputs are drawn evenly, away from the ends.
    net : bool
        Whether targets are of the light alone; else under ambient light that is known from one reading without noise,
        of half of each input. This forgives what the model thinks of all inputs alike, such as where pulses begin.
    """
    n_inputs = len(model.input_names)
    inputs = questions(n_inputs)
    half = np.full((1, n_inputs), 0.5)
    offset = np.zeros(len(targets)) if net else (light(half) - light_of(model, targets, half))[0]
    ambient = Ambient(tuple(targets), offset, np.zeros((len(targets), len(targets))))
    found = model.recover_in(targets, light(inputs), [ambient] * len(inputs), seed=seed).mean
    return float(np.sqrt(np.mean((found - inputs) ** 2)))


def light_of(model: Method, targets: Sequence[str], inputs: Array) -> Array:
    """Return what a model thinks that the light alone makes of inputs, shape (n_rows, n_targets).

    Raises UnknownColumn for a target that is no part of it, such as one that was saturated nearly always.
    """
    check_names(targets, model.light.output_names)
    names, light = model.light.output_names, model.light.predict(inputs)
    if model.light is model:  # it predicts readings, the ambient light that there usually was among them
        light = light - model.world.ever().of(names).mean
    return np.asarray(light[:, [names.index(name) for name in targets]])


@cache
def questions(n_inputs: int) -> Array:
    """Return the inputs of the targets that are asked, shape (128, n_inputs); always the same."""
    drawn = qmc.Sobol(n_inputs, rng=np.random.default_rng(12)).random(QUESTIONS)
    return np.asarray(MARGIN + (1 - 2 * MARGIN) * drawn)


def needed(sizes: Sequence[int], errors: Sequence[float], goal: float) -> float:
    """Return how many readings bring the error to a goal and keep it there; infinite where none of these does.

    Between two sizes by a straight line in the logarithms of both.

    Parameters
    ----------
    sizes : sequence of int
        Ascending.
    errors : sequence of float
        After so many readings; one that is NaN has not reached it.
    """
    above = [i for i, error in enumerate(errors) if not error <= goal]
    if not above:
        return float(sizes[0])
    last = above[-1]
    if last == len(sizes) - 1:
        return float("inf")
    if not np.isfinite(errors[last]):
        return float(sizes[last + 1])
    share = np.log(errors[last] / goal) / np.log(errors[last] / errors[last + 1])
    return float(sizes[last] * (sizes[last + 1] / sizes[last]) ** share)
