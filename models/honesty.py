"""By how much a method's intervals have to be stretched to hold nine of ten readings that it did not learn from.

Cross-conformal prediction (Vovk 2015, *Annals of Mathematics and Artificial Intelligence* 74, 9): readings are left out
by days or sittings, a model is fitted to the others, and the score of a reading left out is by how much the interval
would have to be stretched to hold its inputs. MAPIE offers it for regressors of one output; an answer here has several
inputs, bounds, and a spread of its own for each target.
"""

import contextlib
from collections.abc import Iterator
from copy import copy
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from retrolux.models import readings
from retrolux.models.dataset import Dataset
from retrolux.models.errors import BadData
from retrolux.models.posterior import Array
from retrolux.models.sittings import PAUSE, sittings

if TYPE_CHECKING:
    from retrolux.models.method import Method

FOLDS = 8
"""Parts that are left out in turn: with fewer, models of what remains are worse than the model itself, and intervals
too wide. Five, eight and ten were tried on Claude-Light's autumn days: what holds of these is not quite held out."""
ENOUGH = 200
"""Readings that tell a quantile of nine in ten to a few per cent; with fewer a model's own spread is believed."""
MOST = 3000
LEVEL = 0.9
INSIDE = 0.85
"""Of readings that no input has at an end, at least: there the bounds alone hold the truth, and would at any width."""
HALF_LIFE = 30 * 86400.0
"""Seconds."""
NIGHT = 6 * 3600.0
"""Seconds without a reading that part two days."""


def measured(method: "Method", names: tuple[str, ...]) -> Array:
    """Return the factors by which a method's answers to these outputs have to be stretched.

    One an input, and the last for their ellipsoid, shape (n_inputs + 1,).
    """
    n = len(method.input_names) + 1
    if not method.calibrates or len(method.data) < ENOUGH:
        return np.ones(n)
    recent = latest(method.data)
    scores = np.full((len(recent), n), np.nan)
    for i, left in enumerate(left_out(recent)):
        witness = copy(method._witnesses.setdefault(i, method._witness(recent.take(~left))))
        witness.in_ambient = method.in_ambient
        with contextlib.suppress(BadData):  # the others do not tell what is asked: this part does not judge
            scores[left] = witness._excess(recent.take(left), names)
    return factors(scores, weights(recent), _inside(recent.inputs))


def left_out(data: Dataset) -> Iterator[NDArray[np.bool_]]:
    """Yield which readings are left out, each once, for a model that learns from the others.

    Whole days are left out where there are enough of them, else whole sittings: their ambient light, and whatever the
    instrument's response did that day, is what the model never saw.
    """
    fold = _blocks(data) % FOLDS
    yield from (fold == i for i in range(FOLDS))


def _blocks(data: Dataset) -> NDArray[np.intp]:
    if data.times is not None:
        for pause in (NIGHT, PAUSE):
            (block,) = sittings(data.times, pause=pause)
            if block.max() + 1 >= FOLDS:
                return block
    return np.arange(len(data))


def latest(data: Dataset) -> Dataset:
    """Return the latest readings that are judged by, or some of them all where no order of time is known."""
    if len(data) <= MOST or data.times is None:
        return readings.thinned(data, MOST)
    return data.take(np.sort(np.argsort(data.times, kind="stable")[-MOST:]))


def weights(data: Dataset) -> Array:
    """Return how much each reading counts, shape (n_readings,): half for every month that it is older than the latest.

    What the instrument and its surroundings did lately tells more of what they will do next (conformal prediction
    beyond exchangeability: Barber et al. 2023, *Annals of Statistics* 51, 816).
    """
    if data.times is None:
        return np.ones(len(data))
    return np.asarray(0.5 ** ((data.times.max() - data.times) / HALF_LIFE))


def _inside(inputs: Array) -> NDArray[np.bool_]:
    """Return which inputs are at neither end, and last, whether none of a reading's is."""
    inside = (inputs > 0) & (inputs < 1)
    return np.column_stack([inside, inside.all(axis=1)])


def factors(scores: Array, weight: Array, inside: NDArray[np.bool_]) -> Array:
    """Return one factor a column from the scores of readings that were left out.

    Parameters
    ----------
    scores : ndarray, shape (n_readings, n_factors)
        By how much each interval, or ellipsoid, would have to be stretched to hold the truth; see
        :meth:`Posterior.stretches`. NaN where that is not known.
    weight : ndarray, shape (n_readings,)
    inside : ndarray of bool, shape (n_readings, n_factors)
        Which truths are at neither end.

    Returns
    -------
    ndarray, shape (n_factors,)
        The least score that, with all below it, has nine tenths of the weight, the next reading's own included; and of
        the truths inside no less than 85 %. One where too few scores are known.
    """
    known = ~np.isnan(scores)
    every = [_factor(s[k], weight[k], LEVEL, ENOUGH) for s, k in zip(scores.T, known.T, strict=True)]
    within = [_factor(s[k], weight[k], INSIDE, ENOUGH / 2) for s, k in zip(scores.T, (known & inside).T, strict=True)]
    return np.array([max(pair) for pair in zip(every, within, strict=True)])


def _factor(scores: Array, weight: Array, level: float, enough: float) -> float:
    if len(scores) < enough:
        return 1.0
    order = np.argsort(scores)
    share = np.cumsum(weight[order]) / (weight.sum() + weight.max())
    return float(scores[order[min((share < level).sum(), len(order) - 1)]])
