"""90 % of all inputs together: ellipsoids, and by how much they have to be stretched."""

import numpy as np
import pytest
from scipy import stats

from retrolux.models import registry
from retrolux.models.posterior import Posterior
from tests.models.conftest import lines, make


def correlated(n: int, seed: int = 0) -> tuple[Posterior, np.ndarray]:
    """Truths of two inputs, correlated at 0.9, each with the posterior that is right."""
    rng = np.random.default_rng(seed)
    covariance = 1e-4 * np.array([[1.0, 0.9], [0.9, 1.0]])
    mean = rng.uniform(0.3, 0.7, (n, 2))
    truth = mean + rng.multivariate_normal([0, 0], covariance, n)
    half = 1.645 * 0.01
    return Posterior(mean, np.full((n, 2), 0.01), mean - half, mean + half, np.tile(covariance, (n, 1, 1))), truth


def test_nine_of_ten_lie_inside():
    found, truth = correlated(20_000)
    assert (found.outside(truth) <= 1).mean() == pytest.approx(0.9, abs=0.01)


def test_the_matrix_says_the_same():
    found, truth = correlated(50)
    away = truth - found.mean
    inside = [float(a @ np.linalg.inv(e) @ a) <= 1 for a, e in zip(away, found.ellipsoids, strict=True)]
    assert inside == (found.outside(truth) <= 1).tolist()


def test_without_a_covariance_inputs_are_independent():
    found, _ = correlated(3)
    alone = Posterior(*found.parts)
    assert alone.ellipsoids[0] == pytest.approx(1e-4 * stats.chi2.ppf(0.9, 2) * np.eye(2))


def test_stretching_holds_what_it_was_measured_by():
    found, truth = correlated(100)
    one = found.rows()[3]
    stretched = one.scaled(np.array([1.0, 1.0, one.outside(truth[3:4])[0] * 1.001]))
    assert stretched.outside(truth[3:4])[0] <= 1
    assert stretched.std == pytest.approx(one.std)


@pytest.mark.parametrize("method", registry.METHODS)
def test_answers_of_a_straight_instrument_are_correlated_as_its_slopes_say(method):
    """Of independent noise σ the inputs' covariance is σ² (B Bᵀ)⁻¹; the first two of three outputs are nearly alike."""
    rng = np.random.default_rng(1)
    slopes = np.array([[300.0, 320, 500], [500, 480, -200]])
    data = lines(300, 2, 3, 0)
    outputs = data.inputs @ slopes + 5 * rng.normal(size=(300, 3))
    model = make(method).fit(type(data)(data.inputs, outputs, data.saturated, data.input_names, data.output_names))
    wanted = np.array([0.5, 0.5]) @ slopes
    answer = model.invert(dict(zip(("y0", "y1", "y2"), wanted.tolist(), strict=True)))
    found, expected = np.array(answer.ellipsoid90), 25 * np.linalg.inv(slopes @ slopes.T) * stats.chi2.ppf(0.9, 2)
    correlation = found[0, 1] / np.sqrt(found[0, 0] * found[1, 1])
    assert correlation == pytest.approx(expected[0, 1] / np.sqrt(expected[0, 0] * expected[1, 1]), abs=0.2)
    assert np.sqrt(np.linalg.det(found) / np.linalg.det(expected)) == pytest.approx(1, abs=0.45)


@pytest.mark.parametrize("method", registry.METHODS)
def test_ellipsoids_hold_nine_of_ten_readings_left_out(method):
    inside = np.hstack([_left_out(method, seed) for seed in range(3)])
    assert 0.82 <= inside.mean() <= 0.97


def _left_out(method, seed):
    """Which of 150 readings that a model of 250 others has not seen lie in their ellipsoids."""
    data = lines(400, 2, 3, 3 + seed, noise=20.0)
    both = np.random.default_rng(seed).permutation(400)
    known, left = data.take(both[:250]), data.take(both[250:])
    return make(method).fit(known).recover(data.output_names, left.outputs).outside(left.inputs) <= 1
