"""What can be met: distances by hand, conflicts by construction, the ceiling, and p-values of readings."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import minimize

from retrolux.models import registry
from retrolux.models.ambient import Ambient
from retrolux.models.conflicts import explained
from retrolux.models.dataset import Dataset
from retrolux.models.exposure import CEILING
from retrolux.models.forward import Forward, limits, surface
from retrolux.models.nearest import at, descended, nearest
from retrolux.models.scale import Scale
from retrolux.models.state_space import StateSpace
from tests.models.conftest import OFFSET, SLOPES, TARGETS, light, lines, make
from tests.models.test_aiming import GAINS, NAMES, SKY, room

SCATTER = np.array([[900.0, 500, 100], [500, 1600, -300], [100, -300, 2500]])


def straight(slopes=SLOPES[:, :3], offset=OFFSET[:3], scatter=SCATTER, dof=1e9) -> Forward:
    """A line whose scatter is the same everywhere."""
    n, k = slopes.shape
    corners = np.array(np.meshgrid(*[[0.0, 1.0]] * n)).reshape(n, -1).T
    ends = np.zeros(k), np.full(k, float(CEILING))
    names = tuple(f"y{i}" for i in range(k))
    return Forward(names, lambda rows: offset + rows @ slopes, lambda _x, _y: scatter, corners, *ends, dof)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(50, 60000), min_size=3, max_size=3))
def test_the_nearest_is_that_of_another_optimiser(target):
    target, weight = np.array(target), np.linalg.inv(SCATTER)
    found = nearest(straight(), target, np.full(3, 0.5))

    def squared(x):
        miss = OFFSET[:3] + x @ SLOPES[:, :3] - target
        return miss @ weight @ miss / 1e3

    other = min(
        minimize(squared, start, bounds=[(0, 1)] * 3, method="L-BFGS-B", options={"ftol": 1e-15, "gtol": 1e-12}).fun
        for start in (np.full(3, 0.5), found.x)
    )
    assert found.squared == pytest.approx(1e3 * other, rel=1e-3, abs=2e-3)
    assert ((found.x >= 0) & (found.x <= 1)).all()


def test_distance_and_p_are_those_of_the_textbook():
    """One output 2.5 standard deviations below its least: no input is free, chi-squared with one degree."""
    one = straight(np.array([[1000.0]]), np.array([500.0]), np.array([[100.0]]))
    found = nearest(one, np.array([475.0]), np.array([0.5]))
    assert found.x.tolist() == [0.0]
    assert np.sqrt(found.squared) == pytest.approx(2.5)
    assert found.p == pytest.approx(stats.chi2.sf(2.5**2, 1), rel=1e-6)
    assert not found.met
    few = straight(np.array([[1000.0]]), np.array([500.0]), np.array([[100.0]]), dof=8.0)
    assert nearest(few, np.array([475.0]), np.array([0.5])).p == pytest.approx(2 * stats.t.sf(2.5, 8), rel=1e-6)


def test_readings_have_p_values_that_are_uniform():
    """Five outputs of two inputs between their bounds: three degrees are left."""
    rng = np.random.default_rng(4)
    slopes, root = rng.uniform(1000, 9000, (2, 5)), rng.normal(0, 20, (5, 5)) + 30 * np.eye(5)
    way = straight(slopes, np.full(5, 500.0), root @ root.T)
    inputs = rng.uniform(0.2, 0.8, (400, 2))
    rows = 500 + inputs @ slopes + rng.standard_normal((400, 5)) @ root.T
    p = [descended(way, row, np.full(2, 0.5)).p for row in rows]
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_the_ceiling_asks_for_at_least_as_much_and_no_more_can_be_read():
    one = straight(np.array([[90000.0]]), np.array([500.0]), np.array([[1e4]]))
    full = nearest(one, np.array([65535.0]), np.array([0.2]))
    assert full.met
    assert full.squared < 1e-3
    assert at(one, np.array([65535.0]), np.array([1.0])).squared == 0
    for target in (65536.0, 70000.0, -1.0):
        assert not nearest(one, np.array([target]), np.array([0.2])).met
    low = straight(np.array([[30000.0]]), np.array([500.0]), np.array([[1e4]]))
    assert not nearest(low, np.array([65535.0]), np.array([0.2])).met


def test_readings_below_zero_or_above_the_ceiling_lift_these_limits():
    floor, ceiling = limits(np.array([[1.0, -2.0, 5.0], [9.0, 4.0, 1e6]]))
    assert floor.tolist() == [0, -np.inf, 0]
    assert ceiling.tolist() == [CEILING, CEILING, np.inf]


def test_the_smallest_conflict_is_found_among_many():
    """Four outputs of three inputs; the third and the fourth are the same input's and ask for different ones of it."""
    slopes = np.array([[30000.0, 100, 0, 0], [200, 60000, 0, 0], [0, 0, 20000, 10000]])
    way = straight(slopes, np.full(4, 100.0), np.diag([2500.0] * 4))
    target = np.array([15000.0, 20000, 12000, 3000])
    found = explained(way, target, nearest(way, target, np.full(3, 0.5)), ("a", "b", "c"), Scale.DUTIES)
    assert found.conflicts == (("y2", "y3"),)
    assert found.reach == {}
    # least squares of the two: 100 + c 20000 against 12000, 100 + c 10000 against 3000
    c = (11900 * 20000 + 2900 * 10000) / (20000**2 + 10000**2)
    assert found.inputs["c"] == pytest.approx(c, abs=1e-4)
    assert found.nearest["y3"] == pytest.approx(100 + 10000 * c, abs=2)
    assert found.nearest["y0"] == pytest.approx(15000, abs=2)


def test_three_outputs_that_conflict_only_all_together_are_named_so():
    slopes = np.array([[10000.0, 0, 10000], [0, 10000, 10000]])
    way = straight(slopes, np.full(3, 100.0), np.diag([100.0] * 3))
    target = np.array([100.0 + 5000, 100 + 5000, 100 + 14000])
    found = explained(way, target, nearest(way, target, np.full(2, 0.5)), ("a", "b"), Scale.DUTIES)
    assert found.conflicts == (("y0", "y1", "y2"),)


def test_what_is_out_of_reach_is_named_with_what_it_can_have(model):
    answer = model.invert({"445nm": 60000.0, "630nm": 9000.0})
    reach = answer.attainable
    assert reach.conflicts == (("445nm",),)
    low, high = reach.reach["445nm"]
    assert low == pytest.approx(628, abs=120)
    assert high == pytest.approx(628 + 37 + 304 + 30177, rel=0.01)
    assert reach.nearest["445nm"] == pytest.approx(high, rel=0.005)
    assert reach.nearest["630nm"] == pytest.approx(9000, rel=0.025)  # hundreds of sd at 445 nm pull at it a little
    assert reach.inputs["B"] == pytest.approx(1, abs=0.01)
    assert (reach.score > 10, reach.p < 1e-6) == (True, True)
    assert any(words.startswith("445nm: 60000 counts cannot be reached; it can have") for words in answer.warnings)
    assert any(words.startswith("The nearest that can be met: 445nm 3") for words in answer.warnings)


@pytest.mark.parametrize("target", [{"445nm": -200.0}, {"515nm": 2.0**16}, {"515nm": 70000.0, "445nm": 9000.0}])
def test_the_papers_impossible_counts_are_refused(model, target):
    answer = model.invert(target)
    assert not answer.feasible
    assert answer.attainable.conflicts[0] == (next(iter(target)),)


def test_the_ceiling_itself_may_be_asked(model):
    """Clear saturates at 65535 for half of all settings, though no reading says how much more there is."""
    answer = model.invert({"clear": 65535.0})
    assert answer.feasible
    assert answer.attainable.nearest["clear"] > 65000


@pytest.mark.parametrize("method", ["linear", "pls", "gmm", "bayes"])
def test_ambient_light_that_is_known_counts(method):
    train = room(8, 3)
    model = make(method).fit(train, state=StateSpace.learn(train))
    target = dict(zip(TARGETS, (GAINS @ np.array([0.4, 0.3, 0.5]) + 3 * SKY)[:3], strict=True)) | {
        "nir": 3 * SKY[3] + 996
    }
    lit, dim = (Ambient(NAMES, strength * SKY, np.diag(np.full(4, 5.0**2))) for strength in (3.0, 1.0))
    assert model.invert(target, ambient=lit).feasible
    answer = model.invert(target, ambient=dim)
    assert not answer.feasible
    assert answer.attainable.conflicts[0] == ("nir",)
    assert answer.attainable.reach["nir"][1] == pytest.approx(SKY[3] + 2700, rel=0.02)


def test_a_bend_is_followed(method):
    """y = x²: by a straight line its end would be elsewhere."""
    rng = np.random.default_rng(1)
    x = rng.random((150, 1))
    y = 20000 * np.hstack([x**2, 1 - x]) + rng.normal(0, 40, (150, 2))
    data = Dataset(x, y, np.zeros((150, 2), dtype=bool), ("x",), ("y", "z"))
    model = make(method).fit(data)
    if method == "gmm":
        assert model.invert({"y": 5000.0, "z": 10000.0}).feasible
        assert not model.invert({"y": 10000.0, "z": 10000.0}).feasible
    assert not model.invert({"y": 40000.0}).feasible


def test_a_surface_through_predictions_is_near_them():
    def rough(rows):
        return np.column_stack([1000 * rows[:, 0] + 50 * rows[:, 1] ** 2, 300 * rows.sum(axis=1)])

    rows = np.random.default_rng(0).random((50, 2))
    assert surface(rough, 2)(rows) == pytest.approx(rough(rows), abs=5)


def test_many_outputs_of_any_instrument(method):
    data = lines(80, 2, 6, seed=2)
    model = make(method).fit(data)
    middle = dict(zip(data.output_names, data.outputs[10].tolist(), strict=True))
    assert model.invert(middle).attainable.p > 0.001
    answer = model.invert(middle | {"y3": middle["y3"] + 60.0})
    assert not answer.feasible
    assert 2 <= len(answer.attainable.conflicts[0]) <= 3


def test_an_answer_in_json_and_after_saving(model, tmp_path):
    model.save(tmp_path / "m")
    again = registry.load(tmp_path / "m")
    target = {"445nm": 60000.0, "515nm": 20000.0}
    one, other = model.invert(target), again.invert(target)
    assert one == other
    written = one.to_json()
    assert list(written["attainable"]) == ["score", "p", "nearest", "inputs", "conflicts", "reach"]
    assert written["attainable"]["conflicts"] == [["445nm"]]
    assert 0 <= written["novelty_p"] <= 1


def test_light_of_the_conftest_is_judged_without_noise_too():
    model = make("linear").fit(light(60, 2, noise=0.0))
    assert model.invert(
        dict(zip(("445nm", "630nm"), (OFFSET + np.full(3, 0.5) @ SLOPES)[[0, 2]], strict=True))
    ).feasible
    assert not model.invert({"445nm": OFFSET[0] - 20}).feasible


@pytest.mark.parametrize("method", ["gmm", "bayes", "pls", "forest"])
def test_the_answer_to_what_is_out_of_reach_is_near_the_nearest(method):
    """Where outputs bend, or an answer is cut off at a bound, a method's own may be far from it."""
    rng = np.random.default_rng(0)
    x = np.linspace(0, 6, 160)[:, None]
    head = 9 - 1.5 * (x - 3) ** 2 + rng.normal(0, 0.1, (160, 1))
    pump = Dataset.between(Scale.enclosing(x), x, ("volts",), head, ("head",), np.zeros((160, 1), bool))
    model = make(method).fit(pump)
    found = model.invert({"head": 30.0})
    assert not found.feasible
    volts, nearest = found.inputs["volts"], found.attainable.inputs["volts"]
    reached, best = (model.predict(model.scale.scaled(np.array([[v]])))[0, 0] for v in (volts, nearest))
    assert 30 - reached <= 1.5 * (30 - best) + 1e-9
    many = model.invert_many(("head",), np.array([[30.0], [4.0]]))
    assert many.inputs[0, 0] == pytest.approx(volts, rel=1e-9)
    assert found.interval90["volts"][0] <= volts <= found.interval90["volts"][1]


@pytest.mark.parametrize("factor", [1.0, 1e-7, 1e6])
def test_linear_s_nearest_of_a_table_does_not_depend_on_units(factor):
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.uniform(0, 4, 120), rng.uniform(10, 30, 120)])
    y = x @ np.array([[3.0, -1.0], [0.5, 0.2]]) + np.array([20, 5]) + rng.normal(0, [0.2, 0.1], (120, 2))
    scale, size = Scale(np.array([0, 10.0]), np.array([4, 30.0]), counts=False), np.array([factor, 1 / factor])
    data = Dataset.between(scale, x, ("p", "q"), y * size, ("T", "z"), np.zeros(y.shape, bool))
    found = make("linear").fit(data).invert({"T": 45 * size[0], "z": 9 * size[1]})
    by_hand = (225 * (10 / 3) + 100 * 2) / 325  # of p with q = 30: 3 p + 35 for 45 within 0.2, 11 − p for 9 within 0.1
    assert list(found.inputs.values()) == pytest.approx([by_hand, 30.0], abs=0.05)
