"""Several answers: distinct, covering, weighed; and no mean of two."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import least_squares

from retrolux.models import branches
from retrolux.models.dataset import Dataset
from retrolux.models.posterior import Posterior
from tests.models.conftest import PAPER, light, make, truth

SCALE, BOTTOM = 20000, 1000
BLUE = {"445nm": 16384.0}


def parabola(n: int = 200, noise: float = 50) -> Dataset:
    """y = x² over x in [−1, 1], the input scaled to [0, 1]."""
    rng = np.random.default_rng(1)
    x = rng.random((n, 1))
    y = BOTTOM + SCALE * (2 * x - 1) ** 2 + noise * rng.normal(size=(n, 1))
    return Dataset(x, y, np.zeros((n, 1), dtype=bool), ("x",), ("y",))


def roots(y: float) -> list[float]:
    half = np.sqrt((y - BOTTOM) / SCALE) / 2
    return [0.5 - half, 0.5 + half]


@pytest.fixture(scope="module")
def bent():
    return {method: make(method).fit(parabola()) for method in ("linear", "pls", "gmm", "forest", "bayes")}


class Plane:
    """x₁ + x₂ is wanted to be 1, or whatever ``f`` says."""

    def __init__(self, f=lambda x: x.sum(axis=1) - 1):
        self.f = f

    def missed(self, inputs):
        return np.abs(self.f(inputs)) / 0.01

    def settled(self, candidates):
        start = candidates[0]
        return least_squares(lambda x: np.append(self.f(x[None]), 1e-4 * (x - start)), start, bounds=(0, 1)).x


def own(draws):
    low, high = np.quantile(draws, (0.05, 0.95), axis=0)
    return Posterior(draws.mean(axis=0)[None], draws.std(axis=0)[None], low[None], high[None])


def test_a_narrow_cloud_has_one_answer_the_methods_own():
    draws = np.random.default_rng(0).normal(0.4, 0.02, (500, 3))
    mine = own(draws)
    (part,) = branches.parts(draws, mine, Plane())
    assert part.posterior is mine
    assert part.weight == 1


@given(st.integers(0, 10_000), st.integers(1, 3), st.floats(0.001, 0.09))
@settings(max_examples=25, deadline=None)
def test_no_narrow_normal_cloud_is_ever_parted(seed, n_inputs, spread):
    draws = np.random.default_rng(seed).normal(0.5, spread, (400, n_inputs))
    assert len(branches.parts(draws, own(draws), Plane())) == 1


@pytest.mark.parametrize("apart", [0.05, 0.3])
def test_two_clouds_are_two_answers_with_their_shares_and_their_own_spreads(apart):
    rng, spread = np.random.default_rng(0), apart / 12
    draws = np.concatenate([rng.normal(0.3, spread, (100, 1)), rng.normal(0.3 + apart, spread, (300, 1))])
    found = branches.parts(rng.permutation(draws), own(draws), Plane(lambda x: np.zeros(len(x))))
    assert [part.weight for part in found] == pytest.approx([0.75, 0.25], abs=0.05)
    assert [float(part.posterior.mean[0, 0]) for part in found] == pytest.approx([0.3 + apart, 0.3], abs=spread)
    assert [float(part.posterior.std[0, 0]) for part in found] == pytest.approx([spread] * 2, rel=0.2)


def test_a_line_of_answers_is_covered_by_answers_apart():
    x = np.random.default_rng(0).random(500)
    draws = np.column_stack([x, 1 - x])
    found = branches.parts(draws, own(draws), Plane())
    points = np.array([part.posterior.mean[0] for part in found])
    assert 3 <= len(points) <= branches.MOST
    assert points.sum(axis=1) == pytest.approx(np.ones(len(points)), abs=0.05)
    distance = np.abs(points[:, None] - points).sum(axis=2)[np.triu_indices(len(points), 1)]
    assert distance.min() > 0.2
    assert np.abs(draws[:, None] - points).max(axis=2).min(axis=1).max() < 0.25  # no answer is far from one of them
    assert sum(part.weight for part in found) == pytest.approx(1)
    assert [part.posterior.std[0, 0] for part in found] == pytest.approx([draws[:, 0].std()] * len(found))


def test_two_lines_are_two_branches_with_representatives_of_each():
    rng = np.random.default_rng(0)
    draws = np.column_stack([rng.choice([0.1, 0.9], 500), rng.random(500)])
    found = branches.parts(draws, own(draws), Plane(lambda x: (x[:, 0] - 0.1) * (x[:, 0] - 0.9)))
    points = np.array([part.posterior.mean[0] for part in found])
    assert set(points[:, 0].round(6)) == {0.1, 0.9}
    assert len(points) >= 4
    assert all(part.posterior.std[0, 0] < 1e-9 for part in found)


def test_draws_that_touch_are_two_branches_where_the_middle_is_no_answer():
    """As of a mixture with a component between two answers."""
    draws = np.random.default_rng(0).random((500, 1))
    found = branches.parts(draws, own(draws), Plane(lambda x: (x[:, 0] - 0.2) * (x[:, 0] - 0.8)))
    assert all(part.posterior.std[0, 0] < 0.2 for part in found)
    assert all(abs(part.posterior.mean[0, 0] - 0.5) > 0.1 for part in found)


def test_the_middle_of_a_ring_is_no_answer_though_the_method_thinks_so():
    turn = np.random.default_rng(0).random(500) * 2 * np.pi
    draws = 0.5 + 0.35 * np.column_stack([np.cos(turn), np.sin(turn)])
    found = branches.parts(draws, own(draws), Plane(lambda x: np.zeros(len(x))))
    points = np.array([part.posterior.mean[0] for part in found])
    assert len(points) >= 3
    assert np.linalg.norm(points - 0.5, axis=1) == pytest.approx(np.full(len(points), 0.35), abs=0.01)
    assert np.linalg.norm(points.mean(axis=0) - 0.5) < 0.15  # all round


def test_draws_outside_are_left_out_unless_all_are():
    draws = np.array([[0.5], [1.2], [0.6], [-0.1]])
    assert branches.within(draws).tolist() == [[0.5], [0.6]]
    assert branches.within(draws[[1, 3]]).tolist() == [[1.0], [0.0]]


@pytest.mark.parametrize("y", [4000.0, 9000.0, 14000.0])
def test_both_roots_of_a_parabola_are_given(bent, y):
    answer = bent["gmm"].invert({"y": y})
    found = sorted(one.inputs["x"] for one in (answer, *answer.solutions))
    assert found == pytest.approx(roots(y), abs=0.04)  # as well as so few Gaussians follow the parabola
    assert all(one.feasible for one in answer.solutions)
    assert answer.weight + sum(one.weight for one in answer.solutions) == pytest.approx(1)
    assert answer.weight >= answer.solutions[0].weight
    assert answer.std["x"] < 0.12
    assert answer.predicted["y"] == pytest.approx(y, rel=0.01)


@pytest.mark.parametrize("y", [9000.0, 14000.0])
def test_the_forest_gives_both_sides_of_a_parabola(bent, y):
    answer = bent["forest"].invert({"y": y})
    every = [answer, *answer.solutions]
    for root in roots(y):
        assert min(abs(one.inputs["x"] - root) for one in every) < 0.08
    assert all(abs(one.inputs["x"] - 0.5) > 0.1 for one in every)
    assert sum(one.weight for one in every) == pytest.approx(1)


@pytest.mark.parametrize("method", ["gmm", "forest"])
def test_recovering_does_not_average_two_roots(bent, method):
    wanted = np.array([[4000.0], [9000.0], [14000.0]])
    found = bent[method].recover(("y",), wanted)
    missed = [np.abs(x - np.array(roots(y))).min() for x, y in zip(found.mean[:, 0], wanted[:, 0], strict=True)]
    assert max(missed) < 0.08
    assert found.std.max() < 0.13


@pytest.mark.parametrize("method", ["linear", "pls", "bayes"])
def test_a_straight_line_says_that_it_cannot_bend(bent, method):
    answer = bent[method].invert({"y": 9000.0})
    assert any("straight line" in words and "less than half of what y does" in words for words in answer.warnings)
    assert answer.solutions == ()


def test_a_line_that_explains_its_outputs_says_nothing_of_the_kind(model):
    assert not any("straight line" in words for words in model.invert(BLUE).warnings)


def test_above_a_parabola_the_nearest_is_an_end_and_no_mean_of_both(bent):
    answer = bent["gmm"].invert({"y": 60000.0})
    assert not answer.feasible
    assert answer.inputs["x"] in {0.0, 1.0}


@pytest.mark.parametrize("samples", [2, 3, 1000])
def test_few_samples_do_not_matter_to_the_search(bent, model, samples):
    assert len(model.invert(BLUE, samples=samples).solutions) >= 2
    assert len(bent["gmm"].invert({"y": 9000.0}, samples=samples).solutions) == 1


@given(st.integers(1, 12), st.integers(1, 3), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_any_few_draws_are_parted_without_trouble(n, n_inputs, seed):
    draws = np.random.default_rng(seed).choice([0.0, 0.5, 1.0, 0.3], (n + 1, n_inputs))
    found = branches.parts(draws, own(draws), Plane(lambda x: np.zeros(len(x))))
    assert sum(part.weight for part in found) == pytest.approx(1)
    assert 1 <= len(found) <= branches.MOST


def test_what_no_input_gives_has_no_second_answer(bent):
    answer = bent["gmm"].invert({"y": -20000.0})
    assert not answer.feasible
    assert answer.solutions == ()
    assert answer.weight == 1


def test_one_output_leaves_a_plane_of_answers(model):
    answer = model.invert(BLUE)
    every = [answer, *answer.solutions]
    assert 3 <= len(every) <= branches.MOST
    assert sum(one.weight for one in every) == pytest.approx(1)
    points = np.array([list(one.inputs.values()) for one in every])
    reached = truth(points)[:, 0]
    assert reached == pytest.approx(np.full(len(every), 16384.0), rel=0.02)
    distance = np.linalg.norm(points[:, None] - points, axis=2)[np.triu_indices(len(every), 1)]
    assert distance.min() > 0.15
    assert np.ptp(points[:, :2], axis=0).min() > 0.3  # they go about the plane, not along one edge
    for one in every:
        assert one.feasible
        assert one.predicted["445nm"] == pytest.approx(16384, rel=0.01)
        assert one.solutions == () or one is answer


def test_representatives_of_a_plane_leave_nothing_far(model):
    """The farthest point of the square of free inputs is nearer than it would be with the middle alone."""
    answer = model.invert(BLUE)
    points = np.array([[one.inputs["R"], one.inputs["G"]] for one in (answer, *answer.solutions)])
    grid = np.stack(np.meshgrid(*[np.linspace(0.05, 0.95, 19)] * 2), axis=-1).reshape(-1, 2)
    away = np.linalg.norm(grid[:, None] - points, axis=2).min(axis=1)
    assert np.sqrt((away**2).mean()) < 0.28  # 0.37 from the middle alone


def test_one_answer_where_the_target_determines_it(model):
    answer = model.invert(PAPER)
    assert answer.solutions == ()
    assert answer.weight == 1
    assert answer.to_json()["weight"] == 1


def test_weights_are_in_the_document(bent):
    document = bent["gmm"].invert({"y": 9000.0}).to_json()
    assert document["weight"] + sum(other["weight"] for other in document["solutions"]) == pytest.approx(1)


def test_a_determined_target_costs_no_search(monkeypatch):
    """Also by the clock: an answer of a few milliseconds, however busy the machine, is no search of fifty."""
    monkeypatch.setattr(branches, "parts", None)  # looking would fail
    for method in ("linear", "pls", "gmm", "bayes"):
        model = make(method).fit(light(80, 3))
        model.invert(PAPER)
        spent = []
        for _ in range(5):
            began = time.perf_counter()
            model.invert(PAPER)
            spent.append(time.perf_counter() - began)
        assert min(spent) < 0.02
