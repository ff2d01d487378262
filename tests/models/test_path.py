"""The way from a known pair to a target."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import brentq

from retrolux.models import path
from retrolux.models.errors import BadTarget, NoDerivative, UnknownColumn
from tests.models.conftest import PAPER, light, make, truth
from tests.models.test_branches import parabola

START = {"R": 0.2, "G": 0.3, "B": 0.7}
SMOOTH = ("linear", "pls", "gmm", "bayes")


@pytest.fixture(scope="module")
def models():
    return {method: make(method).fit(light(60, 3)) for method in SMOOTH}


@pytest.fixture(scope="module")
def bent():
    return make("gmm").fit(parabola())


@pytest.mark.parametrize("method", SMOOTH)
def test_it_begins_at_the_known_pair_and_arrives(models, method):
    model = models[method]
    found = path.follow(model, PAPER, START)
    assert found.inputs[0].tolist() == [0.2, 0.3, 0.7]
    assert found.outputs[0] == pytest.approx(model.predict(np.array([[0.2, 0.3, 0.7]]))[0, :3])
    assert found.fractions[[0, -1]].tolist() == [0, 1]
    assert found.stopped is None
    assert found.outputs[-1] == pytest.approx(list(PAPER.values()), abs=0.01)
    assert truth(found.inputs[-1])[:3] == pytest.approx(list(PAPER.values()), rel=0.02)
    start = found.outputs[0]
    straight = start + found.fractions[:, None] * (16384 - start)
    assert found.outputs == pytest.approx(straight, abs=0.01)


def test_with_outputs_left_free_it_takes_the_shortest_way(models):
    """The answer is the point of the plane next to the start."""
    model = models["linear"]
    found = path.follow(model, {"445nm": 9000.0}, START)
    slopes = model.derivative(np.full(3, 0.5))[0]
    start = np.array(list(START.values()))
    nearest = start + slopes * (9000 - model.predict(start[None])[0, 0]) / (slopes @ slopes)
    assert found.inputs[-1] == pytest.approx(nearest, abs=1e-6)


def test_what_the_known_outputs_differ_by_stays(models):
    """As ambient light does: a thousand counts more at the start are a thousand less to go."""
    model = models["gmm"]
    plain = path.follow(model, PAPER, START)
    known = dict(zip(PAPER, (plain.outputs[0] + 1000).tolist(), strict=True))
    lit = path.follow(model, {name: counts + 1000 for name, counts in PAPER.items()}, START, known)
    assert lit.inputs == pytest.approx(plain.inputs, abs=1e-6)
    assert lit.outputs == pytest.approx(plain.outputs + 1000, abs=0.01)


@pytest.mark.parametrize(("start", "goal"), [(0.8, 2500.0), (0.8, 3500.0), (0.25, 2500.0), (0.3, 4000.0)])
def test_on_a_parabola_it_stays_on_its_branch(bent, start, goal):
    found = path.follow(bent, {"y": goal}, {"x": start})
    side = (0.55, 0.95) if start > 0.5 else (0.05, 0.4)
    root = brentq(lambda x: bent.predict(np.array([[x]]))[0, 0] - goal, *side)
    assert found.stopped is None
    assert found.inputs[-1, 0] == pytest.approx(root, abs=1e-6)


def test_at_the_bottom_of_a_parabola_it_stops_and_says_why(bent):
    found = path.follow(bent, {"y": -3000.0}, {"x": 0.8})
    assert "the derivative is singular" in found.stopped
    assert 0.3 < found.fractions[-1] < 1
    slope, first = (abs(bent.derivative(np.array([x]))[0, 0]) for x in (found.inputs[-1, 0], 0.8))
    assert slope == pytest.approx(path.SINGULAR * first, rel=0.05)


def test_at_a_bound_it_stops_and_names_it(models):
    found = path.follow(models["linear"], {"445nm": 29000.0, "630nm": 40000.0}, START)
    assert found.stopped.startswith(f"The path ends at {100 * found.fractions[-1]:.0f} % of the way: R reaches 1")
    assert found.inputs[-1, 0] == pytest.approx(1, abs=1e-6)
    assert found.inputs.max() <= 1
    assert not found.to_json()["complete"]


def test_it_may_begin_at_a_bound_and_leave_it_but_not_pass_it(models):
    dark = dict.fromkeys("RGB", 0.0)
    assert path.follow(models["linear"], PAPER, dark).stopped is None
    below = path.follow(models["linear"], {"445nm": 300.0}, dark)
    assert "reaches 0" in below.stopped
    assert len(below.inputs) == 1


def test_more_outputs_than_inputs_end_where_they_are_missed_least(models):
    model = models["linear"]
    point = np.array([[0.5, 0.4, 0.3]])
    target = dict(zip(model.output_names, model.predict(point)[0].tolist(), strict=True))
    assert path.follow(model, target, START).inputs[-1] == pytest.approx(point[0], abs=1e-6)
    far = path.follow(model, target | {"clear": target["clear"] + 9000}, START)
    assert "as near as the inputs come" in far.stopped


def test_it_does_not_begin_where_nothing_moves(models, bent, monkeypatch):
    monkeypatch.setattr(bent, "derivative", lambda _: np.zeros((1, 1)))
    found = path.follow(bent, {"y": 9000.0}, {"x": 0.5})
    assert "0 % of the way" in found.stopped


def test_a_forest_has_none():
    with pytest.raises(NoDerivative, match="in steps"):
        path.follow(make("forest").fit(light(40, 3)), PAPER, START)


@pytest.mark.parametrize(
    ("target", "inputs", "outputs", "error"),
    [
        (PAPER, {"R": 0.5}, None, BadTarget),
        (PAPER, START | {"R": 1.5}, None, BadTarget),
        (PAPER, START | {"R": float("nan")}, None, BadTarget),
        (PAPER, START | {"X": 0.5}, None, UnknownColumn),
        ({}, START, None, BadTarget),
        ({"999nm": 5.0}, START, None, UnknownColumn),
        (PAPER, START, {"999nm": 5.0}, UnknownColumn),
        (PAPER, START, {"445nm": float("inf")}, BadTarget),
    ],
)
def test_what_is_no_pair_is_refused(models, target, inputs, outputs, error):
    with pytest.raises(error):
        path.follow(models["linear"], target, inputs, outputs)


def test_the_document_has_a_row_for_each_step(models):
    document = path.follow(models["linear"], PAPER, START).to_json()
    assert document["complete"]
    assert document["inputs"] == document["path"][-1]["inputs"]
    assert [row["fraction"] for row in document["path"]] == pytest.approx(np.linspace(0, 1, path.ROWS + 1).tolist())


def test_from_the_dark_the_step_of_pulses_that_begin_is_no_part_of_the_way():
    """A light that is on at all gives 500 counts at once."""
    calm = light(120, 5, noise=0.001)
    inputs = np.where(np.random.default_rng(5).random((120, 3)) < 0.2, 0.0, calm.inputs)
    stepped = truth(inputs) + 500 * (inputs > 0).sum(axis=1, keepdims=True)
    model = make("bayes").fit(replace(calm, inputs=inputs, outputs=stepped, saturated=np.zeros((120, 5), bool)))
    found = path.follow(model, dict.fromkeys(PAPER, 9000.0), dict.fromkeys("RGB", 0.0))
    assert found.stopped is None
    assert found.outputs[-1] == pytest.approx([9000.0] * 3, abs=1)
    assert found.outputs[0] == pytest.approx(model.predict(np.zeros((1, 3)))[0, :3])


@pytest.mark.parametrize("method", SMOOTH)
@pytest.mark.parametrize(
    ("start", "goal"),
    [
        ((0, 0.6, 0.2), (0, 0.3, 0.6)),
        ((0, 0, 0), (0, 0, 0.5)),
        ((0, 0, 0), (0.5, 0, 0.5)),
        ((1, 0.6, 0.2), (1, 0.3, 0.6)),
        ((0, 0.3, 1), (0.4, 0.2, 1)),
    ],
)
def test_along_an_edge_what_stays_at_its_end_takes_no_step(bending_light, method, start, goal):
    """Outputs bend, and step at the ends: a way along the edge must neither take the steps nor swing off."""
    model = bending_light[method]
    wanted = dict(zip(PAPER, model.predict(np.array([goal], dtype=float))[0, :3].tolist(), strict=True))
    found = path.follow(model, wanted, dict(zip("RGB", map(float, start), strict=True)))
    assert found.stopped is None
    assert found.inputs[-1] == pytest.approx(goal, abs=2e-4)
    assert found.inputs.min() >= 0
    assert found.inputs.max() <= 1


@pytest.fixture(scope="module")
def bending_light():
    calm = light(300, 5, noise=0.001)
    rng = np.random.default_rng(5)
    inputs = np.where(rng.random((300, 3)) < 0.2, rng.integers(0, 2, (300, 3)), calm.inputs)
    slopes = np.array([[130.0, 310, 29600], [205, 63500, 380], [29000, 1110, 580]])
    bent = truth(inputs)
    bent[:, :3] += (0.03 * inputs * (1 - inputs) + 0.005 * (inputs >= 1) - 0.003 * (inputs > 0)) @ slopes.T
    data = replace(calm, inputs=inputs, outputs=bent, saturated=np.zeros((300, 5), bool))
    return {method: make(method).fit(data) for method in SMOOTH}
