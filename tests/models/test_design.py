"""Active design: the covariances behind it against conditioning in one go, the choice against trying every setting."""

from dataclasses import replace

import numpy as np
import pytest

from retrolux.models.belief import Belief
from retrolux.models.dataset import Dataset
from retrolux.models.design import EDGE, ActiveDesign, Choice, candidates, expected_error
from retrolux.models.errors import UnknownColumn
from retrolux.models.response import features
from retrolux.models.state_space import StateSpace
from tests.models.conftest import OFFSET, SLOPES, TARGETS, light

PULSES = 0.004  # of the instrument below: standard deviation of an input's pulses


def instrument(points: np.ndarray, seed: int = 0) -> Dataset:
    """Readings 0.6 s apart; noise where there are pulses, 515 nm too bright near full green."""
    pulses, own = np.random.default_rng(seed).normal(size=(200, 2, 3))[: len(points)].transpose(1, 0, 2)
    seen = points + PULSES * pulses * ((points > 0) & (points < 1))
    raw = OFFSET[:3] + seen @ SLOPES[:, :3] + 5 * own
    times = 1e9 + 0.6 * np.arange(len(points))
    return Dataset(points, np.minimum(raw, 63000), raw >= 63000, ("R", "G", "B"), TARGETS, times)


def designed(n: int, **options) -> tuple[list[Choice], Dataset]:
    design, choices, data = ActiveDesign("RGB", **options), [], None
    for _ in range(n):
        choices.append(design.choose(data))
        data = instrument(np.array([c.inputs for c in choices]))
    return choices, data


@pytest.fixture(scope="module")
def thirty():
    return designed(30, ceiling=63000.0)


@pytest.fixture(scope="module")
def state() -> StateSpace:
    return StateSpace.learn(instrument(np.random.default_rng(1).random((40, 3)) * 0.95))


def test_the_belief_is_the_conditional_covariance(state) -> None:
    """Of coefficients and a walk's last value, given all readings at once: one block matrix, inverted."""
    data = instrument(np.random.default_rng(2).choice([0, 0.02, 0.5, 1], (8, 3)) * 0.9)
    data = replace(data, times=1e9 + np.cumsum([0, 2, 3, 1.5, 9, 2, 2, 4.0]))
    ours = Belief.after(state, data).covariance
    prior, rate = Belief.before(state).covariance, np.diag(state.walk.rate)
    noise = np.diagonal(state.scatter.covariance(data.inputs, state.response.gains), axis1=1, axis2=2)
    since = data.times - data.times[0]
    for c in range(3):
        walk = prior[c, -1, -1] + rate[c] * np.minimum.outer(since, since)
        z, p = features(data.inputs), prior[c, :-1, :-1]
        total = z @ p @ z.T + walk + np.diag(noise[:, c])
        cross = np.vstack([p @ z.T, walk[-1]])
        before = np.block([[p, np.zeros((12, 1))], [np.zeros((1, 12)), walk[-1:, -1:]]])
        there = ~data.saturated[:, c]
        cross, total = cross[:, there], total[np.ix_(there, there)]
        expected = before - cross @ np.linalg.solve(total, cross.T)
        np.testing.assert_allclose(ours[c], expected, atol=1e-6 * np.abs(before).max())


def test_another_sitting_forgets_the_ambient_light_and_nothing_else(state) -> None:
    belief = Belief.after(state, instrument(np.full((6, 3), 0.4)))
    anew = belief.later(np.inf).covariance
    np.testing.assert_array_equal(anew[:, :-1, :-1], belief.covariance[:, :-1, :-1])
    np.testing.assert_allclose(anew[:, -1, -1], np.diag(state.walk.covariance))
    assert not anew[:, -1, :-1].any()


def test_it_takes_the_setting_that_leaves_the_least_error(thirty) -> None:
    """By making each reading in thought, one at a time; nothing is saturated at so high a ceiling."""
    _, data = thirty
    data = replace(data, saturated=np.zeros_like(data.saturated))
    design = ActiveDesign("RGB", ceiling=1e9)
    choice, state = design.choose(data), design._state(data)
    belief = Belief.after(state, data).later(0.6)
    tried = [expected_error(belief.having_read(x, np.full(3, True))) for x in design.candidates]
    assert choice.inputs == tuple(design.candidates[int(np.argmin(tried))])
    assert choice.after == pytest.approx(min(tried), rel=1e-9)
    assert choice.before == pytest.approx(expected_error(belief), rel=1e-9)
    assert choice.after < choice.before


def test_it_asks_for_ends_middles_and_the_dark(thirty) -> None:
    points = np.array([c.inputs for c in thirty[0]])
    for column in points.T:
        inside = column[(column > 0) & (column < 1)]
        assert (inside >= 0.9).sum() >= 3
        assert (inside <= 0.1).sum() + (column == 0).sum() >= 6
        assert ((inside > 0.2) & (inside < 0.8)).sum() >= 3
        assert (column == 1).sum() <= 3  # its step tells nothing of what lies between
    assert (points == 0).all(axis=1).sum() >= 2


def test_it_says_what_it_is_after_and_expects_to_gain_by_it(thirty) -> None:
    choices, _ = thirty
    assert {c.learns for c in choices[:5]} == {"a first impression"}
    said = {c.learns for c in choices[5:]}
    assert {"ambient light"} < said
    assert any(text.startswith("slope of ") for text in said)
    assert any(text.startswith("bend of ") for text in said)
    assert all(c.after < c.before for c in choices[5:])


def test_it_keeps_out_of_saturation_that_it_has_seen() -> None:
    """From 0.97 of green on, 515 nm is at its ceiling; a setting there would be the best for the slope."""
    _, data = designed(24, ceiling=63000.0)
    assert data.saturated[5:].sum() <= 2


def test_the_same_readings_lead_to_the_same_choice_in_another_process(thirty) -> None:
    choices, data = thirty
    for n in (7, 15, 29):
        assert ActiveDesign("RGB", ceiling=63000.0).choose(data.take(np.arange(n))) == choices[n]


def test_what_is_kept_from_one_choice_to_the_next_changes_none(thirty) -> None:
    """Other readings than those before, fewer of them, or the same again."""
    choices, data = thirty
    design = ActiveDesign("RGB", ceiling=63000.0)
    for n in (12, 13, 29, 13, 13, 12):
        assert design.choose(data.take(np.arange(n))) == choices[n]
    other = instrument(data.inputs[:13], seed=5)
    assert design.choose(other) == ActiveDesign("RGB", ceiling=63000.0).choose(other)


def test_a_drifting_ambient_light_is_looked_at_more_often() -> None:
    def looks(rate: float) -> int:
        state = StateSpace.learn(instrument(np.random.default_rng(1).random((40, 3)) * 0.95))
        state = replace(state, walk=replace(state.walk, rate=np.eye(3) * rate))
        design, choices = ActiveDesign("RGB"), []
        design._state = lambda _data: state
        for _ in range(25):
            data = instrument(np.array([c.inputs for c in choices])) if choices else None
            choices.append(design.choose(data))
        return sum(c.learns == "ambient light" for c in choices)

    assert looks(30_000.0) > looks(0.1)


def test_a_question_of_one_channel_needs_no_others() -> None:
    data = light(30, 1)
    choice = ActiveDesign("RGB", targets=["630nm"]).choose(data)
    assert choice.learns.split(" of ")[-1].startswith("R") or "R's" in choice.learns or choice.learns == "ambient light"
    with pytest.raises(UnknownColumn, match="999nm"):
        ActiveDesign("RGB", targets=["999nm"]).choose(data)


@pytest.mark.parametrize("inputs", [1, 2, 5])
def test_any_number_of_inputs(inputs: int) -> None:
    names = [f"x{i}" for i in range(inputs)]
    rng, design = np.random.default_rng(0), ActiveDesign(names, targets=["y0"])
    slopes, points = rng.uniform(100, 900, (inputs, 2)), []
    for _ in range(inputs + 6):
        data = None
        if points:
            x = np.array(points)
            y = 50 + x @ slopes + rng.normal(size=(len(x), 2))
            data = Dataset(x, y, y > 1e9, tuple(names), ("y0", "y1"), np.arange(len(x)) * 1.0)
        points.append(design.choose(data).inputs)
    assert np.linalg.matrix_rank(np.c_[np.ones(len(points)), points]) == inputs + 1


def test_candidates_are_duties_that_every_light_makes_and_the_seed_moves_some() -> None:
    one, other = candidates(3, 0), candidates(3, 1)
    inside = one[(one > 0) & (one < 1)]
    assert inside.min() >= EDGE
    assert inside.max() <= 1 - EDGE
    assert (one[:512] == other[:512]).all()
    assert not (one[512:] == other[512:]).all()


def test_a_choice_takes_far_less_time_than_a_reading(thirty) -> None:
    """Counted in matrix products, not seconds: what is learnt anew rests on 60 readings at most."""
    learnt = []
    design = ActiveDesign("RGB")
    original = StateSpace.learn
    rows = instrument(np.random.default_rng(3).random((200, 3)) * 0.9)
    try:
        StateSpace.learn = classmethod(lambda _cls, data: learnt.append(len(data)) or original(data))
        for n in range(100, 200):
            design.choose(rows.take(np.arange(n)))
    finally:
        StateSpace.learn = original
    assert max(learnt) <= 60
    assert len(learnt) <= 5
