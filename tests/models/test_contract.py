"""What every method keeps."""

from dataclasses import replace

import numpy as np
import pytest

from retrolux.models import registry
from retrolux.models.dataset import Dataset
from retrolux.models.errors import BadData, BadTarget, MissingLibrary, NotFitted, UnknownColumn, UnknownMethod
from retrolux.models.readings import MOST, thinned
from retrolux.models.state_space import StateSpace
from tests.models.conftest import PAPER, TARGETS, light, lines, make, truth


def test_the_answer_gives_the_target(model):
    answer = model.invert(PAPER)
    reached = truth(list(answer.inputs.values()))[:3]
    assert np.abs(reached / 16384 - 1).max() < (0.05 if model.method == "forest" else 0.015)
    assert answer.feasible
    assert answer.in_domain
    assert answer.warnings == ()
    assert answer.model == model.method
    assert dict(answer.target) == PAPER


def test_the_interval_holds_the_point_and_the_bounds_hold_the_interval(model):
    for target in (PAPER, {"445nm": 700.0}, {"515nm": 64000.0, "630nm": 2000.0}):
        answer = model.invert(target)
        for name, (low, high) in answer.interval90.items():
            assert 0 <= low <= high <= 1
            assert low <= answer.inputs[name] <= high or answer.std[name] < 0.02  # clipped at an end
            assert answer.std[name] > 0


def test_predictions_follow_the_light(model):
    inputs = np.array([[0.2, 0.3, 0.4], [0.5, 0.5, 0.5], [0.7, 0.2, 0.6]])
    predicted = model.predict(inputs)
    assert predicted.shape == (3, len(model.output_names))
    assert predicted == pytest.approx(truth(inputs), rel=0.02)


def test_predicted_is_the_forward_prediction(model):
    answer = model.invert(PAPER)
    forward = model.predict(np.array([list(answer.inputs.values())]))[0]
    assert list(answer.predicted.values()) == forward.tolist()
    assert tuple(answer.predicted) == model.output_names


def test_recover_agrees_with_invert(model):
    answer = model.invert(PAPER, seed=5)
    many = model.recover(TARGETS, np.array([[16384.0] * 3, [9000.0, 30000.0, 12000.0]]), seed=5)
    assert many.mean.shape == many.std.shape == many.low.shape == many.high.shape == (2, 3)
    assert many.mean[0] == pytest.approx(list(answer.inputs.values()), abs=2e-3)


def test_recover_takes_columns_in_any_order(model):
    values = np.array([[9000.0, 30000.0, 12000.0]])
    one = model.recover(TARGETS, values)
    other = model.recover(TARGETS[::-1], values[:, ::-1])
    assert one.mean.tolist() == other.mean.tolist()


def test_outputs_may_stay_free(model):
    answer = model.invert({"445nm": 16384.0})
    assert answer.inputs["B"] == pytest.approx(0.517, abs=0.02)
    assert answer.std["R"] > 0.15
    assert any("hardly determines R, G" in words for words in answer.warnings)


@pytest.mark.parametrize("target", [{"445nm": -500.0}, {"445nm": 60000.0}, {"515nm": 1e6, "630nm": 2000.0}])
def test_what_cannot_be_reached_is_answered_at_the_bounds(model, target):
    answer = model.invert(target)
    assert not answer.feasible
    assert all(0 <= value <= 1 for value in answer.inputs.values())
    assert any("cannot be reached" in words for words in answer.warnings)
    assert any(next(iter(target)) in words for words in answer.warnings)


def test_outputs_that_never_occur_together_are_out_of_domain(model):
    answer = model.invert({"445nm": 30000.0, "515nm": 60000.0, "630nm": 30000.0, "680nm": 1000.0})
    assert not answer.in_domain


@pytest.mark.parametrize(
    ("target", "error"),
    [
        ({}, BadTarget),
        ({"445nm": float("nan")}, BadTarget),
        ({"445nm": float("inf")}, BadTarget),
        ({"445nm": "many"}, BadTarget),
        ({"445nm": True}, BadTarget),
        ({"445nm": None}, BadTarget),
        ({"999nm": 5.0}, UnknownColumn),
        ({"R": 0.5}, UnknownColumn),
    ],
)
def test_bad_targets_are_refused(model, target, error):
    with pytest.raises(error) as caught:
        model.invert(target)
    assert caught.value.cause
    assert caught.value.remedy


def test_bad_arrays_are_refused(model):
    with pytest.raises(BadTarget, match="shape"):
        model.predict(np.zeros(3))
    with pytest.raises(BadTarget, match="finite"):
        model.recover(TARGETS, np.array([[1.0, np.nan, 2.0]]))
    with pytest.raises(BadTarget, match="once"):
        model.recover(("445nm", "445nm"), np.ones((1, 2)))
    with pytest.raises(BadTarget, match="at least one"):
        model.recover((), np.ones((1, 0)))
    with pytest.raises(BadTarget, match="0 samples"):
        model.sample(0)


def test_joint_samples_look_like_the_readings(model):
    names, rows = model.sample(400, seed=2)
    assert names == (*model.input_names, *model.output_names)
    assert rows.shape == (400, len(names))
    assert rows[:, :3].min() >= 0
    assert rows[:, :3].max() <= 1
    assert rows[:, :3].mean(axis=0) == pytest.approx([0.5] * 3, abs=0.06)
    residual = rows[:, 3:6] / truth(rows[:, :3])[:, :3] - 1
    assert np.abs(np.median(residual, axis=0)).max() < 0.01
    assert residual.std(axis=0).max() < 0.1


def test_samples_keep_what_is_given(model):
    given = {"G": 0.25, "445nm": 16384.0}
    names, rows = model.sample(100, given, seed=2)
    columns = dict(zip(names, rows.T, strict=True))
    assert set(columns["G"]) == {0.25}
    assert set(columns["445nm"]) == {16384.0}
    assert columns["B"].mean() == pytest.approx(0.5195, abs=0.01)
    assert columns["515nm"].mean() == pytest.approx(truth([0.5, 0.25, 0.52])[1], rel=0.03)
    with pytest.raises(UnknownColumn):
        model.sample(5, {"nm": 1.0})


def test_samples_of_everything_given_are_that(model):
    every = dict(zip(model.input_names + model.output_names, [0.5] * 3 + [100.0] * 5, strict=True))
    assert model.sample(2, every)[1].tolist() == [list(every.values())] * 2


def test_the_same_seed_gives_the_same_answer(method, readings):
    one, other = (make(method).fit(readings, seed=4).invert(PAPER, seed=9) for _ in range(2))
    assert one == other


def test_the_global_generator_is_left_alone(method, readings):
    before = np.random.get_state()[1].tolist()  # noqa: NPY002 - the generator that must not be touched
    make(method).fit(readings).invert(PAPER)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


def test_the_order_of_readings_does_not_matter(method, readings):
    shuffled = readings.take(np.random.default_rng(0).permutation(len(readings)))
    one, other = (make(method).fit(data).invert(PAPER) for data in (readings, shuffled))
    assert list(one.inputs.values()) == pytest.approx(list(other.inputs.values()), rel=1e-9)


def test_the_order_of_outputs_does_not_matter(method, readings):
    turned = readings.select(readings.output_names[::-1])
    one, other = (make(method).fit(data).invert(PAPER) for data in (readings, turned))
    close = 0.005 if method == "forest" else 1e-6  # its trees draw their noise column by column
    assert list(one.inputs.values()) == pytest.approx([other.inputs[name] for name in one.inputs], abs=close)


@pytest.mark.parametrize(("n_inputs", "n_outputs"), [(1, 2), (2, 5), (3, 10)])
def test_any_number_of_inputs_and_outputs(method, n_inputs, n_outputs):
    data = lines(60, n_inputs, n_outputs, seed=n_outputs)
    model = make(method).fit(data)
    middle = np.full((1, n_inputs), 0.4)
    expected = lines(1, n_inputs, n_outputs, seed=n_outputs, noise=0)  # the same slopes
    slopes = np.linalg.lstsq(np.c_[np.ones(60), data.inputs], data.outputs, rcond=None)[0]
    target = dict(zip(data.output_names, (slopes[0] + middle @ slopes[1:])[0].tolist(), strict=True))
    assert list(model.invert(target).inputs.values()) == pytest.approx(middle[0].tolist(), abs=0.01)
    assert expected.output_names == data.output_names
    assert model.sample(3)[1].shape == (3, n_inputs + n_outputs)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (light(1, 0), "too few readings: 1; "),
        (light(4, 0), "too few readings: 4; "),
        (lines(30, 2, 2, 0).take([0] * 30), "in every reading"),
    ],
)
def test_what_cannot_be_fitted_is_refused(method, data, words):
    model = make(method)
    with pytest.raises(BadData, match=words):
        model.fit(data)
    with pytest.raises(NotFitted):
        model.predict(np.full((1, 3), 0.5))


def test_an_input_that_never_varies_is_named(method, readings):
    inputs = readings.inputs.copy()
    inputs[:, 1] = 0.3
    data = Dataset(inputs, readings.outputs, readings.saturated, readings.input_names, readings.output_names)
    with pytest.raises(BadData, match=r"Input G is 0\.3"):
        make(method).fit(data)


def test_a_dead_channel_is_left_out(method, readings):
    outputs = readings.outputs.copy()
    outputs[:, 3] = 0
    data = Dataset(readings.inputs, outputs, readings.saturated, readings.input_names, readings.output_names)
    model = make(method).fit(data)
    assert "680nm" not in model.output_names
    assert model.invert(PAPER).feasible
    with pytest.raises(UnknownColumn, match="680nm"):
        model.invert({"680nm": 5.0})


def test_a_channel_that_often_saturates_costs_only_the_questions_that_name_it(method):
    data = light(60, 8)
    saturated = data.saturated.copy()
    saturated[:52, 4] = True
    worse = Dataset(data.inputs, data.outputs, saturated, data.input_names, data.output_names)
    with_it, without = (make(method).fit(d).invert(PAPER) for d in (worse, data.without(["clear"])))
    assert list(with_it.inputs.values()) == pytest.approx(list(without.inputs.values()), abs=3e-3)


def test_an_unfitted_model_says_so(method, tmp_path):
    for ask in (
        lambda m: m.predict(np.zeros((1, 3))),
        lambda m: m.invert(PAPER),
        lambda m: m.recover(TARGETS, np.ones((1, 3))),
        lambda m: m.sample(1),
        lambda m: m.prepare(TARGETS),
        lambda m: m.save(tmp_path / "model"),
    ):
        with pytest.raises(NotFitted):
            ask(make(method))


def test_progress_rises_to_one(method, readings):
    seen = []
    make(method).fit(readings, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert len(seen) >= 3


def test_progress_may_cancel(method, readings):
    class Cancelled(Exception):
        pass

    def cancel(_):
        raise Cancelled

    model = make(method)
    with pytest.raises(Cancelled):
        model.fit(readings, progress=cancel)
    with pytest.raises(NotFitted):
        model.invert(PAPER)


def test_a_fit_that_is_cancelled_while_it_learns_the_light_leaves_none(method):
    class Cancelled(Exception):
        pass

    def cancel(fraction):
        if fraction > 0.6:
            raise Cancelled

    timed = replace(light(60, 4, drift=0.01), times=1e9 + 5.0 * np.arange(60))
    model = make(method)
    with pytest.raises(Cancelled):
        model.fit(timed, progress=cancel, state=StateSpace.learn(timed))
    with pytest.raises(NotFitted):
        model.invert(PAPER)


def test_targets_to_prepare_for_are_chosen_at_creation(method, readings):
    assert make(method, targets=("680nm", "445nm")).fit(readings).targets == ("680nm", "445nm")
    with pytest.raises(UnknownColumn):
        make(method, targets=("999nm",)).fit(readings)


def test_an_unknown_method_is_refused():
    with pytest.raises(UnknownMethod, match="oracle"):
        registry.create("oracle")


def test_forest_without_its_library_says_which_line_installs_it(monkeypatch):
    import sys

    for name in ("retrolux.models.forest", "retrolux.models.flow", "retrolux.models.line_and_flow"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "ForestDiffusion", None)
    with pytest.raises(MissingLibrary) as caught:
        registry.create("forest")
    assert "pip install '.[forest]'" in caught.value.remedy
    assert registry.create("linear").method == "linear"


def test_many_readings_that_alternate_are_thinned_without_losing_an_input():
    n = 2 * MOST - 1
    x = np.column_stack([np.arange(n) % 2, np.random.default_rng(0).random(n)])
    data = Dataset(x, x @ [[3.0], [2.0]], np.zeros((n, 1), dtype=bool), ("a", "b"), ("y",))
    kept = thinned(data)
    assert len(kept) == MOST
    assert kept.inputs[:, 0].mean() == pytest.approx(0.5, abs=0.03)
    assert (np.diff([np.flatnonzero((x == row).all(axis=1))[0] for row in kept.inputs[:50]]) > 0).all()
