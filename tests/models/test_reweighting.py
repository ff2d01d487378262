"""An even prior in place of the design's, against posteriors that are known."""

import numpy as np
import pytest
from scipy import stats
from scipy.stats import qmc

from retrolux.models import registry
from retrolux.models.dataset import Dataset
from retrolux.models.derivatives import ANSWER, NEAREST
from retrolux.models.errors import BadTarget
from retrolux.models.reweighting import Density, effective, rough, weighed
from tests.models.conftest import lines, make

WIDE = 0.15
"""Scatter of the output, so large that the prior counts."""


def slanted(n: int = 600) -> Dataset:
    """An output of one input with much noise; low inputs were chosen three times as often as high ones."""
    rng = np.random.default_rng(0)
    x = np.where(rng.random(n) < 0.75, 0.5 * rng.random(n), 0.5 + 0.5 * rng.random(n))[:, None]
    y = x + WIDE * rng.normal(size=(n, 1))
    return Dataset(x, y, np.zeros((n, 1), dtype=bool), ("x",), ("y",))


def even(y: float) -> float:
    """The posterior mean of an even prior on [0, 1]: a normal distribution cut off there."""
    return float(stats.truncnorm((0 - y) / WIDE, (1 - y) / WIDE, loc=y, scale=WIDE).mean())


def of_design(y: float) -> float:
    """The posterior mean of the design: as above, weighed 3 to 1 below and above a half."""
    x = np.linspace(0, 1, 20_001)
    weight = np.exp(-0.5 * ((y - x) / WIDE) ** 2) * np.where(x < 0.5, 3, 1)
    return float((weight @ x) / weight.sum())


def test_a_design_that_leaves_most_untried_is_no_even_prior_s():
    """Where a target leaves an input open, draws end with the readings, whatever they weigh."""
    rng = np.random.default_rng(0)
    x = np.clip(rng.normal(0.5, 0.03, (300, 2)), 0, 1)
    y = x[:, :1] + 0.001 * rng.normal(size=(300, 1))
    data = Dataset(x, y, np.zeros((300, 1), dtype=bool), ("a", "b"), ("y",))
    found = make("gmm", prior="uniform").fit(data).invert({"y": 0.5})
    assert any("most of the range of b untried" in words for words in found.warnings)
    wide = Dataset(rng.random((300, 2)), y, np.zeros((300, 1), dtype=bool), ("a", "b"), ("y",))
    assert not any("untried" in words for words in make("gmm", prior="uniform").fit(wide).invert({"y": 0.5}).warnings)


@pytest.mark.parametrize("method", ["gmm", "forest"])
def test_the_design_s_prior_is_taken_out(method):
    usual, other = (make(method, prior=prior).fit(slanted()) for prior in ("design", "uniform"))
    targets = np.array([[0.45], [0.6], [0.7]])
    design, flat = (model.recover(("y",), targets, samples=2000).mean[:, 0] for model in (usual, other))
    truth = np.array([even(y) for y in targets[:, 0]])
    assert np.abs(flat - truth).mean() < 0.6 * np.abs(design - truth).mean()
    assert flat == pytest.approx(truth, abs=0.045)
    assert design == pytest.approx([of_design(y) for y in targets[:, 0]], abs=0.045)


def test_linear_has_none_to_take_out():
    usual, other = (make("linear", prior=prior).fit(slanted()) for prior in ("design", "uniform"))
    assert other.invert({"y": 0.6}).inputs == usual.invert({"y": 0.6}).inputs


@pytest.mark.parametrize("method", registry.METHODS)
def test_it_is_kept_with_the_model(method, tmp_path):
    model = make(method, prior="uniform").fit(slanted(60))
    model.save(tmp_path / "model")
    again = registry.load(tmp_path / "model")
    assert again.prior == "uniform"
    assert again.invert({"y": 0.6}).inputs == model.invert({"y": 0.6}).inputs


def test_another_prior_is_refused():
    with pytest.raises(BadTarget, match="no prior 'flat'"):
        make("gmm", prior="flat")


def test_an_even_design_is_even():
    x = qmc.LatinHypercube(1, rng=np.random.default_rng(0)).random(300)
    density = Density.of(x).at(np.linspace(0, 1, 21)[:, None])
    assert density == pytest.approx(1, abs=0.05)  # also at the ends, where kernels are mirrored


@pytest.mark.parametrize("n_inputs", [1, 2])
def test_a_density_has_an_integral_of_one(n_inputs):
    rng = np.random.default_rng(1)
    even = np.random.default_rng(2).random((20_000, n_inputs))
    assert Density.of(rng.beta(1, 4, (200, n_inputs))).at(even).mean() == pytest.approx(1, abs=0.03)


def test_no_draw_weighs_twenty_times_an_even_one_and_those_outside_nothing():
    density = Density.of(np.full((50, 2), 0.2))
    weights = density.weights(np.array([[0.9, 0.9], [0.2, 0.2], [1.2, 0.5], [0.8, 0.8]]))
    assert weights[2] == 0
    assert weights[0] == pytest.approx(weights[3])
    assert density.at(np.array([[0.9, 0.9]])) == pytest.approx(1 / 20)


def test_an_answer_that_rests_on_few_draws_says_so():
    weights = np.r_[np.full(20, 1.0), np.full(480, 1e-4)]
    weights /= weights.sum()
    assert effective(weights) == pytest.approx(20, rel=0.01)
    assert "only 20 of 500 draws count" in rough(weights)[0]
    assert rough(np.full(500, 1 / 500)) == []


@pytest.mark.parametrize("method", registry.METHODS)
def test_samples_are_of_the_even_prior_too(method):
    usual, other = (make(method, prior=prior).fit(slanted()) for prior in ("design", "uniform"))
    of_design, even = (
        np.mean([model.sample(2000, seed=seed)[1][:, 0].mean() for seed in range(4)]) for model in (usual, other)
    )
    assert of_design < 0.42
    assert even == pytest.approx(0.5, abs=0.04)


def test_where_a_prior_is_taken_out_the_nearest_answer_s_derivative_is_told():
    calm = lines(200, 2, 2, seed=0)
    for method, of in (("gmm", NEAREST), ("pls", NEAREST), ("linear", ANSWER)):
        model = make(method, prior="uniform").fit(calm)
        target = dict(zip(calm.output_names, calm.outputs.mean(axis=0).tolist(), strict=True))
        assert model.sensitivity(model.invert(target)).of == of


def test_weighed_moments_and_quantiles_are_those_of_the_distribution_meant():
    """Even draws with the weights of a normal distribution."""
    rng = np.random.default_rng(0)
    draws = rng.uniform(-5, 5, (40_000, 2))
    weights = np.exp(-0.5 * (draws**2).sum(axis=1))
    found = weighed(draws, weights / weights.sum())
    assert found.mean[0] == pytest.approx([0, 0], abs=0.03)
    assert found.std[0] == pytest.approx([1, 1], rel=0.03)
    assert found.high[0] == pytest.approx([1.645, 1.645], abs=0.05)
    assert found.covariance[0] == pytest.approx(np.eye(2), abs=0.05)


def test_a_model_with_another_prior_does_not_stand_in_for_a_usual_one():
    assert registry.create("gmm", targets=("a",)).usual
    assert registry.create("forest").usual
    assert not registry.create("gmm", prior="uniform").usual
    assert not registry.create("forest", settings={"preset": "paper"}).usual
