"""A normal distribution cut to [0, 1], against scipy, draws that are thrown away, and what must hold far outside."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from retrolux.models.cut_normal import CutNormal


def alone(mean, std):
    return CutNormal(np.array([mean]), np.array([[std**2]]))


@pytest.mark.parametrize(("mean", "std"), [(0.5, 0.2), (0.003, 0.002), (-0.004, 0.002), (1.05, 0.01), (0.4, 30.0)])
def test_one_component_is_scipys_truncated_normal(mean, std):
    wanted = stats.truncnorm(-mean / std, (1 - mean) / std, mean, std)
    drawn = alone(mean, std).draw(4000, np.random.default_rng(0))[:, 0]
    assert stats.kstest(drawn, wanted.cdf).pvalue > 0.01
    share = stats.norm.cdf(1, mean, std) - stats.norm.cdf(0, mean, std)
    assert np.exp(alone(mean, std).log_share()) == pytest.approx(share, rel=1e-9)


@pytest.mark.parametrize("mean", [[0.1, 1.1, 0.6], [0.02, 0.5, 0.97], [-0.2, 0.5, 1.2]])
def test_three_that_vary_together_are_what_is_left_of_many_draws(mean):
    covariance = np.array([[0.05, 0.03, -0.02], [0.03, 0.04, 0.01], [-0.02, 0.01, 0.09]])
    every = np.random.default_rng(1).multivariate_normal(mean, covariance, 1_000_000)
    left = every[((every >= 0) & (every <= 1)).all(axis=1)]
    cut = CutNormal(np.array(mean), covariance)
    assert np.exp(cut.log_share()) == pytest.approx(len(left) / len(every), rel=0.02)
    drawn = cut.draw(20_000, np.random.default_rng(2))
    assert drawn.mean(axis=0) == pytest.approx(left.mean(axis=0), abs=0.01)
    assert np.cov(drawn.T) == pytest.approx(np.cov(left.T), abs=0.004)


def test_a_component_that_no_bound_cuts_goes_with_one_that_is_cut():
    """Its mean moves by the regression on the other, which a bound moved."""
    covariance = 1e-4 * np.array([[1.0, 0.8], [0.8, 1.0]])
    drawn = CutNormal(np.array([-0.02, 0.5]), covariance).draw(50_000, np.random.default_rng(0))
    moved = drawn[:, 0].mean() + 0.02
    assert drawn[:, 1].mean() == pytest.approx(0.5 + 0.8 * moved, abs=2e-4)
    assert drawn[:, 1].var() == pytest.approx(1e-4 * (1 - 0.64) + 0.64 * drawn[:, 0].var(), rel=0.03)


def test_far_outside_all_are_at_the_nearest_point_in_the_measure_of_the_covariance():
    """The second component follows the first, fourteen units too bright, by half of them, as far as bounds let it."""
    covariance = 1e-6 * np.array([[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]])
    drawn = CutNormal(np.array([15.0, 7.6, 0.3]), covariance).draw(200, np.random.default_rng(0))
    assert drawn[:, 0] == pytest.approx(np.ones(200), abs=1e-5)
    assert drawn[:, 1].mean() == pytest.approx(7.6 - 7.0, abs=3e-4)
    assert drawn[:, 2].mean() == pytest.approx(0.3, abs=3e-4)


def test_far_outside_the_share_is_a_number_still():
    assert alone(-3.0, 0.001).log_share() == pytest.approx(stats.norm.logsf(3000), rel=1e-9)
    assert alone(0.5, 0.001).log_share() == 0


def test_what_has_no_variance_stays():
    cut = CutNormal(np.array([1.0, 0.001, 0.25]), np.diag([0.0, 1e-6, 0.0]))
    drawn = cut.draw(100, np.random.default_rng(0))
    assert set(drawn[:, 0]) == {1.0}
    assert set(drawn[:, 2]) == {0.25}
    assert np.ptp(drawn[:, 1]) > 0
    still = CutNormal(np.array([0.0, 1.0]), np.zeros((2, 2)))
    assert still.draw(3, np.random.default_rng(0)).tolist() == [[0.0, 1.0]] * 3
    assert still.log_share() == 0


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5), st.floats(-6, 3))
def test_draws_are_finite_and_within_bounds_wherever_the_mean_is(seed, n, size):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(n, n)) * 10 ** rng.uniform(-4, 1)
    cut = CutNormal(rng.normal(size=n) * 10**size, a @ a.T + 1e-8 * np.eye(n))
    drawn = cut.draw(20, rng)
    assert drawn.shape == (20, n)
    assert ((drawn >= 0) & (drawn <= 1)).all()
    assert cut.log_share() <= 1e-9
