"""``gmm`` against the analytic conditional of a Gaussian, and where there are several answers."""

import numpy as np
import pytest
from gmr.gmm import covariance_initialization
from scipy.stats import ks_2samp, kstest, multivariate_normal, norm, spearmanr

from retrolux.models.dataset import Dataset
from retrolux.models.gmm import GmmModel
from retrolux.models.mixture import (
    Mixture,
    MixtureGiven,
    _expectation_maximisation,
    _first,
    _log_likelihood,
    sampled,
)
from tests.models.conftest import PAPER, light, lines


def parabola(n: int) -> Dataset:
    rng = np.random.default_rng(1)
    x = rng.random((n, 1))
    y = 1000 + 20000 * (x - 0.5) ** 2 + 20 * rng.normal(size=(n, 1))
    return Dataset(x, y, np.zeros((n, 1), dtype=bool), ("x",), ("y",))


def test_one_component_is_the_conditional_of_a_gaussian():
    data = lines(100, 2, 3, seed=1, noise=50)
    model = GmmModel().fit(data)
    ((_, mixture),) = model._fits.items()
    assert len(mixture.priors) == 1
    table = np.hstack([data.inputs, data.outputs])
    mean, cov = table.mean(axis=0), np.cov(table.T, ddof=0)
    values = np.array([500.0, 600.0])
    gain = cov[:2, 2:4] @ np.linalg.inv(cov[2:4, 2:4])
    expected = mean[:2] + gain @ (values - mean[2:4])
    spread = (cov[:2, :2] - gain @ cov[2:4, :2]) * 100 / 97 * 1.03
    found = model._conditional(("y0", "y1"), ("x0", "x1")).posterior(values[None], samples=20000, seed=0)
    assert found.mean[0] == pytest.approx(expected, rel=1e-5)
    assert found.std[0] == pytest.approx(np.sqrt(np.diag(spread)), rel=1e-5)
    assert (found.high - found.low)[0] / 2 == pytest.approx(1.645 * found.std[0], rel=0.03)


def test_its_likelihood_is_scipys():
    table = np.random.default_rng(2).normal(size=(60, 3)) * 10
    mixture = _expectation_maximisation(table, 2, 0)
    parts = [
        prior * multivariate_normal(m, c).pdf(table)
        for prior, m, c in zip(mixture.priors, mixture.means, mixture.covariances, strict=True)
    ]
    assert _log_likelihood(mixture, table) == pytest.approx(np.log(np.sum(parts, axis=0)).sum())


def test_it_begins_where_gmr_does():
    table = np.random.default_rng(2).normal(size=(60, 3)) * 10
    assert _first(table, 3) == pytest.approx(covariance_initialization(table, 3))


@pytest.mark.parametrize("k", [1, 2, 3])
def test_bic_finds_the_number_of_clusters(k):
    rng = np.random.default_rng(3)
    centres = 6 * np.array([[0, 0, 0], [1, 0, 0], [0, 1, 1]])[:k]
    table = np.vstack([rng.normal(centre, 1, (60, 3)) for centre in centres]) * [1, 100, 0.01]
    assert len(Mixture.learn(table, seed=0).priors) == k


def test_every_marginals_determinant_is_safe_from_gmrs_guard():
    mixture = Mixture.learn(np.hstack([light(80, 2).inputs, light(80, 2).outputs[:, :3]]), seed=0)
    for columns in ([0], [0, 1, 2], [3, 4, 5], [0, 4], range(6)):
        marginal = mixture.covariances[0][np.ix_(list(columns), list(columns))]
        assert np.linalg.det(marginal) >= 1


def test_two_answers_are_both_given():
    answer = GmmModel().fit(parabola(200)).invert({"y": 3000.0})
    assert len(answer.solutions) == 1
    found = sorted([answer.inputs["x"], answer.solutions[0].inputs["x"]])
    root = np.sqrt(2000 / 20000)
    assert found == pytest.approx([0.5 - root, 0.5 + root], abs=0.06)


def test_one_answer_has_no_rivals():
    assert GmmModel().fit(light(80, 3)).invert(PAPER).solutions == ()


def test_readings_without_noise_are_no_trouble():
    data = lines(60, 3, 5, seed=4, noise=0)
    model = GmmModel().fit(data)
    found = model.recover(data.output_names, data.outputs[:5])
    assert found.mean == pytest.approx(data.inputs[:5], abs=1e-3)
    assert model.sample(20)[1].shape == (20, 8)


def test_more_columns_than_gmr_can_multiply_are_one_component():
    """Of 200 columns a density is below the smallest number; 100 of them given, the rest are told."""
    rng = np.random.default_rng(5)
    hidden = 1e4 * rng.normal(size=(700, 100))
    table = np.hstack([hidden, hidden @ rng.normal(size=(100, 100)) / 10 + 0.1 * rng.normal(size=(700, 100))])
    mixture = Mixture.learn(table, seed=0)
    assert len(mixture.priors) == 1
    for given, wanted in ((range(100), range(100, 200)), (range(100, 200), range(100))):  # the second: sharp
        told = mixture.given(given, wanted)
        design = np.c_[np.ones(700), table[:, given]]
        slopes = np.linalg.lstsq(design, table[:, wanted])[0]
        assert told.mean(table[:3, given]) == pytest.approx((design @ slopes)[:3], abs=1e-6)
        assert told.posterior(table[:1, given], samples=10, seed=0).mean == pytest.approx(
            (design @ slopes)[:1], abs=1e-6
        )
        assert told.derivative(table[0, given]) == pytest.approx(slopes[1:].T, abs=1e-6)


def asked_of_two() -> tuple[MixtureGiven, np.ndarray]:
    """A mixture of two components, one column of it given, and values of this one, each of which is another."""
    rng = np.random.default_rng(4)
    means = np.array([[0.0, 0, 0], [25.0, 10, 30]])
    roots = rng.normal(size=(2, 3, 3)) + 8 * np.eye(3)
    mixture = Mixture(np.zeros(3), np.ones(3), np.array([0.4, 0.6]), means, roots @ roots.transpose(0, 2, 1), 1e6)
    return mixture.given([0], [1, 2]), rng.normal(12, 8, (40_000, 1))


def test_draws_of_rows_that_differ_are_each_of_its_own_mixture():
    """What a row's own distribution function makes of its draw is uniform: of one column, and of the other given it."""
    asked, rows = asked_of_two()
    drawn = asked.draw(rows, seed=3)
    for i in (0, 1):
        column = asked.mixture.given([0, *range(1, 1 + i)], [1 + i])
        weights, means = column._components(np.hstack([rows, drawn[:, :i]]))
        uniform = (weights * norm.cdf((drawn[:, [i]] - means[:, :, 0]) / column._pieces.std[:, 0])).sum(axis=1)
        assert kstest(uniform, "uniform").pvalue > 0.01
        assert abs(spearmanr(uniform, rows[:, 0]).statistic) < 0.015


def test_they_are_distributed_as_draws_one_by_one():
    asked, rows = asked_of_two()
    drawn = asked.draw(rows[:3000], seed=5)
    before = np.vstack([sampled(asked.at(row), 1, 100 + i) for i, row in enumerate(rows[:3000])])
    for turn in (np.eye(2)[0], np.eye(2)[1], np.array([1.0, -1.0]), np.array([1.0, 1.0])):
        assert ks_2samp(drawn @ turn, before @ turn).pvalue > 0.01


def test_draws_of_rows_that_are_alike_are_those_of_one_mixture():
    asked, rows = asked_of_two()
    drawn = asked.draw(np.repeat(rows[:1], 50, axis=0), seed=9)
    assert drawn.tolist() == sampled(asked.at(rows[0]), 50, 9).tolist()
    assert asked.draw(rows[:50], seed=9).tolist() == asked.draw(rows[:50], seed=9).tolist()
