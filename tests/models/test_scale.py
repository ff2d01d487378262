"""Inputs in units of their own: the same readings give the same answers, by other numbers."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrolux.models import registry
from retrolux.models.dataset import Dataset
from retrolux.models.errors import BadData, BadTarget
from retrolux.models.evaluation import evaluate
from retrolux.models.path import follow
from retrolux.models.scale import Scale
from tests.models.conftest import lines, make

LOW, HIGH = np.array([20.0, -3.0]), np.array([80.0, -1.0])
CELSIUS = Scale(LOW, HIGH, counts=False)
finite = st.floats(-1e6, 1e6)


@given(finite, st.floats(1e-3, 1e6), st.floats(0, 1))
def test_there_and_back(low, width, share):
    scale = Scale(np.array([low]), np.array([low + width]))
    own = scale.own(np.array([share]))
    assert scale.scaled(own)[0] == pytest.approx(share, abs=1e-6)


@given(finite, st.floats(1e-3, 1e6))
def test_ends_are_exactly_0_and_1_and_what_is_inside_stays_inside(low, width):
    scale = Scale(np.array([low]), np.array([low + width]))
    ends = np.array([[scale.low[0]], [scale.high[0]]])
    assert scale.scaled(ends).tolist() == [[0.0], [1.0]]


def test_an_end_comes_back_as_itself():
    """−0.1 + (0.3 − −0.1) is more than 0.3."""
    low, high = np.random.default_rng(0).uniform(-9, 9, (2, 500)).round(2)
    scale = Scale(np.minimum(low, high - 0.01), np.maximum(high, low + 0.01))
    assert (scale.own(np.ones((1, 500))) <= scale.high).all()
    assert ((there := scale.scaled(scale.own(np.ones((1, 500))))) <= 1).all()
    assert there == pytest.approx(np.ones((1, 500)))


def test_duties_are_themselves():
    x = np.random.default_rng(0).random((20, 3))
    assert (Scale.DUTIES.own(x) == x).all()
    assert (Scale.DUTIES.scaled(x) == x).all()
    assert Scale.DUTIES.ends(2) == (0.0, 1.0)


@pytest.mark.parametrize(("low", "high"), [(1.0, 1.0), (2.0, 1.0), (0.0, np.inf), (np.nan, 1.0)])
def test_a_range_that_is_none_is_refused(low, high):
    with pytest.raises(BadData, match="no range"):
        Scale(np.array([low]), np.array([high]))


def table(n: int = 60, seed: int = 0) -> tuple[Dataset, Dataset]:
    """The same readings twice: with inputs from 0 to 1, and in units of their own."""
    plain = replace(lines(n, 2, 2, seed), scale=Scale(np.zeros(2), np.ones(2), counts=False))
    own = Dataset.between(
        CELSIUS, CELSIUS.own(plain.inputs), plain.input_names, plain.outputs, plain.output_names, plain.saturated
    )
    return plain, own


def reachable(data: Dataset) -> dict[str, float]:
    """What a line through the readings gives near their middle."""
    (values,) = make("linear").fit(data).predict(np.array([[0.5, 0.4]]))
    return dict(zip(data.output_names, values.tolist(), strict=True))


@pytest.fixture(params=registry.METHODS)
def both(request):
    return tuple(make(request.param).fit(data) for data in table())


def test_answers_are_the_same_in_any_unit(both):
    target = reachable(table()[0])
    plain, own = (model.invert(target, seed=1) for model in both)
    for i, name in enumerate(("x0", "x1")):
        width = HIGH[i] - LOW[i]
        assert own.inputs[name] == pytest.approx(LOW[i] + width * plain.inputs[name], rel=1e-6)
        assert own.std[name] == pytest.approx(width * plain.std[name], rel=1e-5)
        assert own.interval90[name] == pytest.approx([LOW[i] + width * e for e in plain.interval90[name]], rel=1e-6)
    assert own.predicted == pytest.approx(plain.predicted)
    assert (own.feasible, own.in_domain) == (plain.feasible, plain.in_domain) == (True, True)
    assert own.attainable.inputs["x0"] == pytest.approx(20 + 60 * plain.attainable.inputs["x0"])


def test_samples_and_what_is_given_of_them_are_in_their_units(both):
    plain, own = (model.sample(50, {"x0": x}, seed=2)[1] for model, x in zip(both, (0.5, 50.0), strict=True))
    assert (own[:, 0] == 50).all()
    assert own[:, 1] == pytest.approx(-3 + 2 * plain[:, 1])
    assert own[:, 2:] == pytest.approx(plain[:, 2:])
    with pytest.raises(BadTarget, match=r"x0 is 0\.5, outside 20 to 80"):
        both[1].sample(5, {"x0": 0.5})


def test_it_is_kept_with_the_model(both, tmp_path):
    own = both[1]
    own.save(tmp_path / "model")
    again = registry.load(tmp_path / "model")
    assert again.invert({"y0": 500.0}).inputs == own.invert({"y0": 500.0}).inputs
    assert again.scale.ends(1) == (-3.0, -1.0)
    assert not again.scale.counts


@pytest.mark.parametrize("method", ["linear", "pls", "gmm", "bayes"])
def test_sensitivities_and_paths_are_in_their_units(method):
    plain, own = (make(method).fit(data) for data in table())
    target = reachable(table()[0])
    moves = [model.sensitivity(model.invert(target, seed=1)) for model in (plain, own)]
    assert moves[1].moves["y0"]["x0"] == pytest.approx(60 * moves[0].moves["y0"]["x0"], rel=1e-4)
    assert list(moves[1].to_json()) == ["per_unit", "of"]
    ways = [follow(plain, target, {"x0": 0.5, "x1": 0.5}), follow(own, target, {"x0": 50.0, "x1": -2.0})]
    assert ways[1].inputs == pytest.approx(CELSIUS.own(ways[0].inputs), rel=1e-6)
    assert ways[1].inputs[0].tolist() == [50.0, -2.0]


def test_a_path_says_at_which_end_it_stops_in_the_input_s_unit():
    own = make("linear").fit(table()[1])
    far = {"y0": own.predict(np.array([[3.0, 0.5]]))[0, 0], "y1": own.predict(np.array([[3.0, 0.5]]))[0, 1]}
    assert "x0 reaches 80, and goes no further" in follow(own, far, {"x0": 50.0, "x1": -2.0}).stopped


def test_errors_of_an_evaluation_are_in_their_units():
    (plain, own), (plain_test, own_test) = table(), table(30, 5)
    scores = [
        evaluate(a, b, ["linear"], targets=("y0", "y1")).models["linear"]
        for a, b in ((plain, plain_test), (own, own_test))
    ]
    for figure in ("rmse", "crps"):
        assert getattr(scores[1], figure)["x0"] == pytest.approx(60 * getattr(scores[0], figure)["x0"])
    assert scores[1].width["x0"] == pytest.approx(scores[0].width["x0"])
    assert scores[1].coverage90 == scores[0].coverage90


def test_what_is_no_counts_has_neither_floor_nor_ceiling():
    data = lines(80, 2, 2, 3)
    lifted = replace(data, outputs=data.outputs * 200 - 90_000, scale=Scale(np.zeros(2), np.ones(2), counts=False))
    model = make("linear").fit(lifted)
    for share in (0.05, 0.95):
        wanted = dict(zip(("y0", "y1"), model.predict(np.full((1, 2), share))[0].tolist(), strict=True))
        answer = model.invert(wanted)
        assert answer.feasible
        assert not [words for words in answer.warnings if "counts" in words or "saturate" in words]


@pytest.mark.parametrize("factor", [1e-6, 1e6])
@pytest.mark.parametrize("method", ["linear", "pls", "gmm", "bayes"])
def test_outputs_may_be_of_any_size(method, factor):
    data = replace(lines(80, 2, 2, 4), scale=Scale(np.zeros(2), np.ones(2), counts=False))
    other = replace(data, outputs=data.outputs * factor)
    target = reachable(data)
    usual = make(method).fit(data).invert(target)
    found = make(method).fit(other).invert({name: value * factor for name, value in target.items()})
    assert found.inputs == pytest.approx(usual.inputs, abs=1e-3)
    assert found.std == pytest.approx(usual.std, rel=0.05)
    assert found.feasible


@pytest.mark.parametrize("method", ["linear", "pls", "gmm"])
@given(factor=st.sampled_from([1e-6, 1.0, 1e4]), zero=st.sampled_from([0.0, -1e3, 1e3]))
@settings(max_examples=9, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_can_be_met_does_not_depend_on_an_output_s_unit_or_zero(method, factor, zero):
    data = lines(60, 2, 2, 1)
    unit = np.ptp(data.outputs, axis=0)
    plain = replace(data, outputs=data.outputs / unit, scale=Scale(np.zeros(2), np.ones(2), counts=False))
    moved = replace(plain, outputs=factor * (plain.outputs + zero))
    inside, outside = plain.outputs[7], plain.outputs.max(axis=0) + 0.3
    for point, met in ((inside, True), (outside, False)):
        before, after = (
            make(method).fit(d).invert(dict(zip(d.output_names, (f * (point + z)).tolist(), strict=True)))
            for d, f, z in ((plain, 1.0, 0.0), (moved, factor, zero))
        )
        assert (before.feasible, after.feasible) == (met, met)
        assert len(before.warnings) == len(after.warnings)
        assert list(after.inputs.values()) == pytest.approx(list(before.inputs.values()), abs=1e-3)
