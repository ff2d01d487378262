"""Distinct answers in a conditional mixture."""

import numpy as np
from gmr import GMM
from scipy.sparse.csgraph import connected_components

from retrolux.models.conditional import summarise
from retrolux.models.mixture import sampled
from retrolux.models.model import Posterior

_APART = 3.0  # standard deviations between two answers
_SHARE = 0.05  # least probability of an answer


def modes(mixture: GMM, samples: int, seed: int) -> list[Posterior]:
    """Return the answers, the likeliest first, one row each.

    Components whose means lie within three standard deviations of each other, in the metric of their mean covariance,
    are one answer; one that holds less than 5 % of the probability is none.
    """
    groups = [group for group in _groups(mixture) if mixture.priors[group].sum() >= _SHARE]
    parts = sorted((_part(mixture, group) for group in groups), key=lambda part: -part[0])
    return [_posterior(part, samples, seed) for _, part in parts]


def _groups(mixture: GMM) -> list[list[int]]:
    k = len(mixture.priors)
    near = np.zeros((k, k), dtype=bool)
    for i in range(k):
        for j in range(i, k):
            shared = (mixture.covariances[i] + mixture.covariances[j]) / 2
            apart = mixture.means[i] - mixture.means[j]
            near[i, j] = apart @ np.linalg.pinv(shared, hermitian=True) @ apart <= _APART**2
    n, label = connected_components(near & (mixture.priors[:, None] * mixture.priors >= 1e-6), directed=False)
    return [np.flatnonzero(label == g).tolist() for g in range(n)]


def _part(mixture: GMM, group: list[int]) -> tuple[float, GMM]:
    weight = mixture.priors[group].sum()
    part = GMM(len(group), mixture.priors[group] / weight, mixture.means[group], mixture.covariances[group])
    return float(weight), part


def _posterior(mixture: GMM, samples: int, seed: int) -> Posterior:
    whole = mixture.to_mvn()
    drawn = summarise(sampled(mixture, samples, seed)[None])
    return Posterior(whole.mean[None], np.sqrt(np.diag(whole.covariance))[None], drawn.low, drawn.high)
