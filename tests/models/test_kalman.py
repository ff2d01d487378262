"""Filter, smoother and what is made of a lower bound, each against another way to the same number."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from retrolux.models.kalman import Observed, Walk, completed, excess, follow, smooth, update

N, ROWS = 3, 7


def positive(rng, n, size=1.0):
    """A covariance matrix whose components have much in common."""
    a = rng.normal(size=(n, n)) * size
    return a @ a.T + 0.05 * size**2 * np.eye(n)


@pytest.fixture
def case():
    """Two sittings of a walk of three components, three cells missing, one row whole."""
    rng = np.random.default_rng(5)
    walk = Walk(np.array([3.0, -2.0, 1.0]), positive(rng, N, 5.0), positive(rng, N, 0.3))
    values = rng.normal(size=(ROWS, N)) * 4
    values[[1, 4, 4], [0, 1, 2]] = np.nan
    values[5] = np.nan
    waits = np.array([np.inf, 4, 0.2, 30, np.inf, 7, 3])
    noise = np.array([positive(rng, N) for _ in range(ROWS)])
    return walk, Observed(values, noise, np.full_like(values, np.nan), waits)


def dense(walk, seen, rows):
    """The walk at all rows as one normal variable, conditioned on the cells of the given rows."""
    mean, prior = np.tile(walk.mean, ROWS), np.zeros((ROWS * N, ROWS * N))
    sitting, since = np.cumsum(np.isinf(seen.waits)), np.zeros(ROWS)
    for i in range(ROWS):
        since[i] = 0 if np.isinf(seen.waits[i]) else since[i - 1] + max(seen.waits[i], 1.0)
    for i in range(ROWS):
        for j in range(ROWS):
            if sitting[i] == sitting[j]:
                block = walk.covariance + walk.rate * min(since[i], since[j])
                prior[i * N : (i + 1) * N, j * N : (j + 1) * N] = block
    noise = np.zeros_like(prior)
    for i in range(ROWS):
        noise[i * N : (i + 1) * N, i * N : (i + 1) * N] = seen.noise[i]
    there = ~np.isnan(seen.values) & np.isin(np.arange(ROWS), rows)[:, None]
    there = there.ravel()
    gain = prior[:, there] @ np.linalg.inv((prior + noise)[np.ix_(there, there)])
    return mean + gain @ (seen.values.ravel() - mean)[there], prior - gain @ prior[there]


def block(matrix, i, j):
    return matrix[i * N : (i + 1) * N, j * N : (j + 1) * N]


def test_the_filter_is_conditioning_on_the_rows_so_far(case):
    walk, seen = case
    track = follow(walk, seen)
    for i in range(ROWS):
        for rows, mean, covariance in (
            (range(i), track.predicted, track.predicted_covariance),
            (range(i + 1), track.mean, track.covariance),
        ):
            expected, spread = dense(walk, seen, list(rows))
            assert mean[i] == pytest.approx(expected[i * N : (i + 1) * N], rel=1e-9)
            assert covariance[i] == pytest.approx(block(spread, i, i), rel=1e-7, abs=1e-9)


def test_the_smoother_is_conditioning_on_all_rows(case):
    walk, seen = case
    mean, covariance, cross = smooth(seen, follow(walk, seen))
    expected, spread = dense(walk, seen, list(range(ROWS)))
    assert mean.ravel() == pytest.approx(expected, rel=1e-9)
    for i in range(ROWS):
        assert covariance[i] == pytest.approx(block(spread, i, i), rel=1e-7, abs=1e-9)
        new = np.isinf(seen.waits[i])
        between = np.zeros((N, N)) if new else block(spread, i, i - 1)
        assert cross[i] == pytest.approx(between, rel=1e-7, abs=1e-9)


def test_a_sitting_knows_nothing_of_the_one_before(case):
    walk, seen = case
    other = Observed(
        seen.values + np.where(np.arange(ROWS) < 4, 100.0, 0.0)[:, None], seen.noise, seen.bounds, seen.waits
    )
    one, two = (smooth(s, follow(walk, s))[0] for s in (seen, other))
    assert one[4:].tolist() == two[4:].tolist()
    assert not np.allclose(one[:4], two[:4])


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
    rng = np.random.default_rng(1)
    mean, covariance, noise = np.array([0.5, -0.5, 0.0]), positive(rng, N), positive(rng, N)
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


@pytest.mark.parametrize("bound", [-8.0, -1.0, 0.0, 2.5, 6.0, 15.0])
def test_excess_is_the_cut_normal_distribution_s(bound):
    mean, variance = excess(bound)
    assert mean == pytest.approx(float(stats.truncnorm.mean(bound, np.inf)), rel=1e-9, abs=1e-14)
    assert variance == pytest.approx(float(stats.truncnorm.var(bound, np.inf)), rel=1e-6)


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


@given(st.floats(-1e6, 1e12))
def test_excess_is_finite_and_sane(bound):
    mean, variance = excess(bound)
    assert mean >= max(bound, 0.0)
    assert 0 <= variance <= 1


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
    mean, covariance, noise = rng.normal(size=N), positive(rng, N, 100.0), positive(rng, N, 0.01)
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
