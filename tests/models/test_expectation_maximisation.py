"""Rounds of expectation maximisation against gmr's, and what every such round keeps."""

import numpy as np
import pytest
from gmr import GMM
from scipy.stats import multivariate_normal

from retrolux.models.expectation_maximisation import Expected, Table, rounds
from retrolux.models.mixture import _expectation_maximisation, _start


def clusters(n: int, d: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    table = np.vstack([rng.normal(3 * rng.normal(size=d), 1, (n, d)) for _ in range(3)])
    return 10 * (table - table.mean(axis=0)) / table.std(axis=0)


def by_gmr(table: np.ndarray, k: int, seed: int, floor: np.ndarray, n: int) -> GMM:
    mixture = _start(table, k, seed)
    for _ in range(n):
        mixture.from_samples(table, n_iter=1)
        mixture.covariances = mixture.covariances + floor
    return mixture


@pytest.mark.parametrize(("d", "k"), [(1, 2), (3, 4), (6, 6), (25, 2)])
def test_they_are_gmrs(d, k):
    table, floor = clusters(70, d, d), 5.0 * np.eye(d)
    found = rounds(Table(table), _start(table, k, 1), floor)
    for _ in range(12):
        mixture, log_likelihood = next(found)
    expected = by_gmr(table, k, 1, floor, 12)
    assert mixture.priors == pytest.approx(expected.priors, abs=1e-10)
    assert mixture.means == pytest.approx(expected.means, abs=1e-8)
    assert mixture.covariances == pytest.approx(expected.covariances, abs=1e-7)
    parts = [
        prior * multivariate_normal(mean, covariance).pdf(table)
        for prior, mean, covariance in zip(expected.priors, expected.means, expected.covariances, strict=True)
    ]
    assert log_likelihood == pytest.approx(np.log(np.sum(parts, axis=0)).sum())


def test_without_a_floor_the_likelihood_never_falls():
    table = clusters(80, 3, 2)
    found = rounds(Table(table), _start(table, 3, 0), np.zeros((3, 3)))
    likelihoods = [next(found)[1] for _ in range(25)]
    assert (np.diff(likelihoods) > -1e-9 * np.abs(likelihoods[0])).all()
    assert likelihoods[-1] > likelihoods[0]


def test_shares_of_a_reading_add_up_to_one_also_far_from_all_components():
    table = np.vstack([clusters(40, 2, 5), [[1e4, -1e4]]])
    expected = Expected.of(Table(table), _start(table, 2, 0))
    assert np.exp(expected.logs - expected.whole).sum(axis=0) == pytest.approx(np.ones(len(table)))
    assert np.isfinite(expected.whole).all()


def test_a_mixture_is_where_gmr_ends():
    table = clusters(60, 4, 3)
    mixture = _expectation_maximisation(table, 3, 0)
    floor = 5.0 * np.eye(4)
    ends = [by_gmr(table, 3, 0, floor, n).means for n in range(1, 60)]
    assert min(np.abs(mixture.means - means).max() for means in ends) < 1e-8
