"""Quantiles of mixtures: by a root finder on SciPy's normal distribution, and by many samples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import brentq

from retrolux.models import quantiles
from retrolux.models.mixture import Mixture, sampled
from retrolux.models.mixture_ellipsoids import Ellipsoids
from retrolux.models.mixture_quantiles import quantile


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.floats(0.001, 0.999))
def test_they_are_roots_of_the_distribution_function(seed, k, level):
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.full(k, 0.5), size=4)
    means, std = 5 * rng.normal(size=(4, k, 2)), 10.0 ** rng.uniform(-3, 1, (k, 2))
    found, median = quantile((level, 0.5), weights, means, std)
    assert ((found <= median) if level < 0.5 else (found >= median - 1e-12)).all()
    for row in range(4):
        for column in range(2):
            parts = stats.norm(means[row, :, column], std[:, column])
            ends = parts.ppf(level)
            other = (
                brentq(lambda x, p=parts, w=weights[row]: w @ p.cdf(x) - level, ends.min() - 1, ends.max() + 1)
                if np.ptp(ends) > 0
                else ends[0]
            )
            assert weights[row] @ parts.cdf(found[row, column]) == pytest.approx(level, abs=1e-9)
            if weights[row] @ parts.pdf(other) > 1e-3:  # else there is a gap, of which any point will do
                assert found[row, column] == pytest.approx(other, abs=1e-7)


def test_a_narrow_component_far_from_the_others_is_found():
    """There Newton's steps go to and fro between the broad ones."""
    for seed in (29, 76, 89, 93, 162, 167, 869, 1055):
        rng = np.random.default_rng(seed)
        k = rng.integers(1, 7)
        weights = rng.dirichlet(np.full(k, 0.5), size=50)
        means, std = 5 * rng.normal(size=(50, k, 2)), 10.0 ** rng.uniform(-3, 1, (k, 2))
        for level, found in zip((0.05, 0.95), quantile((0.05, 0.95), weights, means, std), strict=True):
            held = (weights[:, :, None] * stats.norm.cdf(found[:, None], means, std)).sum(axis=1)
            assert held == pytest.approx(np.full((50, 2), level), abs=1e-9)


def test_a_posterior_is_that_of_many_samples():
    """Two components apart: the interval's ends, and nine tenths in the ellipsoid."""
    rng = np.random.default_rng(1)
    means = np.array([[0.0, 0, 0, 0], [25.0, 10, 30, 15]])
    roots = rng.normal(size=(2, 4, 4)) + 12 * np.eye(4)
    covariances = roots @ roots.transpose(0, 2, 1)
    mixture = Mixture(np.zeros(4), np.ones(4), np.array([0.4, 0.6]), means, covariances, 1e6)
    asked = mixture.given([0], [1, 2, 3])
    given_ = np.array([[12.0], [3.0]])
    found = asked.posterior(given_, samples=2, seed=0)
    for row, value in enumerate(given_):
        draws = sampled(asked.at(value), 200_000, 5)
        assert found.mean[row] == pytest.approx(draws.mean(axis=0), abs=0.15)
        assert found.std[row] == pytest.approx(draws.std(axis=0), rel=0.01)
        for ends, level in ((found.low, 0.05), (found.high, 0.95)):
            share = (draws <= ends[row]).mean(axis=0)
            assert share == pytest.approx(np.full(3, level), abs=0.002)
        away = draws - found.mean[row]
        inside = (np.linalg.solve(found.ellipsoids[row], away.T).T * away).sum(axis=1) <= 1
        assert inside.mean() == pytest.approx(0.9, abs=0.005)


def test_the_ellipsoid_of_a_component_alone_is_its_own():
    covariance = np.array([[[2.0, 0.5], [0.5, 1.0]], [[9.0, 0.0], [0.0, 9.0]]])
    weights, away = np.array([[1.0, 0.0]]), np.array([[[0.0, 0], [30, 30]]])
    assert Ellipsoids(covariance).holding(0.9, weights, away, covariance[:1]).tolist() == [1.0]


def test_points_that_are_kept_are_scipys():
    assert quantiles.chi2(0.9, 3) == stats.chi2.ppf(0.9, 3)
    assert quantiles.student(0.95, 7.5) == stats.t.ppf(0.95, 7.5)
    assert quantiles.fisher(0.9, 3, 40.0) == stats.f.ppf(0.9, 3, 40.0)
