"""Filter and smoother against one joint normal distribution, and censored values against numerical integration."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from retrolux.models.kalman import Observed, Walk, completed, excess, follow, smooth, update

N = 3


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
    assert left == pytest.approx(wanted.var(), rel=2e-2, abs=1e-6)  # scipy's own digits, far out


@given(st.floats(-1e6, 1e12))
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


def above_by_sampling(mean, covariance, noise, i, bound, seen):
    """Moments of the walk given one cell's lower bound and other cells' values, by weighing draws of the walk."""
    rng = np.random.default_rng(0)
    draws = rng.multivariate_normal(mean, covariance, 400_000)
    others = list(seen)
    told = np.linalg.solve(noise[np.ix_(others, others)], noise[others, i]) if others else np.zeros(0)
    left = np.array([seen[j] for j in others]) - draws[:, others]
    weight = np.ones(len(draws))
    if others:
        weight = stats.multivariate_normal.pdf(left, cov=noise[np.ix_(others, others)])
    spread = np.sqrt(noise[i, i] - (noise[others, i] @ told if others else 0.0))
    weight = weight * stats.norm.sf((bound - draws[:, i] - left @ told) / spread)
    return np.average(draws, axis=0, weights=weight), np.cov(draws.T, aweights=weight)


@pytest.mark.parametrize("seen", [{}, {0: 1.5}, {0: 1.5, 2: -1.0}])
@pytest.mark.parametrize("bound", [-3.0, 0.5, 3.0])
def test_a_lower_bound_moves_the_walk_as_integration_says(seen, bound):
    """Exact for one bound, noise in common with the cells that are seen included."""
    mean, covariance, noise = np.array([0.5, -0.5, 0.0]), spd(N, 1), spd(N, 2)
    values = np.array([seen.get(i, np.nan) for i in range(N)])
    bounds = np.array([np.nan, bound, np.nan])
    found = update(mean, covariance, values, noise, bounds)
    expected = above_by_sampling(mean, covariance, noise, 1, bound, seen)
    assert found[0] == pytest.approx(expected[0], abs=0.02)
    assert found[1] == pytest.approx(expected[1], abs=0.03)


def test_two_bounds_are_nearly_what_sampling_says():
    mean, covariance = np.zeros(2), np.array([[1.0, 0.5], [0.5, 1.0]])
    found = completed(mean, covariance, np.full(2, np.nan), np.array([0.5, -0.2]))
    draws = np.random.default_rng(2).multivariate_normal(mean, covariance, 400_000)
    draws = draws[(draws > [0.5, -0.2]).all(axis=1)]
    assert found[0] == pytest.approx(draws.mean(axis=0), abs=0.05)
    assert found[1] == pytest.approx(np.cov(draws.T), abs=0.05)


def test_what_is_seen_stays_and_what_is_not_is_regressed_on_it():
    covariance = np.array([[4.0, 3.0], [3.0, 9.0]])
    values, nothing = np.array([2.0, np.nan]), np.full(2, np.nan)
    expected, unsure = completed(np.array([1.0, 1.0]), covariance, values, nothing)
    assert expected == pytest.approx([2.0, 1 + 3 / 4 * 1])
    assert unsure == pytest.approx(np.array([[0, 0], [0, 9 - 9 / 4]]))
    everything, none = completed(np.zeros(2), covariance, np.array([5.0, 6.0]), nothing)
    assert everything.tolist() == [5.0, 6.0]
    assert not none.any()


@pytest.mark.parametrize("bound", [5.0, 40.0, 199.0, 201.0, 1e3, 1e5])
def test_excess_is_exact_far_out(bound):
    """Moments of t above the bound by quadrature of exp(−t − t² / 2 bound²), where other formulas lose all digits."""
    moments = [
        integrate.quad(lambda t, k=k: t**k * np.exp(-t - (t / bound) ** 2 / 2), 0, np.inf, epsrel=1e-12)[0]
        for k in range(3)
    ]
    beyond, square = moments[1] / moments[0], moments[2] / moments[0]
    mean, variance = excess(bound)
    assert (mean - bound) * bound == pytest.approx(beyond, rel=1e-5)
    assert variance * bound**2 == pytest.approx(square - beyond**2, rel=1e-5)


@given(st.lists(st.floats(-30, 1000), min_size=2, max_size=8, unique=True))
def test_excess_rises_with_the_bound(bounds):
    means = [excess(bound)[0] for bound in sorted(bounds)]
    assert means == sorted(means)
    variances = np.array([excess(bound)[1] for bound in sorted(bounds)])
    assert (np.diff(variances) <= 1e-9).all()


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000))
def test_a_reading_never_makes_the_walk_less_sure(seed):
    rng = np.random.default_rng(seed)
    mean, covariance, noise = rng.normal(size=N), spd(N, seed, 1e4), spd(N, seed + 1, 1e-4)
    kinds = rng.integers(3, size=N)  # seen, nothing known, at least
    values = np.where(kinds == 0, rng.normal(size=N), np.nan)
    bounds = np.where(kinds == 2, rng.normal(size=N) * 200, np.nan)
    after = update(mean, covariance, values, noise, bounds)[1]
    assert np.linalg.eigvalsh(after).min() > 0
    assert np.linalg.eigvalsh(covariance - after).min() > -1e-6 * np.trace(covariance)


def test_what_waits_less_than_a_second_walks_for_a_second():
    walk = Walk(np.zeros(1), np.eye(1), np.full((1, 1), 2.0))
    assert walk.later(np.zeros(1), np.eye(1), 0.1)[1] == pytest.approx(3.0)
    assert walk.later(np.zeros(1), np.eye(1), 4.0)[1] == pytest.approx(9.0)
