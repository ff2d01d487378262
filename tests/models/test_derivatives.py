"""Derivatives against finite differences, and what cannot have any."""

from dataclasses import replace

import numpy as np
import pytest

from retrolux.models import derivatives
from retrolux.models.ambient import Ambient
from retrolux.models.errors import BadTarget, NoDerivative, NotFitted
from retrolux.models.forest import ForestModel
from retrolux.models.response import Response
from tests.models.conftest import PAPER, SLOPES, TARGETS, light, lines, make
from tests.models.test_branches import parabola

SMOOTH = ("linear", "pls", "gmm", "bayes")
POINT = np.array([0.3, 0.6, 0.45])


@pytest.fixture(scope="module")
def models():
    data = light(60, 3)
    return {method: make(method).fit(data) for method in SMOOTH}


def forward(model, at, step=1e-4):
    """d(outputs)/d(inputs) by central differences."""
    moves = step * np.eye(len(at))
    return ((model.predict(at + moves) - model.predict(at - moves)) / (2 * step)).T


def backward(model, target, step=20.0):
    """d(inputs)/d(target) by central differences of the answer, shape (n_inputs, n_targets)."""
    columns = []
    for name in target:
        sides = [model.invert(target | {name: target[name] + side * step}).inputs for side in (1, -1)]
        columns.append((np.array(list(sides[0].values())) - np.array(list(sides[1].values()))) / (2 * step))
    return np.array(columns).T


def table(found, target):
    return np.array([list(found.moves[name].values()) for name in target]).T / 1000


@pytest.mark.parametrize("method", SMOOTH)
def test_predictions_move_as_finite_differences_say(models, method):
    model = models[method]
    expected = forward(model, POINT)
    assert model.derivative(POINT) == pytest.approx(expected, rel=1e-5, abs=1e-5 * np.abs(expected).max())
    assert model.derivative(POINT)[:3] == pytest.approx(SLOPES.T[:3], rel=0.05, abs=600)


def test_a_mixture_of_several_components_has_its_own_derivative_everywhere():
    model = make("gmm").fit(parabola())
    assert len(next(iter(model._fits.values())).priors) > 1
    for x in (0.05, 0.3, 0.49, 0.7, 0.95):
        at = np.array([x])
        assert model.derivative(at) == pytest.approx(forward(model, at, 1e-6), rel=1e-4, abs=0.1)
    for x in (0.3, 0.7):
        assert model.derivative(np.array([x]))[0, 0] == pytest.approx(80000 * (2 * x - 1), rel=0.35)  # of the parabola


def test_bends_and_ends_are_in_the_derivative_of_bayes():
    model = make("bayes").fit(light(60, 3))
    bent = replace(model.state, response=Response(model.state.response.coefficients + np.r_[np.zeros(9), [500.0] * 3]))
    model._fits[(), model.output_names] = bent
    assert model.derivative(POINT) == pytest.approx(forward(model, POINT), rel=1e-6)
    assert model.derivative(POINT) - bent.response.gains == pytest.approx(500 * np.tile(1 - 2 * POINT, (5, 1)), abs=60)


@pytest.mark.parametrize("method", SMOOTH)
@pytest.mark.parametrize("target", [PAPER, {"445nm": 9000.0, "515nm": 30000.0, "630nm": 12000.0, "clear": 42000.0}])
def test_answers_move_as_finite_differences_say(models, method, target):
    model = models[method]
    found, expected = model.sensitivity(model.invert(target)), backward(model, target)
    close = 0.02 if method == "bayes" else 1e-6  # its scatter depends on the inputs, too
    assert table(found, target) == pytest.approx(expected, rel=close, abs=close * np.abs(expected).max())
    assert found.of == derivatives.ANSWER


@pytest.mark.parametrize("method", ["linear", "pls", "gmm"])
def test_an_input_at_its_end_does_not_move(models, method):
    target = {"445nm": 16384.0, "515nm": 600.0, "630nm": 16384.0}  # less than the offset: G is off
    model = models[method]
    answer = model.invert(target)
    assert answer.inputs["G"] == 0
    found = table(model.sensitivity(answer), target)
    assert found[1].tolist() == [0, 0, 0]
    assert found == pytest.approx(backward(model, target), rel=1e-6, abs=1e-12)


@pytest.mark.parametrize(
    "target", [{"445nm": 60000.0, "515nm": 30000.0, "630nm": 12000.0}, {"515nm": 9e4, "445nm": 2e3}]
)
def test_the_nearest_of_what_is_out_of_reach_moves_by_counts(models, target):
    model = models["linear"]
    answer = model.invert(target)
    assert not answer.feasible
    if not answer.solutions:
        found = table(model.sensitivity(answer), answer.target)
        assert found == pytest.approx(backward(model, dict(answer.target)), rel=1e-4, abs=1e-9)


def test_where_there_are_several_answers_it_is_the_shortest_way(models):
    model = models["linear"]
    answer = model.invert({"445nm": 16384.0})
    assert answer.solutions
    found = model.sensitivity(answer)
    slopes = model.derivative(np.array(list(answer.inputs.values())))[0]
    assert table(found, ["445nm"])[:, 0] == pytest.approx(slopes / (slopes @ slopes))
    assert found.of == derivatives.NEAREST
    other = table(model.sensitivity(answer.solutions[0]), ["445nm"])[:, 0]
    assert other == pytest.approx(slopes / (slopes @ slopes))  # a plane: the same everywhere


def test_on_either_branch_of_a_parabola_the_sign_is_its_own():
    model = make("gmm").fit(parabola())
    answer = model.invert({"y": 9000.0})
    moves = {one.inputs["x"] > 0.5: model.sensitivity(one) for one in (answer, *answer.solutions)}
    for right, found in moves.items():
        expected = 1000 / (80000 * (2 * 0.816 - 1)) * (1 if right else -1)
        assert found.moves["y"]["x"] == pytest.approx(expected, rel=0.35)


def test_a_forest_tells_of_its_line_alone_and_says_so():
    model = make("forest").fit(light(60, 3))
    found = model.sensitivity(model.invert(PAPER))
    assert "line alone" in found.of
    assert table(found, PAPER) == pytest.approx(np.linalg.inv(SLOPES.T[:3]), rel=0.05, abs=2e-6)
    assert not model.smooth


def test_a_forest_of_trees_alone_has_none():
    plain = {"preset": "paper", "levels": 3, "trees": 5, "depth": 3, "copies": 5}
    model = ForestModel(settings=plain).fit(light(40, 3))
    with pytest.raises(NoDerivative, match="trees alone"):
        model.derivative(POINT)
    with pytest.raises(NoDerivative):
        model.sensitivity(model.invert(PAPER))


def test_a_method_that_knows_of_none_says_so():
    model = make("gp").fit(lines(30, 2, 2, seed=1))
    with pytest.raises(NoDerivative) as caught:
        model.derivative(np.array([0.5, 0.5]))
    assert "gmm" in caught.value.remedy


def test_ambient_light_that_is_known_moves_no_straight_line(models):
    """Under known ambient light the question goes to the model of the light alone."""
    model = models["bayes"]
    dark = Ambient.none(model.output_names)
    answer = model.invert(PAPER, ambient=dark)
    found = table(model.sensitivity(answer, ambient=dark), PAPER)
    assert found == pytest.approx(np.linalg.inv(SLOPES.T[:3]), rel=0.05, abs=2e-6)
    with pytest.raises(NotFitted):
        models["pls"].sensitivity(models["pls"].invert(PAPER), ambient=dark)


def test_points_that_are_none_are_refused(models):
    with pytest.raises(BadTarget):
        models["linear"].derivative(np.array([0.5, 0.5]))
    with pytest.raises(BadTarget):
        models["linear"].derivative(np.array([0.5, np.nan, 0.5]))


def test_the_least_move_is_weighted_least_squares_of_inputs_that_can_move():
    jacobian, scatter = np.array([[2.0, 1, 0], [0, 1, 1], [1, 0, 3], [1, 1, 1]]), np.array([1.0, 2, 3, 4])
    found = derivatives.least_move(jacobian, np.array([0.5, 1.0, 0.2]), scatter)
    free, weight = jacobian[:, [0, 2]], np.diag(scatter**-2)
    assert found[1].tolist() == [0] * 4
    assert found[[0, 2]] == pytest.approx(np.linalg.solve(free.T @ weight @ free, free.T @ weight))


def test_names_are_in_the_document():
    found = derivatives.Sensitivity.named(np.array([[1e-3, 0], [0, 2e-3]]), ("R", "G"), TARGETS[:2], "it", per=1000.0)
    assert found.to_json() == {"per_1000_counts": {"445nm": {"R": 1, "G": 0}, "515nm": {"R": 0, "G": 2}}, "of": "it"}
