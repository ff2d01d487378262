"""From inputs whose outputs are known, continuously to inputs that give a target.

Where outputs y change as the target asks, inputs follow ``dx = J⁺(x) dy`` with J = dy/dx and J⁺ its pseudo-inverse: of
all moves that give dy the shortest, or with more outputs than inputs the best in units of their scatter. Integrated
from a known pair this leads along one branch of answers, and to no other (Kitchin, *Digital Discovery* 2025, 4, 1856,
introduction; Allgower & Georg, *Introduction to Numerical Continuation Methods*, 2003).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from retrolux.models.errors import BadTarget, NoDerivative
from retrolux.models.model import Array, Model
from retrolux.models.targets import check_inputs, check_names, check_target

SINGULAR = 0.01
"""Share of its value at the start below which the least singular value of J ends a path."""

FLAT = 1e-9  # of the largest singular value: nothing to start with
ROWS = 10  # of a whole path after the first
LONGEST = 0.05  # step of the integration: none jumps over a bend
TOLERANCE = 1e-8
TEN_MILLIONTH = 1e-7  # of an input: nearer to 0 or 1 is there
SWING = 0.02  # of an input, beyond its end: where outputs bend, a way along the edge swings about it
BEYOND = 0.001  # of an input that is still beyond its end when the others arrive: it has left


@dataclass(frozen=True, eq=False)
class Path:
    """A way from known inputs to a target.

    Attributes
    ----------
    model : str
    target : mapping of str to float
        Counts at the reference exposure.
    input_names, output_names : tuple of str
        Columns; the outputs are the target's.
    fractions : ndarray, shape (n_rows,)
        How much of the way from the known outputs to the target each row has made, 0 … 1.
    inputs : ndarray, shape (n_rows, n_inputs)
        In their own units; the first row is the known one.
    outputs : ndarray, shape (n_rows, n_outputs)
        Predicted, and moved by what the known outputs differ from their own prediction.
    stopped : str, optional
        Why the path ends before the target, in words; None where it arrives.
    """

    model: str
    target: Mapping[str, float]
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    fractions: Array
    inputs: Array
    outputs: Array
    stopped: str | None

    def to_json(self) -> dict[str, Any]:
        """Return the path in the form that the command line and the HTTP interface print."""
        rows = zip(self.fractions.tolist(), self.inputs.tolist(), self.outputs.tolist(), strict=True)
        path = [
            {
                "fraction": fraction,
                "inputs": dict(zip(self.input_names, inputs, strict=True)),
                "outputs": dict(zip(self.output_names, outputs, strict=True)),
            }
            for fraction, inputs, outputs in rows
        ]
        end = {"inputs": path[-1]["inputs"], "outputs": path[-1]["outputs"]}
        found = {"model": self.model, "target": dict(self.target), **end}
        return found | {"complete": self.stopped is None, "stopped": self.stopped, "path": path}


def follow(
    model: Model, target: Mapping[str, float], inputs: Mapping[str, float], outputs: Mapping[str, float] | None = None
) -> Path:
    """Follow the answer from a known pair of inputs and outputs to the target.

    Parameters
    ----------
    model : Model
        Whose derivatives lead the way.
    target : mapping of str to float
        Counts at the reference exposure, for any subset of the outputs; the others follow.
    inputs : mapping of str to float
        Known inputs, each of the model's, in their own units.
    outputs : mapping of str to float, optional
        What they gave; those of the target that are not named are predicted. What they differ from their prediction, as
        by ambient light, is taken to stay.

    Returns
    -------
    Path
        It ends early, and says so, where an input would leave [0, 1] and where the derivative becomes singular, as at
        the bottom of a parabola.

    Raises
    ------
    BadTarget, UnknownColumn
        For a malformed target, or inputs that are not the model's.
    NoDerivative
        For a method whose predictions go in steps.
    """
    if not model.smooth:
        raise NoDerivative(f"The predictions of {model.method} go in steps.", "Ask linear, pls, gmm or bayes.")
    names, values = check_target(target, model.output_names)
    start = _start(model, inputs)
    columns = [model.output_names.index(name) for name in names]
    known = _known(model, names, start, outputs or {})
    way = _Way(partial(_slopes, model, columns), model.noise(names), values - known)
    fractions, found, stopped = way.stepping(start, _steps(model, columns, start), model)
    offset = known - model.predict(start[None])[0, columns]
    reached = model.predict(found)[:, columns] + offset
    stopped = stopped or _missed(names, reached[-1] - values, model)
    own = model.scale.own(found)
    return Path(model.method, dict(target), model.input_names, names, fractions, own, reached, stopped)


@dataclass(frozen=True, eq=False)
class _Way:
    """The differential equation of the inputs in the fraction of the way.

    Attributes
    ----------
    slopes : callable
        Returns J, shape (n_outputs, n_inputs), at inputs.
    scatter : ndarray, shape (n_outputs,)
    ahead : ndarray, shape (n_outputs,)
        From the known outputs to the target.
    """

    slopes: Callable[[Array], Array]
    scatter: Array
    ahead: Array

    def stepping(self, start: Array, steps: Array, model: Model) -> tuple[Array, Array, str | None]:
        """Return :meth:`walk`, in which those inputs that leave an end for good take their steps there first.

        Parameters
        ----------
        steps : ndarray, shape (n_inputs, n_outputs)
            Of each input alone; zero of one that is at no end.
        """
        moving, found = np.zeros(len(start), bool), self.walk(start, model)
        for _ in start:  # a step taken may set another input moving
            more = moving | (np.abs(found[1][-1] - start) > BEYOND)
            if (more == moving).all():
                break
            moving, found = more, replace(self, ahead=self.ahead - steps[more].sum(axis=0)).walk(start, model)
        return found

    def walk(self, start: Array, model: Model) -> tuple[Array, Array, str | None]:
        """Return fractions, inputs and why it ends early."""
        values = self._singular_values(start)
        if values[-1] <= FLAT * values[0] or not values[0]:
            return np.zeros(1), start[None], _singular(0.0)
        ends = [(i, end) for i in range(len(start)) for end in (0.0, 1.0)]
        events = [self._height(i, end) for i, end in ends]
        events += [_ending(self._height(i, end, SWING)) for i, end in ends]
        events.append(_ending(lambda _, x: float(self._singular_values(x)[-1] - SINGULAR * values[-1])))
        found = solve_ivp(
            lambda _, x: self.slope(x), (0, 1), start, rtol=TOLERANCE, atol=TOLERANCE,
            max_step=LONGEST, events=events, dense_output=True,
        )  # fmt: skip
        end, stopped = self._ended(found, ends, model)
        fractions = np.append(np.arange(0, end * ROWS - TOLERANCE) / ROWS, end)
        return fractions, _snapped(found.sol(fractions).T), stopped

    def slope(self, x: Array) -> Array:
        """Return dx for the whole way."""
        return np.asarray(np.linalg.pinv(self._whitened(x)) @ (self.ahead / self.scatter))

    @staticmethod
    def _ended(found: Any, ends: list[tuple[int, float]], model: Model) -> tuple[float, str | None]:  # noqa: ANN401
        """Return the fraction at which it ends, and why, if early; an input that leaves, where it left for good."""
        last = float(found.t[-1])
        if found.status < 0 or len(found.t_events[-1]):  # the steps became too small: it is the derivative, too
            return last, _singular(last)
        beyond = [(x - end) * (1 if end else -1) for x, end in ((found.y[i, -1], end) for i, end in ends)]
        which = int(np.argmax(beyond))
        if beyond[which] <= BEYOND:
            return last, None
        left = float(max(found.t_events[which], default=0.0))
        return left, _at_an_end(model, ends[which][0], int(ends[which][1]), left)

    @staticmethod
    def _height(i: int, end: float, slack: float = 0.0) -> Callable[[float, Array], float]:
        """Return how far an input is within an end, or within a little beyond it."""
        return lambda _, x: float(x[i] + slack if end == 0 else 1 + slack - x[i])

    def _whitened(self, x: Array) -> Array:
        return np.asarray(self.slopes(np.clip(x, 0, 1)) / self.scatter[:, None])

    def _singular_values(self, x: Array) -> Array:
        return np.asarray(np.linalg.svd(self._whitened(x), compute_uv=False))


def _snapped(inputs: Array) -> Array:
    """Return inputs within [0, 1]; what is as near to an end as the integration tells is there, without a pulse."""
    return np.where(inputs < TEN_MILLIONTH, 0.0, np.where(inputs > 1 - TEN_MILLIONTH, 1.0, inputs))


def _steps(model: Model, columns: list[int], start: Array) -> Array:
    """Return by how much outputs step when each input leaves its end, beyond their slopes, (n_inputs, n_outputs)."""
    nudged = np.clip(start, TEN_MILLIONTH, 1 - TEN_MILLIONTH)
    apart = start + np.diag(nudged - start)
    rises = (_slopes(model, columns, start) * (nudged - start)).T
    return np.asarray(model.predict(apart)[:, columns] - model.predict(start[None])[:, columns] - rises)


def _ending(event: Callable[[float, Array], float]) -> Callable[[float, Array], float]:
    """Return an event at which scipy ends the integration when it falls through zero."""
    event.terminal, event.direction = True, -1  # type: ignore[attr-defined] # as scipy wants it
    return event


def _ends(fraction: float) -> str:
    return f"The path ends at {100 * fraction:.0f} % of the way: "


def _singular(fraction: float) -> str:
    words = "there the derivative is singular, and no small move of the inputs makes the next one of outputs."
    return _ends(fraction) + words


def _at_an_end(model: Model, i: int, end: int, fraction: float) -> str:
    reached = f"{model.input_names[i]} reaches {model.scale.ends(i)[end]:g}, and goes no further."
    return f"{_ends(fraction)}{reached} Start elsewhere, or ask for what is nearer."


def _missed(names: tuple[str, ...], off: Array, model: Model) -> str | None:
    """Return which output misses the target most at the end of the way: with more outputs than inputs one may."""
    scatter = model.noise(names)
    worst = int(np.argmax(np.abs(off) / scatter))
    if np.abs(off[worst]) <= scatter[worst]:
        return None
    by = ("+" if off[worst] > 0 else "") + model.scale.amount(off[worst])
    return f"The path ends as near as the inputs come to all outputs at once: {names[worst]} is off by {by}."


def _slopes(model: Model, columns: list[int], x: Array) -> Array:
    return model.derivative(x)[columns]


def _start(model: Model, inputs: Mapping[str, float]) -> Array:
    check_names(inputs, model.input_names)
    missing = [name for name in model.input_names if name not in inputs]
    if missing:
        raise BadTarget(f"The known inputs lack {', '.join(missing)}.", "Give each input of the model.")
    return check_inputs(inputs, model.input_names, model.scale)


def _known(model: Model, names: tuple[str, ...], start: Array, outputs: Mapping[str, float]) -> Array:
    predicted = dict(zip(model.output_names, model.predict(start[None])[0].tolist(), strict=True))
    if outputs:
        told, values = check_target(outputs, model.output_names)
        predicted |= dict(zip(told, values.tolist(), strict=True))
    return np.array([predicted[name] for name in names])
