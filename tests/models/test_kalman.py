"""Filter and smoother against one joint normal distribution, and censored values against numerical integration."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from retrolux.models.kalman import Observed, Walk, excess, follow, smooth, update


def spd(n, seed, size=1.0):
    a = np.random.default_rng(seed).normal(size=(n, n))
    return size * (a @ a.T + 0.3 * np.eye(n))


WALK = Walk(np.array([3.0, -2.0]), spd(2, 1, 4.0), spd(2, 2, 0.1))
WAITS = np.array([np.inf, 5.0, 0.2, 7.0, np.inf, 3.0])
VALUES = np.array([[3.5, -1.0], [np.nan, -2.0], [4.0, np.nan], [np.nan, np.nan], [1.0, 0.0], [2.0, -1.0]])
NOISE = np.array([spd(2, 10 + i, 0.5) for i in range(6)])
SEEN = Observed(VALUES, NOISE, np.full((6, 2), np.nan), WAITS)


def joint(upto):
    """Mean and covariance of the walk at six rows given the first rows' values, by one big normal distribution."""
    n = 12
    mean, cov = np.tile(WALK.mean, 6), np.zeros((n, n))
    for i in range(6):
        for j in range(6):
            if (i < 4) == (j < 4):  # of one sitting
                begun = 0 if i < 4 else 4
                steps = np.maximum(WAITS[begun + 1 : min(i, j) + 1], 1.0).sum()
                cov[2 * i : 2 * i + 2, 2 * j : 2 * j + 2] = WALK.covariance + WALK.rate * steps
    there = np.flatnonzero(~np.isnan(VALUES[:upto].ravel()))
    noise = np.zeros((n, n))
    for i in range(6):
        noise[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = NOISE[i]
    gain = np.linalg.solve((cov + noise)[np.ix_(there, there)], cov[there]).T
    return mean + gain @ (VALUES.ravel() - mean)[there], cov - gain @ cov[there]


def test_what_is_known_before_and_after_each_row_is_the_conditional_of_a_joint_normal():
    track = follow(WALK, SEEN)
    for i in range(6):
        rows = slice(2 * i, 2 * i + 2)
        for upto, mean, cov in (
            (i, track.predicted[i], track.predicted_covariance[i]),
            (i + 1, track.mean[i], track.covariance[i]),
        ):
            wanted, spread = joint(upto)
            assert mean == pytest.approx(wanted[rows])
            assert cov == pytest.approx(spread[rows, rows])


def test_smoothed_rows_know_all_rows():
    mean, covariance, cross = smooth(SEEN, follow(WALK, SEEN))
    wanted, spread = joint(6)
    assert mean.ravel() == pytest.approx(wanted)
    for i in range(6):
        rows = slice(2 * i, 2 * i + 2)
        assert covariance[i] == pytest.approx(spread[rows, rows])
        before = spread[rows, 2 * i - 2 : 2 * i] if i not in {0, 4} else np.zeros((2, 2))
        assert cross[i] == pytest.approx(before)


@pytest.mark.parametrize("bound", [-8.0, -1.0, 0.0, 1.5, 6.0, 30.0])
def test_a_normal_variable_above_a_bound_has_scipys_moments(bound):
    up, left = excess(bound)
    wanted = stats.truncnorm(bound, np.inf)
    assert up == pytest.approx(wanted.mean(), rel=1e-6, abs=1e-12)
    assert left == pytest.approx(wanted.var(), rel=2e-2, abs=1e-6)


@given(st.floats(-50, 200))
def test_it_is_above_the_bound_and_less_uncertain_than_before(bound):
    up, left = excess(bound)
    assert up >= bound
    assert 0 <= left <= 1 + 1e-12
    assert np.isfinite([up, left]).all()


def test_at_least_this_much_moves_the_walk_as_integration_says():
    mean, cov, noise, bound = np.array([0.0, 1.0]), np.array([[2.0, 0.9], [0.9, 1.0]]), 0.5 * np.eye(2), 1.8
    found, spread = update(mean, cov, np.array([np.nan, np.nan]), noise, np.array([bound, np.nan]))
    drawn = np.random.default_rng(0).multivariate_normal(mean, cov, 2_000_000)
    above = drawn[drawn[:, 0] + np.sqrt(0.5) * np.random.default_rng(1).standard_normal(len(drawn)) >= bound]
    assert found == pytest.approx(above.mean(axis=0), abs=0.005)
    assert spread == pytest.approx(np.cov(above.T), abs=0.01)


def test_a_bound_far_below_tells_nothing():
    mean, cov = np.zeros(2), spd(2, 5)
    found, spread = update(mean, cov, np.full(2, np.nan), np.eye(2), np.array([-1e4, np.nan]))
    assert found == pytest.approx(mean)
    assert spread == pytest.approx(cov)
