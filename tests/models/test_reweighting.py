"""An even prior in place of the design's, against posteriors that are known."""

import numpy as np
import pytest
from scipy import stats
from scipy.stats import qmc

from retrolux.models import registry
from retrolux.models.dataset import Dataset
from retrolux.models.errors import BadTarget
from retrolux.models.reweighting import Density, weighed
from tests.models.conftest import make

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
    log = Density.of(x).log(np.linspace(0, 1, 21)[:, None])
    assert np.ptp(log) < 0.05  # also at the ends, where kernels are mirrored


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
