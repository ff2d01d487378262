"""Distinct answers among draws of the inputs that may give a target.

Draws are parted by k-means, the number of parts chosen by the mean silhouette (Rousseeuw, 1987). Parts that are well
apart, with a silhouette above 0.7 ("a strong structure", Kaufman & Rousseeuw, *Finding Groups in Data*, 1990), are
branches: sets that do not touch. A branch that is narrow has one representative. A wide one, as where outputs are left
free, has one for each part; then representatives cover it, farther apart than the draws about each of them are.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score
from threadpoolctl import threadpool_limits

from retrolux.models.conditional import summarise
from retrolux.models.posterior import Array, Posterior
from retrolux.models.solution import Solution

WIDE = 0.1
"""Standard deviation of an input above which a target leaves it open enough for further answers."""

NARROW = 0.02
"""Standard deviation of the inputs below which no method is thought to have two answers."""

MISSED = 1.0
"""Standard deviations of the scatter by which a mean of several answers is seen to be none."""

MOST = 5  # representatives
NEARLY = 0.1  # of a silhouette: among parts as good as that, the finer cover better
STRONG = 0.7  # silhouette above which two parts do not touch
TWO_HUMPED = 0.5  # Sarle's coefficient: a normal distribution has 1/3, a uniform one 5/9, two points 1
LEAST = 0.05  # share of the draws that a branch has at least
DRAWS = 300  # that are looked at: silhouettes take the square of their number
CANDIDATES = 6
FEW = 3  # draws that a silhouette needs
NEIGHBOURS = 10
NEARLY_ALL = 0.95
SAME = 1e-9  # of an input
PINNED = 1e6  # weight of a point that k-means is to keep where it is

_ONE_THREAD = threading.Lock()
"""Two callers at once would give back each other's limits."""

Labels = NDArray[np.intp]


class Target(Protocol):
    """What inputs are to give; see :class:`~retrolux.models.settling.Wish`."""

    def missed(self, inputs: Array) -> Array:
        """Return by how many standard deviations of a reading rows of inputs miss it, shape (n_rows,)."""

    def settled(self, candidates: Array) -> Array:
        """Return inputs that give it, near the first of some candidates."""


@dataclass(frozen=True, eq=False)
class Part:
    """What one representative stands for.

    Attributes
    ----------
    posterior : Posterior
        One row: the representative, and the spread of the branch it lies on.
    weight : float
        Share of the draws that lie nearest to it.
    """

    posterior: Posterior
    weight: float


def within(draws: Array) -> Array:
    """Return the draws that lie in [0, 1], shape (n, n_inputs); all of them, clipped, where nearly none does."""
    inside = ((draws >= 0) & (draws <= 1)).all(axis=1)
    return draws[inside] if inside.sum() >= max(len(draws) / 10, 2) else np.clip(draws, 0, 1)


def parts(draws: Array, own: Posterior, target: Target) -> list[Part]:
    """Return one part, the method's own answer, or those of several answers, the likeliest first.

    Parameters
    ----------
    draws : ndarray, shape (n_draws, n_inputs)
    own : Posterior
        The method's own answer, one row; kept where all draws are one branch.
    target : Target
    """
    with _ONE_THREAD, threadpool_limits(1):  # so few points are faster on one thread, by far where cores are busy
        return _parts(draws[:DRAWS], own, target)


def _parts(looked_at: Array, own: Posterior, target: Target) -> list[Part]:
    label = _branches(looked_at)
    branches = [looked_at[label == b] for b in np.unique(label)]
    branches = sorted((b for b in branches if len(b) >= LEAST * len(looked_at)), key=len, reverse=True)
    if len(branches) == 1 and not _wide(looked_at):
        return [Part(own, 1.0)]
    if len(branches) == 1:
        points = _apart(_answers(_covering(looked_at, own.mean[0], target), target), looked_at)
        return _judged(points, looked_at, own, target)
    each = [[(point, i) for point in _representatives(b, target)] for i, b in enumerate(branches)]
    found = [pair for rank in zip_longest(*each) for pair in rank if pair is not None][:MOST]  # of every branch
    points = _apart([point for point, _ in found], np.concatenate(branches))
    kept = [i for point, i in found if any(point is p for p in points)]
    return _shared(points, kept, np.concatenate([branches[i] for i in sorted(set(kept))]), own)


def assembled(found: Sequence[Solution]) -> Solution:
    """Return the first answer with the others beside it, their weights adding up to 1."""
    whole = sum(one.weight for one in found)
    first, *others = [replace(one, weight=one.weight / whole) for one in found]
    if not others:
        return first
    words = f"{len(found)} answers that lie apart give this target: see the further solutions and their weights."
    return replace(first, warnings=(*first.warnings, words), solutions=tuple(others))


def unexplained(found: Solution, outputs: Sequence[str]) -> Solution:
    """Return an answer with what a person should know who asks a straight line of what is none."""
    words = (
        f"{found.model} is a straight line, which explains less than half of what {', '.join(outputs)} does in the "
        "readings: its answer says little. Ask gmm, which can bend."
    )
    return replace(found, warnings=(*found.warnings, words))


def _wide(draws: Array) -> bool:
    return bool(draws.std(axis=0).max() > WIDE)


def _branches(draws: Array) -> Labels:
    """Return to which branch each draw belongs."""
    if not (_wide(draws) or _two_humped(draws)):
        return np.zeros(len(draws), dtype=np.intp)
    cells = _best([_cells(draws, k) for k in _numbers(draws, 2)], draws)
    n = cells.max() + 1
    touching = np.eye(n, dtype=bool)
    for i in range(n):
        for j in range(i):
            both = (cells == i) | (cells == j)
            touching[i, j] = both.sum() < FEW or silhouette_score(draws[both], cells[both]) <= STRONG
    return np.asarray(connected_components(touching, directed=False)[1][cells], dtype=np.intp)


def _two_humped(draws: Array) -> bool:
    """Return whether an input or a principal component looks like two humps, by Sarle's coefficient."""
    spread = draws.std(axis=0)
    standard = (draws - draws.mean(axis=0))[:, spread > 1e-9] / spread[spread > 1e-9]
    if not standard.size:
        return False
    turned = standard @ np.linalg.eigh(standard.T @ standard)[1][:, -1:]
    both = np.hstack([standard, turned])
    return bool(((stats.skew(both) ** 2 + 1) / stats.kurtosis(both, fisher=False)).max() > TWO_HUMPED)


def _numbers(draws: Array, least: int) -> range:
    """Return how many parts to try; k-means warns where there are fewer points."""
    return range(least, min(MOST, len(np.unique(draws.round(6), axis=0)) - 1) + 1)


def _cells(draws: Array, k: int) -> Labels:
    return np.asarray(KMeans(k, n_init=2, random_state=0).fit_predict(draws), dtype=np.intp)


def _best(tried: Sequence[Labels], draws: Array) -> Labels:
    """Return the finest parts whose mean silhouette is nearly the greatest; one where nothing was tried."""
    if not tried:
        return np.zeros(len(draws), dtype=np.intp)
    found = [silhouette_score(draws, cells) for cells in tried]
    return [cells for cells, s in zip(tried, found, strict=True) if s >= max(found) - NEARLY][-1]


def _representatives(branch: Array, target: Target) -> list[Array]:
    """Return one answer of a narrow branch, several of a wide one."""
    if not _wide(branch) or len(branch) <= MOST:
        return [target.settled(_nearest(branch, branch.mean(axis=0)))]
    cells = _best([_cells(branch, k) for k in _numbers(branch, 2)], branch)
    order = np.argsort(-np.bincount(cells), kind="stable")
    return [target.settled(_nearest(branch, branch[cells == i].mean(axis=0))) for i in order]


def _covering(draws: Array, middle: Array, target: Target) -> list[Array]:
    """Return answers that cover one wide branch: the method's own, if it is among the draws, and others about it."""
    if not _among(draws, middle):  # as in the middle of a ring
        return _representatives(draws, target)
    own = target.settled(np.vstack([middle, _nearest(draws, middle)]))
    table = np.vstack([own, draws])
    weight = np.concatenate([[PINNED], np.ones(len(draws))])
    tried = [KMeans(k, n_init=2, random_state=0).fit(table, sample_weight=weight).labels_ for k in _numbers(draws, 3)]
    cells = _best(tried, table)
    others = [i for i in np.argsort(-np.bincount(cells), kind="stable") if i != cells[0]]
    return [own, *(target.settled(_nearest(draws, table[cells == i].mean(axis=0))) for i in others)]


def _among(draws: Array, point: Array) -> bool:
    """Return whether a point's neighbours are about as near as those of nearly all draws."""
    near = np.sort(cdist(draws, draws), axis=0)[min(NEIGHBOURS, len(draws) - 1)]
    own = np.sort(cdist(draws, point[None])[:, 0])[: NEIGHBOURS + 1][-1]
    return bool(own <= np.quantile(near, NEARLY_ALL))


def _nearest(draws: Array, point: Array) -> Array:
    order = np.argsort(((draws - point) ** 2).sum(axis=1), kind="stable")
    return np.asarray(draws[order[:CANDIDATES]])


def _answers(points: Sequence[Array], target: Target) -> list[Array]:
    """Return the points that give the target, or all where none does: draws that touch may have others between."""
    missed = target.missed(np.array(points))
    return [point for point, m in zip(points, missed, strict=True) if m <= max(MISSED, 2 * missed.min())]


def _apart(points: Sequence[Array], draws: Array) -> list[Array]:
    """Return the points that lie farther apart than the draws about them are, those that came first."""
    at = np.array(points)
    distance = cdist(draws, at)
    nearest = distance.argmin(axis=1)
    mine = [distance[nearest == i, i] for i in range(len(at))]
    spread = np.array([np.sqrt((d**2).mean()) if len(d) else np.inf for d in mine])
    apart = cdist(at, at) > np.maximum.outer(spread, spread)
    kept: list[int] = []
    for i in range(len(at)):
        if apart[i, kept].all():
            kept.append(i)
    return [points[i] for i in kept]


def _judged(points: Sequence[Array], draws: Array, own: Posterior, target: Target) -> list[Part]:
    """Return answers among draws that touch: on one branch only where the way between them gives the target too."""
    n = len(points)
    joined = np.eye(n, dtype=bool)
    for i in range(n):
        for j in range(i):
            joined[i, j] = _between(points[i], points[j], target)
    branch = connected_components(joined, directed=False)[1]
    return _shared(points, branch.tolist(), draws, own)


def _between(one: Array, other: Array, target: Target) -> bool:
    """Return whether half-way between two answers is one."""
    middle = (one + other) / 2
    if target.missed(middle[None])[0] < MISSED:
        return True
    found = target.settled(middle[None])
    near = ((found - middle) ** 2).sum() < ((one - other) ** 2).sum() / 16
    return bool(near and target.missed(found[None])[0] < MISSED)


def _shared(points: Sequence[Array], branch: Sequence[int], draws: Array, own: Posterior) -> list[Part]:
    """Return answers with their shares of the draws and the spread of their branches, the likeliest branch first."""
    nearest = cdist(draws, np.array(points)).argmin(axis=1)
    shares = np.bincount(nearest, minlength=len(points)) / len(draws)
    of_draw = np.asarray(branch)[nearest]
    one = len(set(branch)) == 1
    found = []
    for point, mine, share in zip(points, branch, shares, strict=True):
        spread = own if one else _spread(draws[of_draw == mine], own)
        found.append((-float((of_draw == mine).mean()), Part(_about(point, spread), float(share))))
    return [part for _, part in sorted(found, key=lambda pair: pair[0])]


def _spread(draws: Array, own: Posterior) -> Posterior:
    """Return the spread of a branch; of an input that all its draws have at an end, the method's own."""
    if len(draws) < FEW:
        return own
    found = summarise(draws[None])
    middle = found.mean[0]
    known = (middle > SAME) & (middle < 1 - SAME)
    both = known[:, None] & known
    covariance = np.where(both, found.together, np.where(np.eye(len(known), dtype=bool), own.together, 0.0))
    mean, std, low, high = (np.where(known, f, o) for f, o in zip(found.parts, own.parts, strict=True))
    return Posterior(mean, std, low, high, covariance)


def _about(point: Array, spread: Posterior) -> Posterior:
    """Return the posterior of a branch at one of its points, which its interval holds."""
    low, high = np.minimum(spread.low, point), np.maximum(spread.high, point)
    return Posterior(point[None], spread.std, low, high, spread.covariance)
