"""The reference posterior: is it right about readings of its own kind?"""

import numpy as np
import pytest
from scipy import stats

from retrolux.models.ambient import Ambient
from retrolux.models.bayes import BayesModel, Inputs
from retrolux.models.errors import BadTarget, UnknownColumn
from retrolux.models.inverse import Prior
from retrolux.models.kalman import Walk
from retrolux.models.state_space import StateSpace
from tests.models.test_state_space import GAINS, NAMES, RESPONSE, SCATTER, SKY, room

RGB = ("R", "G", "B")
OWN = StateSpace(
    NAMES, RESPONSE, SCATTER, Walk(SKY, np.outer(0.3 * SKY, 0.3 * SKY) + np.diag((0.05 * SKY) ** 2), np.eye(5))
)
PAPER = {"445nm": 16384.0, "515nm": 16384.0, "630nm": 16384.0}


@pytest.fixture(scope="module")
def model():
    return BayesModel().fit(room(24, 1)[0])


def own_readings(n, seed):
    """Inputs and outputs drawn of the very model that is asked, ambient light of all times included."""
    rng = np.random.default_rng(seed)
    inputs, kinds = rng.random((n, 3)), rng.random((n, 3))
    inputs[kinds < 0.1], inputs[kinds > 0.9] = 0, 1
    scatter = SCATTER.covariance(inputs, GAINS) + OWN.walk.covariance
    noise = [rng.multivariate_normal(np.zeros(5), c) for c in scatter]
    return inputs, RESPONSE.predict(inputs) + SKY + np.array(noise)


def own_posterior(names, given=()):
    """Of the model whose parts are known, asked for what is not given."""
    wanted = tuple(name for name in RGB if name not in given)
    known = tuple(range(len(given)))
    return Inputs(OWN, names, (*given, *names), RGB, wanted, known, Prior(np.tile([0.1, 0.8, 0.1], (3, 1))))


@pytest.mark.parametrize("names", [NAMES, NAMES[:3]])
def test_nine_of_ten_intervals_hold_readings_of_its_own_kind(names):
    inputs, outputs = own_readings(1500, 3)
    found = own_posterior(names).posterior(outputs[:, : len(names)], samples=500, seed=0)
    held = (found.low <= inputs) & (inputs <= found.high)
    between = (inputs > 0) & (inputs < 1)
    assert 0.87 < held[between].mean() < 0.93
    wrong = np.sqrt(((found.mean - inputs) ** 2).mean(axis=0))
    assert wrong == pytest.approx(np.sqrt((found.std**2).mean(axis=0)), rel=0.06)


@pytest.mark.parametrize("names", [NAMES, NAMES[:3], ("515nm",)])
def test_the_truth_stands_anywhere_among_draws(names):
    """Simulation-based calibration (Talts et al., 2018): its rank is uniform, ties at 0 and 1 broken by lot."""
    inputs, outputs = own_readings(400, 4)
    asked, rng, ranks = own_posterior(names), np.random.default_rng(0), np.empty((400, 3))
    columns = [NAMES.index(name) for name in names]
    for i, (x, y) in enumerate(zip(inputs, outputs[:, columns], strict=True)):
        drawn = asked.draw(np.tile(y, (99, 1)), seed=i)
        ranks[i] = (drawn < x).sum(axis=0) + rng.integers((drawn == x).sum(axis=0) + 1)
    for rank in ranks.T:
        assert stats.kstest((rank + rng.random(400)) / 100, "uniform").pvalue > 1e-3


def test_an_input_that_is_given_tells_of_the_others():
    """One output, two inputs known: the third is what is left, as sharp as the output."""
    inputs, outputs = own_readings(50, 5)
    rows = (inputs[:, 1] > 0.1) & (inputs[:, 1] < 0.9)
    given = np.column_stack([inputs[:, 0], inputs[:, 2], outputs[:, 1]])[rows]
    found = own_posterior(("515nm",), ("R", "B")).posterior(given, samples=200, seed=0)
    sky = np.sqrt(OWN.walk.covariance[1, 1]) / 63000
    assert np.abs(found.mean[:, 0] - inputs[rows, 1]).max() < 4 * sky
    assert found.std[:, 0] == pytest.approx(np.full(rows.sum(), np.hypot(sky, 0.002)), rel=0.1)


def test_far_out_of_reach_the_nearest_inputs_come_back():
    outputs = np.array([[1e6, 1e3, 2e3], [-1e6, 3e4, 1e3]])
    found = own_posterior(NAMES[:3]).posterior(outputs, samples=200, seed=0)
    assert np.isfinite([found.mean, found.std, found.low, found.high]).all()
    assert found.mean[0, 2] == pytest.approx(1, abs=1e-3)
    assert found.mean[1, 2] == pytest.approx(0, abs=1e-3)


def test_intervals_hold_nine_of_ten_of_what_it_has_not_seen(model):
    unseen, _ = room(24, 2)
    unseen = unseen.take(~unseen.saturated.any(axis=1))
    found = model.recover(NAMES, unseen.outputs)
    inside = (found.low <= unseen.inputs) & (unseen.inputs <= found.high)
    between = (unseen.inputs > 0) & (unseen.inputs < 1)
    assert 0.86 < inside[between].mean() < 0.95
    z = ((found.mean - unseen.inputs) / np.maximum(found.std, 1e-9))[between]
    assert z.std() == pytest.approx(1, abs=0.15)


def test_off_and_full_on_are_told_from_nearly_so(model):
    """A step of 0.4 % where pulses begin, and of 0.6 % at their end, against noise of 0.2 %."""
    unseen, _ = room(24, 3)
    unseen = unseen.take(~unseen.saturated.any(axis=1))
    found = model.recover(NAMES, unseen.outputs)
    blue = unseen.inputs[:, 2]
    assert np.abs(found.mean[blue == 0, 2]).mean() < 2e-4
    assert np.abs(found.mean[blue == 1, 2] - 1).mean() < 5e-4


def test_ambient_light_that_is_known_sharpens_the_answer(model):
    unseen, ambient = room(4, 4)
    rows = ~unseen.saturated.any(axis=1)
    unseen, ambient = unseen.take(rows), ambient[rows]
    wanted = unseen.select(NAMES[:3]).outputs
    alone = model.recover(NAMES[:3], wanted)
    there = [Ambient(NAMES, row, 25.0 * np.eye(5)) for row in ambient]
    told = model.recover_in(NAMES[:3], wanted, there)
    wrong, right = (np.sqrt(((f.mean - unseen.inputs) ** 2).mean(axis=0)) for f in (alone, told))
    assert right[0] < 0.2 * wrong[0]
    assert told.std[:, 0].mean() < 0.2 * alone.std[:, 0].mean()


def test_bad_targets_are_refused_under_known_ambient_light_too(model):
    here = [Ambient(NAMES, SKY, np.eye(5))]
    with pytest.raises(BadTarget, match="finite"):
        model.recover_in(("515nm",), np.array([[np.nan]]), here)
    with pytest.raises(UnknownColumn, match="999nm"):
        model.recover_in(("999nm",), np.ones((1, 1)), here)


def test_the_answer_to_the_papers_question_is_the_truths(model):
    here = Ambient(NAMES, SKY, np.eye(5))
    answer = model.invert(PAPER, ambient=here)
    reached = RESPONSE.predict(np.array([list(answer.inputs.values())]))[0] + SKY
    assert reached[:3] == pytest.approx(list(PAPER.values()), rel=0.008)
    assert answer.predicted["515nm"] == pytest.approx(16384, abs=20)
    assert answer.feasible


def test_what_is_out_of_reach_is_said(model):
    answer = model.invert({"515nm": 64000.0, "445nm": 300.0, "nir": 60000.0}, ambient=Ambient(NAMES, SKY, np.eye(5)))
    assert not answer.feasible
    assert any("cannot be reached" in text for text in answer.warnings)


def test_its_prior_is_the_design_unless_it_is_even():
    data, _ = room(8, 1)
    dark = {"445nm": 600.0, "515nm": 1200.0, "630nm": 1800.0, "680nm": 1500.0, "nir": 2600.0}
    design, even = (BayesModel(prior=p).fit(data).invert(dark) for p in ("design", "uniform"))
    assert max(design.inputs.values()) < 1e-3
    assert max(design.inputs.values()) <= max(even.inputs.values())
    with pytest.raises(BadTarget, match="no prior 'flat'"):
        BayesModel(prior="flat")


def test_samples_given_an_output_follow_it(model):
    names, rows = model.sample(300, {"515nm": 30000.0})
    green = rows[:, names.index("G")]
    others = 0.5 * (GAINS[1, 0] + GAINS[1, 2]) + SKY[1] + 0.004 * 63000
    assert green.mean() == pytest.approx((30000 - others) / 63000, abs=0.015)
    assert rows[:, names.index("515nm")].tolist() == [30000.0] * 300
    assert model.predict(rows[:, :3])[:, 2] == pytest.approx(rows[:, names.index("630nm")], abs=6 * 1300)


def test_saved_and_read_again_it_answers_the_same(model, tmp_path):
    model.save(tmp_path / "bayes")
    again = BayesModel.load(tmp_path / "bayes")
    assert again.invert(PAPER) == model.invert(PAPER)
    here = Ambient(NAMES, SKY, np.eye(5))
    assert again.invert(PAPER, ambient=here) == model.invert(PAPER, ambient=here)
    assert again.prior == model.prior
