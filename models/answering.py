"""One answer of a method, or several: where several can be, they are looked for, judged and put in order."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from retrolux.models import branches, derivatives, verdict
from retrolux.models.derivatives import Sensitivity
from retrolux.models.posterior import Array, Posterior
from retrolux.models.settling import Wish
from retrolux.models.solution import Solution
from retrolux.models.targets import check_target

if TYPE_CHECKING:
    from retrolux.models.method import Method
    from retrolux.models.setting import Setting

NEARLY = 1.5  # times the least miss: as near as any


def answered(wish: Wish, posterior: Posterior, samples: int, seed: int, setting: "Setting | None") -> Solution:
    """Return the method's own answer, or the likeliest of several with the others beside it.

    Further ones are looked for only where the target leaves an input open, or the method bends.

    Parameters
    ----------
    posterior : Posterior
        The method's own answer, one row.
    """
    wide = bool(posterior.std.max() > branches.WIDE)
    if not (wide or _mixed(wish, posterior)):
        return told(wish, posterior, setting)
    if wide and (outputs := unexplained(wish)):
        return branches.unexplained(told(wish, posterior, setting), outputs)
    parts = _parts(wish, posterior, samples, seed)
    found = [replace(told(wish, p.posterior, setting), weight=p.weight, own=p.posterior is posterior) for p in parts]
    given = [one for one in found if _gives(wish, one)]
    if not given and _as_near(wish, posterior, parts):
        return told(wish, posterior, setting)
    if len(given) < len(found):  # the first of them may be gone
        given = sorted(given or found[:1], key=lambda one: -one.weight)
    return branches.assembled(given)


def told(wish: Wish, posterior: Posterior, setting: "Setting | None") -> Solution:
    """Return an answer with all that is to be said of it: its uncertainty, what it is predicted to give, verdicts."""
    method, names, columns = wish.model, wish.names, wish.model.data.columns(wish.names)
    own = posterior.scaled(method._honesty(names))
    found = setting.widened(own, names) if setting else own
    offset = setting.ambient.mean if setting else np.zeros(len(method.output_names))
    asked = wish.values + offset[columns]
    reach = method.judge.attainable(method, names, asked, found.mean[0], setting)
    if not reach.met:
        there = method.scale.scaled(np.array(list(reach.inputs.values())))
        found = found.moved(nearer(method, names, wish.values[None], found.mean, there[None]))
    mean, *spread = (part[0] for part in found.parts)
    reached = method.predict(mean[None])[0] + offset
    novelty = float(method.judge.novelty(method, names, wish.values))
    scale = method.scale
    inputs, predicted = _named(method.input_names, scale.own(mean)), _named(method.output_names, reached)
    size, scatter = _size(method, columns, asked), method._residual_covariance(columns)
    missed = verdict.misses(asked, reached[columns], scatter, size, reach, scale)
    strange = verdict.strangeness(inputs, method._span, novelty)
    return Solution(
        model=method.method,
        target=_named(names, asked),
        inputs=inputs,
        std=_named(method.input_names, spread[0] * scale.width),
        interval90=_named(method.input_names, scale.own(np.array(spread[1:])).T),
        ellipsoid90=_rows(found.ellipsoids[0] * scale.width * np.broadcast_to(scale.width, len(mean))[:, None]),
        predicted=predicted,
        feasible=reach.met,
        in_domain=not strange,
        warnings=(*missed, *strange, *verdict.remarks(inputs, spread[0], predicted, scale)),
        attainable=reach,
        novelty_p=novelty,
        ambient=_named(method.output_names, offset) if setting else None,
        own=bool((mean == own.mean[0]).all()),
    )


def nearer(method: "Method", names: tuple[str, ...], rows: Array, answers: Array, nearest: Array) -> Array:
    """Return answers to targets out of reach, or the nearest inputs where by its own predictions these miss less.

    By much less, and where its own answer was cut off at a bound, or its outputs bend: it may be far from the nearest.
    ``linear`` minimises the miss in counts, as the paper does, and keeps its answer; of a table, whose outputs have
    units of their own, it takes the nearest.

    Parameters
    ----------
    rows : ndarray, shape (n_targets, len(names))
        Targets, net of ambient light where the method is.
    answers, nearest : ndarray, shape (n_targets, n_inputs)
        The method's own inputs, and those of the nearest that can be met.
    """
    if method.nearest_in_counts:
        return answers if method.scale.counts else nearest
    columns, scatter = method.data.columns(names), method.noise(names)
    own, near = ((((method.predict(x)[:, columns] - rows) / scatter) ** 2).sum(axis=1) for x in (answers, nearest))
    cut = ((answers <= 0) | (answers >= 1)).any(axis=1) | method._bends(names)
    return np.where((cut & (own > NEARLY**2 * near))[:, None], nearest, answers)


def _gives(wish: Wish, answer: Solution) -> bool:
    """Return whether an answer is predicted to give what is asked, whether or not others would."""
    asked, reached = (np.array([part[name] for name in wish.names]) for part in (answer.target, answer.predicted))
    method, columns = wish.model, wish.model.data.columns(wish.names)
    return verdict.gives(asked, reached, method._residual_covariance(columns), _size(method, columns, asked))


def _size(method: "Method", columns: list[int], asked: Array) -> Array:
    return np.abs(asked) if method.scale.counts else np.ptp(method.data.outputs[:, columns], axis=0)


def _rows(matrix: Array) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in matrix.tolist())


def _named(names: Sequence[str], values: Array) -> dict[str, Any]:
    return dict(zip(names, values.tolist(), strict=True))


def unmixed(method: "Method", names: tuple[str, ...], rows: Array, found: Posterior, samples: int) -> Posterior:
    """Return recovered inputs with the likeliest answer wherever a mean is vague and does not give its target."""
    missed = (method.predict(found.mean)[:, method.data.columns(names)] - rows) / method.noise(names)
    mixed = (np.abs(missed).max(axis=1) > branches.MISSED) & (found.std.max(axis=1) > branches.WIDE / 2)
    every = found.rows()
    for i in np.flatnonzero(mixed):
        every[i] = _parts(Wish(method, names, rows[i]), every[i], samples, 0)[0].posterior
    return Posterior.joined(every)


def sensitivity(method: "Method", solution: "Solution", offset: Array) -> Sensitivity:
    """Return how an answer moves with its target.

    Of several it is the shortest move that gives what is asked, else that of the method's own answer.

    Parameters
    ----------
    offset : ndarray, shape (n_outputs,)
        Counts in the target that are not the method's, as ambient light that is known.

    Raises
    ------
    NoDerivative
    """
    names, values = check_target(solution.target, method.data.output_names)
    scale, columns = method.scale, method.data.columns(names)
    inputs = scale.scaled(np.array(list(solution.inputs.values())))
    if (method.reweighs and method.prior_moves) or not solution.own:
        slopes = method.derivative(inputs)[columns]
        nearest = derivatives.least_move(slopes, inputs, method.noise(names))
        of = derivatives.NEAREST if method.moves_of == derivatives.ANSWER else method.moves_of
        return _sensitivity(method, nearest, names, of)
    moves = method._moves(names, values - offset[columns], inputs)
    return _sensitivity(method, moves, names, method.moves_of)


def _sensitivity(method: "Method", moves: Array, names: tuple[str, ...], of: str) -> Sensitivity:
    scale = method.scale
    own = (moves.T * scale.width).T
    return Sensitivity.named(own, method.input_names, names, of, per=derivatives.PER if scale.counts else 1.0)


def _parts(wish: Wish, own: Posterior, samples: int, seed: int) -> list[branches.Part]:
    return branches.parts(wish.model._possible(wish.names, wish.values, max(samples, branches.DRAWS), seed), own, wish)


def _mixed(wish: Wish, own: Posterior) -> bool:
    """Return whether a method's own answer may be the mean of several near each other: it does not give the target."""
    near = own.std.max() > branches.NARROW and wish.model._bends(wish.names)
    return bool(near and wish.missed(own.mean)[0] > branches.MISSED)


def _as_near(wish: Wish, own: Posterior, parts: list[branches.Part]) -> bool:
    """Return whether the method's own answer to what cannot be reached comes about as near as any other."""
    others = wish.missed(np.vstack([part.posterior.mean for part in parts]))
    return bool(wish.missed(own.mean)[0] <= NEARLY * others.min())


def unexplained(wish: Wish) -> list[str]:
    """Return the outputs of which a straight line explains less than half; none where the method can bend."""
    method = wish.model
    if not method.straight:
        return []
    columns = method.data.columns(wish.names)
    outputs = method.data.outputs[:, columns]
    left = (outputs - method.predict(method.data.inputs)[:, columns]).var(axis=0)
    whole = outputs.var(axis=0)
    return [name for name, rest, all_of_it in zip(wish.names, left, whole, strict=True) if rest > all_of_it / 2]
