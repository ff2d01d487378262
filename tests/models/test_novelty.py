"""Inside or outside the data: uniform for what is like it, small for what is not."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from retrolux.models.dataset import Dataset
from retrolux.models.mixture import Mixture
from retrolux.models.mixture_density import density
from retrolux.models.novelty import Novelty, Ranked, mahalanobis
from tests.models.conftest import TARGETS, light, make


def parabola(n: int, seed: int) -> Dataset:
    """y = x² with a hole: no x between 0.4 and 0.65, so no y between 0.16 and 0.4225."""
    rng = np.random.default_rng(seed)
    x = rng.random((n, 1)) * 0.75
    x[x > 0.4] += 0.25
    y = 10000 * x**2 + rng.normal(0, 30, (n, 1))
    return Dataset(x, y, np.zeros((n, 1), dtype=bool), ("x",), ("y",))


def test_left_out_distances_are_those_of_leaving_out():
    rows = np.random.default_rng(0).normal(size=(25, 3)) @ np.array([[3.0, 1, 0], [0, 2, 1], [0, 0, 50]])
    found = mahalanobis(rows).left_out
    for i in (0, 7, 24):
        rest = np.delete(rows, i, axis=0)
        away = rows[i] - rest.mean(axis=0)
        assert found[i] == pytest.approx(away @ np.linalg.inv(np.cov(rest.T)) @ away, rel=1e-4)


def test_a_mixture_without_a_reading_is_that_of_the_others():
    """Of one component, which has a closed form: mean and covariance of the others (by n, as gmr has it)."""
    rows = np.random.default_rng(0).normal(size=(40, 2)) * [3.0, 80.0] + [5.0, 900.0]
    mean, unit = rows.mean(axis=0), np.array([2.0, 9.0])
    z = (rows - mean) / unit
    mixture = Mixture(mean, unit, np.ones(1), np.zeros((1, 2)), np.cov(z.T, bias=True)[None], 40.0)
    found = density(mixture, [0, 1], rows)
    for i in (3, 11):
        rest = np.delete(z, i, axis=0)
        by_hand = -stats.multivariate_normal(rest.mean(axis=0), np.cov(rest.T, bias=True)).logpdf(z[i])
        # constants differ: the same for every reading but the weight of one less, which the prior carries
        other = -stats.multivariate_normal(z.mean(axis=0), np.cov(z.T, bias=True)).logpdf(z[i])
        assert found.left_out[i] - found.score(rows[i]) == pytest.approx(by_hand - other - np.log(39 / 40), abs=1e-9)


def test_beyond_every_score_the_tail_goes_on():
    ranked = Ranked(lambda _: 0.0, np.random.default_rng(0).exponential(size=99))
    inside, last, far = ranked.p(np.array([0.0, ranked.left_out.max(), ranked.left_out.max() + 5.0]))
    assert inside == 1.0
    assert last == pytest.approx(0.02)
    assert 0 < far < 1e-3


@pytest.mark.parametrize("mixture", [False, True])
def test_p_values_of_unseen_readings_are_uniform(mixture):
    """Readings split by lot, sixteen times: 3000 p-values, those of one split with something in common."""
    p = []
    for split in range(16):
        data = light(400, split)
        rows = data.select(TARGETS).outputs[~data.saturated[:, :3].any(axis=1)]
        rows, unseen = np.split(np.random.default_rng(split).permutation(rows), [100])
        own = density(Mixture.learn(rows, seed=0), [0, 1, 2], rows) if mixture else None
        novelty = Novelty.learn(rows, own)
        p += [novelty.p(row) for row in unseen]
    assert np.mean(p) == pytest.approx(0.5, abs=0.03)
    for level in (0.02, 0.05, 0.1, 0.25, 0.5, 0.75):
        assert np.mean(np.array(p) <= level) == pytest.approx(level, abs=0.04)


def test_every_method_gives_unseen_readings_usual_p_values(model):
    unseen = light(40, 100)
    rows = unseen.select(TARGETS).outputs[~unseen.saturated[:, :3].any(axis=1)][:12]
    p = [model.invert(dict(zip(TARGETS, row, strict=True)), samples=2).novelty_p for row in rows]
    assert 0.3 < np.mean(p) < 0.75
    assert min(p) > 0.001


def test_the_gap_in_a_parabola_is_outside_the_data(method):
    model = make(method).fit(parabola(150, 3))
    for y in (2300.0, 2800.0, 3300.0):
        answer = model.invert({"y": y}, samples=20)
        assert answer.novelty_p < 0.01
        assert not answer.in_domain
        assert any("unlike the readings" in words for words in answer.warnings)
    for y in (300.0, 1000.0, 6000.0, 8000.0):
        assert model.invert({"y": y}, samples=20).novelty_p > 0.01


def test_outputs_that_do_not_occur_together_are_outside(model):
    strange = {"445nm": 15000.0, "680nm": 2600.0}
    usual = {"445nm": 15000.0, "680nm": 1960.0}
    assert model.invert(strange).novelty_p < 0.01
    assert model.invert(usual).novelty_p > 0.01


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_hardly_any_readings_tell_little(n):
    novelty = Novelty.learn(np.random.default_rng(0).random((n, 2)))
    assert 0 < novelty.p(np.array([0.5, 0.5])) <= 1


def test_readings_that_are_all_alike_are_no_harm():
    rows = np.repeat(np.random.default_rng(0).random((10, 2)), 20, axis=0)
    novelty = Novelty.learn(rows)
    assert novelty.p(rows[0]) > 0.2
    assert 0 < novelty.p(np.array([5.0, 5.0])) < 0.01


def test_repeats_of_one_setting_do_not_make_other_settings_strange():
    many = light(60, 2).take(np.r_[np.arange(60), np.zeros(300, dtype=int)])
    outputs = many.outputs * (1 + 0.002 * np.random.default_rng(0).standard_normal(many.outputs.shape))
    model = make("linear").fit(replace(many, outputs=outputs, saturated=many.saturated))
    rows = light(40, 9).select(TARGETS).outputs
    p = [model.invert(dict(zip(TARGETS, row, strict=True))).novelty_p for row in rows]
    assert np.mean(p) == pytest.approx(0.5, abs=0.15)
