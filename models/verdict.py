"""Whether an answer can be trusted: does it reach the target, and did the model see readings like it?"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from retrolux.models import quantiles
from retrolux.models.attainable import Attainable
from retrolux.models.exposure import CEILING
from retrolux.models.novelty import UNUSUAL
from retrolux.models.posterior import Array
from retrolux.models.scale import Scale

_CONFIDENCE = 0.999
_CLOSE = 0.01  # a miss that nobody minds
SMALL = 1e-4  # of an output's range: a residual that is none
_VAGUE = 0.2  # standard deviation of an input above which the target hardly determines it


def covariance(residuals: Array, lost: int, size: Array) -> Array:
    """Return the covariance of residuals, shape (n_rows, n_columns), when ``lost`` degrees of freedom went.

    Parameters
    ----------
    size : ndarray, shape (n_columns,)
        Spread of the outputs themselves, of whose millionth nobody is surer.
    """
    scale = np.maximum(np.abs(np.ascontiguousarray(residuals.T)).max(axis=1), size)
    standard = residuals / scale
    matrix = standard.T @ standard / max(len(residuals) - lost, 1)
    return np.asarray(np.outer(scale, scale) * (matrix + 1e-12 * np.eye(len(scale))))


def distance(points: Array, centre: Array, scatter: Array) -> Array:
    """Return squared Mahalanobis distances of rows to a centre."""
    unit = np.sqrt(np.diag(scatter))
    z = (points - centre) / unit
    inverse = np.linalg.pinv(scatter / np.outer(unit, unit), hermitian=True)
    return np.asarray(np.einsum("ri,ij,rj->r", z, inverse, z))


def misses(  # noqa: PLR0913, PLR0917 - what a miss is told by
    asked: Array, reached: Array, scatter: Array, size: Array, reach: Attainable, scale: Scale
) -> list[str]:
    """Return, in words, what of a target cannot be met and what comes nearest; or that the answer misses it.

    Parameters
    ----------
    asked, reached : ndarray, shape (n_targets,)
        The target, and the forward prediction at the answer.
    scatter : ndarray, shape (n_targets, n_targets)
        Of the model's predictions.
    size : ndarray, shape (n_targets,)
        See :func:`gives`.
    """
    names = list(reach.nearest)
    if not reach.met:
        return [*_conflicts(dict(zip(names, asked.tolist(), strict=True)), reach, scale), _nearest(reach, scale)]
    if gives(asked, reached, scatter, size):
        return []
    miss = np.abs(reached - asked)
    off = ", ".join(f"{n} {scale.amount(r)}" for n, r, m in zip(names, reached, miss, strict=True) if m == miss.max())
    return [f"The answer misses the target ({off}), which other inputs meet: {_listed(reach.inputs, scale)}."]


def gives(asked: Array, reached: Array, scatter: Array, size: Array) -> bool:
    """Return whether a prediction is the target within 1 % of each output, or within the model's own scatter.

    Parameters
    ----------
    size : ndarray, shape (n_targets,)
        What 1 % is of: counts as they were asked for, of any other output how far it ranges, for it may have no zero.
    """
    close = bool(np.all(np.abs(reached - asked) <= _CLOSE * size))
    return close or bool(distance(reached[None], asked, scatter)[0] <= _bound(len(asked)))


def strangeness(inputs: dict[str, float], span: tuple[Array, Array], novelty: float) -> list[str]:
    """Return, in words, what sets an answer apart from the readings; nothing when it lies among them.

    Parameters
    ----------
    inputs : mapping of str to float
        The answer's, in their own units.
    span : tuple of ndarray, each of shape (n_inputs,)
        Least and greatest inputs of the readings, in the same.
    novelty : float
        The target's p-value among the readings.
    """
    beyond = outside(np.array(list(inputs.values())), span)
    low, high = span
    words = [
        f"{name} = {value:.3g} lies outside the readings, {low[i]:.3g} … {high[i]:.3g}."
        for i, (name, value) in enumerate(inputs.items())
        if beyond[i]
    ]
    if novelty < UNUSUAL:
        words.append(f"The target is unlike the readings (p = {_probability(novelty)}): few or none are near it.")
    return words


def outside(inputs: Array, span: tuple[Array, Array]) -> NDArray[np.bool_]:
    """Return which inputs, shape (…, n_inputs), lie outside the readings' span, and a little more."""
    low, high = span
    slack = 0.02 * (high - low)
    return np.asarray((inputs < low - slack) | (inputs > high + slack))


def remarks(inputs: dict[str, float], std: Array, predicted: dict[str, float], scale: Scale) -> list[str]:
    """Return what else a person should know of an answer; its standard deviations are those of inputs in [0, 1]."""
    vague = [name for name, s in zip(inputs, std, strict=True) if s > _VAGUE]
    over = [name for name, counts in predicted.items() if scale.counts and counts >= CEILING]
    words = [f"The target hardly determines {', '.join(vague)}: see the interval."] if vague else []
    if over:
        words.append(f"At the reference exposure {', '.join(over)} would saturate (above {CEILING} counts).")
    return words


def _conflicts(asked: dict[str, float], reach: Attainable, scale: Scale) -> list[str]:
    words = [
        f"{name}: {scale.amount(asked[name])}{scale.unit} cannot be reached; "
        f"it can have {scale.amount(low)} … {scale.amount(high)}."
        for name, (low, high) in reach.reach.items()
    ]
    return words + [_together(names, asked, reach, scale) for names in reach.conflicts if len(names) > 1]


def _together(names: Sequence[str], asked: dict[str, float], reach: Attainable, scale: Scale) -> str:
    ends = [name for name in names if name in reach.reach]
    others = [f"{name} at {scale.amount(asked[name])}" for name in names if name not in reach.reach]
    if ends:
        beside = f" with {' and '.join(others)}" if others else " together"
        whose = "its" if len(ends) == 1 else "their"
        return f"Even at the end of {whose} reach {' and '.join(ends)} cannot be met{beside}."
    return f"{' and '.join(others)} cannot be reached together."


def _nearest(reach: Attainable, scale: Scale) -> str:
    outputs = ", ".join(f"{name} {scale.amount(value)}" for name, value in reach.nearest.items())
    return f"The nearest that can be met: {outputs}, by {_listed(reach.inputs, scale)}."


def _listed(inputs: Mapping[str, float], scale: Scale) -> str:
    return ", ".join(f"{name} {scale.setting(value)}" for name, value in inputs.items())


def _probability(p: float) -> str:
    return f"{p:.2g}" if p >= 1e-4 else "below 0.0001"


def _bound(columns: int) -> float:
    return quantiles.chi2(_CONFIDENCE, columns)
