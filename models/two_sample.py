"""A classifier two-sample test: can readings of two logs be told apart?

Lopez-Paz and Oquab, *Revisiting classifier two-sample tests*, ICLR 2017. The figure is the area under the ROC curve
(AUC) of a classifier on sittings that it has not seen: 0.5 where it cannot tell, 1 where it always can.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits

from retrolux.models.dataset import Dataset
from retrolux.models.errors import BadData
from retrolux.models.sittings import sittings
from retrolux.models.traces import Array, Index, Rows, Traces, traces

CONSISTENT = 0.01
"""Level of the test by which an offset between the logs counts as the same from sitting to sitting."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How well two logs can be told apart.

    Attributes
    ----------
    auc : float
        Area under the ROC curve on unseen sittings, by all the channels together.
    by_channel : dict of str to float
        The same by the inputs and one channel alone.
    n : tuple of int
        Readings of the first and of the second log.
    sittings : int
        Of both logs together.
    """

    auc: float
    by_channel: dict[str, float]
    n: tuple[int, int]
    sittings: int

    def to_json(self) -> dict[str, Any]:
        """Return the comparison in the form that the command line prints."""
        return {
            "auc": self.auc,
            "by_channel": dict(self.by_channel),
            "n": {"a": self.n[0], "b": self.n[1]},
            "sittings": self.sittings,
        }


def compare(  # noqa: PLR0913 - two logs, their times, and how to compare them
    a: Dataset,
    b: Dataset,
    times_a: ArrayLike,
    times_b: ArrayLike,
    channels: Sequence[str] | None = None,
    *,
    seed: int = 0,
    folds: int = 10,
    alone: bool = True,
) -> Comparison:
    """Train a classifier to tell two logs apart, and say how well it does on sittings that it has not seen.

    Parameters
    ----------
    a, b : Dataset
        Of the same inputs; the order of the readings does not matter.
    times_a, times_b : array_like, shape (n_rows,)
        Seconds since 1970. What was read, or simulated, at the same time is kept in one fold.
    channels : sequence of str, optional
        By default those that both logs have.
    seed : int
        Of folds and classifier.
    folds : int
        At most; never more than there are sittings.
    alone : bool
        Whether to judge each channel by itself, too.

    Raises
    ------
    BadData
        For different inputs, times that do not match the readings, no common channel, or fewer than two sittings.
    UnknownColumn
        When a channel is not one of both logs.
    """
    names = _channels(a, b, channels)
    rows = _rows(a.select(names), b.select(names), times_a, times_b)
    parts = _folds(rows, folds, seed)
    found = traces(rows)
    every = list(range(len(names)))
    with threadpool_limits(1):  # a few hundred readings: threads would only wait for one another
        auc = _auc(rows, found, parts, every, seed)
        single = {name: _auc(rows, found, parts, [i], seed) for i, name in enumerate(names)} if alone else {}
    return Comparison(auc, single, (len(a), len(b)), int(rows.sitting.max()) + 1)


def _channels(a: Dataset, b: Dataset, channels: Sequence[str] | None) -> tuple[str, ...]:
    if a.input_names != b.input_names:
        raise BadData("The two logs have different inputs.", "Compare like with like.")
    names = tuple(channels) if channels else tuple(c for c in a.output_names if c in b.output_names)
    if not names:
        raise BadData("The two logs have no channel in common.", "Compare logs of the same channels.")
    return names


def _rows(a: Dataset, b: Dataset, times_a: ArrayLike, times_b: ArrayLike) -> Rows:
    times = [np.asarray(t, dtype=np.float64).ravel() for t in (times_a, times_b)]
    for data, when in zip((a, b), times, strict=True):
        if len(data) != len(when):
            raise BadData(f"{len(data)} readings have {len(when)} times.", "Give each reading its time.")
    both = Dataset(
        np.vstack([a.inputs, b.inputs]),
        np.vstack([a.outputs, b.outputs]),
        np.vstack([a.saturated, b.saturated]),
        a.input_names,
        a.output_names,
    )
    second = np.repeat([False, True], [len(a), len(b)])
    return Rows(both, second, np.concatenate(times), np.concatenate(sittings(*times)))


Fold = tuple[Index, Index]
"""The readings to learn from and the readings to judge, by index."""


def _folds(rows: Rows, most: int, seed: int) -> list[Fold]:
    """Return folds of whole sittings in which both logs are to be learnt and judged. Raises BadData."""
    fewest = min(len(np.unique(rows.sitting[rows.second == log])) for log in (False, True))
    if fewest < 2:
        raise BadData(
            "A log has fewer than two sittings, so that nothing could be judged by one that was not learnt.",
            "Compare logs of two sittings or more; a pause of ten minutes begins another.",
        )
    split = StratifiedGroupKFold(max(2, min(most, fewest)), shuffle=True, random_state=seed)
    parts = split.split(rows.sitting, rows.second, rows.sitting)
    fair = [(learn, test) for learn, test in parts if _of_both(rows, learn) and _of_both(rows, test)]
    if not fair:
        raise BadData(
            "The sittings of the two logs cannot be shared out so that both are to be learnt and judged.",
            "Compare logs of more sittings.",
        )
    return fair


def _of_both(rows: Rows, part: Index) -> bool:
    return len(np.unique(rows.second[part])) == 2


def _auc(rows: Rows, found: Traces, folds: Sequence[Fold], channels: list[int], seed: int) -> float:
    """Return the mean AUC over folds, each weighed by the inverse of its variance where nothing can be told.

    Scores are never compared across folds: each fold's classifier has learnt other sittings, which would make the AUC
    of logs that are alike fall below a half.
    """
    scores = [_judge(rows, found, fold, channels, seed) for fold in folds]
    weights = [1 / np.sum(1 / np.bincount(rows.second[test])) for _, test in folds]
    return float(np.average(scores, weights=weights))


def _judge(rows: Rows, found: Traces, fold: Fold, channels: list[int], seed: int) -> float:
    learn, test = fold
    table = _table(rows, found, learn, channels)
    classifier = HistGradientBoostingClassifier(
        max_iter=80,
        max_leaf_nodes=6,
        min_samples_leaf=8,
        l2_regularization=1.0,
        max_features=0.5,
        early_stopping=False,
        random_state=seed,
    )
    known = np.isfinite(table[learn]).any(axis=0)  # a channel may be saturated in all that is learnt
    table = table[:, known]
    classifier.fit(table[learn], rows.second[learn])
    return float(roc_auc_score(rows.second[test], classifier.decision_function(table[test])))


def _table(rows: Rows, found: Traces, learn: Index, channels: list[int]) -> Array:
    """Return the features: inputs, outputs, residuals, steps and bends, some of them relative to the signal.

    Trees weigh one column at a time. What channels have in common, such as the noise of one multiplexer pass, is
    therefore given to them as the difference of two channels' relative steps, for each pair.
    """
    residual = found.within + (found.offset * _consistent(rows, found, learn))[rows.block]
    parts = [rows.data.outputs, rows.data.saturated, residual, residual / found.signal, np.abs(residual) / found.signal]
    parts += [found.step, np.abs(found.step) / found.signal, np.abs(found.bend) / found.signal]
    one, other = np.triu_indices(len(channels), 1)
    relative = (found.step / found.signal)[:, channels]
    pairs = np.abs(relative[:, one] - relative[:, other])
    return np.hstack([rows.data.inputs, *(part[:, channels] for part in parts), pairs])


def _consistent(rows: Rows, found: Traces, learn: Index) -> NDArray[np.bool_]:
    """Return for each channel whether the logs' offsets differ alike in the sittings to learn from.

    Weather shifts whole sittings. A classifier would learn those few shifts by heart and see nothing else, so that an
    offset counts only where a t test finds it in what is learnt.
    """
    blocks = np.unique(rows.block[learn])
    first, second = blocks[blocks % 2 == 0], blocks[blocks % 2 == 1]
    paired = np.intersect1d(first, second - 1)
    if len(paired) >= 2:
        return _is_shifted(found.offset[paired + 1] - found.offset[paired])
    if min(len(first), len(second)) >= 2:
        return _is_shifted(found.offset[second], found.offset[first])
    return np.zeros(found.offset.shape[1], dtype=bool)


def _is_shifted(values: Array, others: Array | None = None) -> NDArray[np.bool_]:
    """Return which columns' means differ from 0, or from the others' (Welch), by a t test."""
    samples = [values] if others is None else [values, others]
    distance = values.mean(axis=0) - (0 if others is None else others.mean(axis=0))
    error = np.sqrt(sum(s.var(axis=0, ddof=1) / len(s) for s in samples))
    freedom = min(len(s) for s in samples) - 1
    shifted: NDArray[np.bool_] = np.abs(distance) > stats.t.ppf(1 - CONSISTENT / 2, freedom) * error
    return shifted
