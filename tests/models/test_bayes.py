"""The reference posterior: is it right about readings of its own kind?"""

import numpy as np
import pytest

from retrolux.models.ambient import Ambient
from retrolux.models.bayes import BayesModel
from retrolux.models.errors import BadTarget
from tests.models.test_state_space import GAINS, NAMES, RESPONSE, SKY, room

PAPER = {"445nm": 16384.0, "515nm": 16384.0, "630nm": 16384.0}


@pytest.fixture(scope="module")
def model():
    return BayesModel().fit(room(24, 1)[0])


@pytest.mark.parametrize("names", [NAMES, NAMES[:3]])
def test_intervals_hold_nine_of_ten_of_what_it_has_not_seen(model, names):
    unseen, _ = room(24, 2)
    unseen = unseen.take(~unseen.saturated.any(axis=1))
    found = model.recover(names, unseen.select(names).outputs)
    inside = (found.low <= unseen.inputs) & (unseen.inputs <= found.high)
    between = (unseen.inputs > 0) & (unseen.inputs < 1)
    assert 0.86 < inside[between].mean() < 0.95
    if names != NAMES:
        return  # the ambient light of all times is no normal distribution
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
