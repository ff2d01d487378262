"""Ellipsoids of mixtures: by many samples, in closed form where there is one, and found no sooner than asked for."""

import pickle

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import brentq

from retrolux.models import mixture_ellipsoids, quantiles
from retrolux.models.later import Later
from retrolux.models.mixture_ellipsoids import Ellipsoids
from tests.models.conftest import TARGETS, light, make

SAMPLES = 400_000


def mixtures(n: int, k: int, d: int, seed: int, apart: float = 4.0):
    """Components' covariances; weights, means from the whole mean, and whole covariances of some mixtures of them."""
    rng = np.random.default_rng(seed)
    roots = rng.normal(size=(k, d, d)) + np.eye(d)
    covariances = roots @ roots.transpose(0, 2, 1)
    weights, means = rng.dirichlet(np.full(k, 0.7), n), apart * rng.normal(size=(n, k, d))
    away = means - (weights[:, :, None] * means).sum(axis=1)[:, None]
    whole = np.einsum("rk,kij->rij", weights, covariances) + np.einsum("rk,rki,rkj->rij", weights, away, away)
    return covariances, weights, away, whole


@pytest.mark.parametrize(("d", "k"), [(1, 3), (2, 2), (3, 2), (3, 4), (4, 3), (7, 2)])
def test_they_hold_nine_tenths_of_many_samples(d, k):
    covariances, weights, away, whole = mixtures(6, k, d, seed=10 * d + k)
    share = Ellipsoids(covariances).holding(0.9, weights, away, whole)
    rng = np.random.default_rng(d)
    for row in range(6):
        counts = rng.multinomial(SAMPLES, weights[row])
        draws = np.vstack(
            [rng.multivariate_normal(m, c, n) for m, c, n in zip(away[row], covariances, counts, strict=True)]
        )
        squared = (np.linalg.solve(whole[row], draws.T).T * draws).sum(axis=1)
        inside = (squared <= share[row] * stats.chi2.ppf(0.9, d)).mean()
        assert inside == pytest.approx(0.9, abs=0.0025)  # five standard errors of the samples


def test_of_one_column_they_are_roots_of_the_distribution_function():
    covariances, weights, away, whole = mixtures(20, 4, 1, seed=3)
    found = Ellipsoids(covariances).holding(0.9, weights, away, whole)
    for row in range(20):
        parts = stats.norm(away[row, :, 0], np.sqrt(covariances[:, 0, 0]))

        def excess(half, parts=parts, weight=weights[row]):
            return weight @ (parts.cdf(half) - parts.cdf(-half)) - 0.9

        half = brentq(excess, 0, 100, xtol=1e-12)
        assert found[row] * quantiles.chi2(0.9, 1) * whole[row, 0, 0] == pytest.approx(half**2, rel=1e-9)


@pytest.mark.parametrize("d", [1, 2, 3, 4, 6])
def test_components_that_are_the_same_are_one(d):
    root = np.random.default_rng(d).normal(size=(d, d)) + 2 * np.eye(d)
    covariance = np.tile(root @ root.T, (3, 1, 1))
    found = Ellipsoids(covariance).holding(0.9, np.array([[0.2, 0.5, 0.3]]), np.zeros((1, 3, d)), covariance[:1])
    assert found == pytest.approx([1.0], rel=1e-9)


@pytest.mark.parametrize("d", [1, 2, 3, 5, 8, 13])
def test_the_part_along_a_line_is_that_of_chi(d):
    t = np.array([-7.0, -2.5, -0.3, 0.0, 1e-3, 0.7, 3.0, 9.0])
    part, density = mixture_ellipsoids._along(t, d)
    assert part == pytest.approx(np.sign(t) * stats.chi.cdf(np.abs(t), d), abs=1e-14)
    at = t[t != 0]
    assert density[t != 0] == pytest.approx(stats.chi.pdf(np.abs(at), d), rel=1e-12)


@pytest.mark.parametrize("d", [2, 3, 4])
def test_more_lines_say_the_same(d, monkeypatch):
    covariances, weights, away, whole = mixtures(200, 3, d, seed=d)
    found = Ellipsoids(covariances).holding(0.9, weights, away, whole)
    monkeypatch.setattr(mixture_ellipsoids, "_NEAR", 1e-9)  # all lines for every row
    exact = Ellipsoids(covariances).holding(0.9, weights, away, whole)
    off = np.abs(found / exact - 1)
    assert off.mean() < 2e-3
    assert off.max() < 2e-2


def test_many_have_the_numbers_of_one():
    covariances, weights, away, whole = mixtures(50, 2, 3, seed=4)
    ellipsoids = Ellipsoids(covariances)
    many = ellipsoids.holding(0.9, weights, away, whole)
    one = [ellipsoids.holding(0.9, weights[[i]], away[[i]], whole[[i]])[0] for i in range(50)]
    assert many == pytest.approx(one, rel=1e-12)


def test_they_are_found_when_they_are_asked_for(monkeypatch):
    model = make("gmm").fit(light(400, 3))
    assert len(model._conditional(TARGETS, model.input_names).mixture.priors) > 1
    asked = []
    holding = Ellipsoids.holding
    monkeypatch.setattr(Ellipsoids, "holding", lambda *given: asked.append(1) or holding(*given))
    found = model.invert_many(TARGETS, np.full((4, 3), 16384.0))
    assert not asked
    first = found.ellipsoid90
    assert asked == [1]
    assert found.ellipsoid90 is first


def test_what_is_found_later_can_be_sent_to_another_process():
    later = Later(lambda: np.arange(3.0)).then(lambda x: 2 * x)
    assert pickle.loads(pickle.dumps(later)).value.tolist() == [0, 2, 4]
