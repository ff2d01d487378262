"""Many targets in one call: the same numbers as one by one, and much sooner."""

import time

import numpy as np
import pytest

from retrolux.models import registry
from retrolux.models.ambient import Ambient
from retrolux.models.errors import BadTarget, NotFitted, UnknownColumn
from retrolux.models.state_space import StateSpace
from tests.models.conftest import TARGETS, light, lines, make
from tests.models.test_aiming import NAMES, SKY, room
from tests.models.test_gmm import parabola

FAST = [m for m in registry.METHODS if m != "forest"]


def some(model, names, n, seed):
    """Targets that can be met, nearly, at the ends, and not at all."""
    rng = np.random.default_rng(seed)
    inputs = rng.random((n, len(model.input_names)))
    inputs[rng.random(inputs.shape) < 0.1] = 0.0
    inputs[rng.random(inputs.shape) < 0.1] = 1.0
    outputs = model.predict(inputs)[:, model.data.columns(names)]
    wild = rng.uniform(-1000, 70000, (n, len(names)))
    return np.where(np.arange(n)[:, None] % 3 == 2, wild, outputs * (1 + 0.004 * rng.normal(size=outputs.shape)))


def check(model, names, rows, ambient=None):
    """Compare every field with the answers one by one; of several answers only that there may be some."""
    many = model.invert_many(names, rows, ambient=ambient)
    every = [model.invert(dict(zip(names, row, strict=True)), ambient=ambient) for row in rows]
    for i, one in enumerate(every):
        assert dict(one.target) == dict(zip(many.names, many.targets[i], strict=True))
        assert one.feasible == many.feasible[i] or many.several[i]
        if many.several[i]:
            continue
        assert one.solutions == ()
        assert one.in_domain == many.in_domain[i]
        numbers = {
            "inputs": one.inputs.values(),
            "std": one.std.values(),
            "low": [ends[0] for ends in one.interval90.values()],
            "high": [ends[1] for ends in one.interval90.values()],
            "predicted": one.predicted.values(),
            "score": [one.attainable.score],
            "p": [one.attainable.p],
            "novelty_p": [one.novelty_p],
        }
        for name, values in numbers.items():
            assert np.ravel(getattr(many, name)[i]) == pytest.approx(list(values), rel=1e-9, abs=1e-9), name
        assert many.ellipsoid90[i] == pytest.approx(np.array(one.ellipsoid90), rel=1e-9, abs=1e-9)
    return many


@pytest.mark.parametrize("method", FAST)
@pytest.mark.parametrize("names", [TARGETS, ("630nm", "clear", "445nm", "515nm")])
def test_they_are_those_of_one_by_one(method, readings, names):
    model = make(method).fit(readings, seed=1)
    many = check(model, names, some(model, names, 7, 2))
    assert many.names == tuple(n for n in model.output_names if n in names)
    assert (~many.feasible).any()
    assert not many.several.all()


@pytest.mark.parametrize("method", FAST)
def test_also_in_ambient_light_that_is_known(method):
    data = room(4, seed=4)
    model = make(method).fit(data, state=StateSpace.learn(data))
    rows = some(model, NAMES[:3], 5, 3)
    check(model, NAMES[:3], rows, Ambient(NAMES, 0.8 * SKY, np.diag((0.01 * SKY) ** 2)))
    check(model, NAMES[:3], rows - 0.9 * SKY[:3], Ambient.none(NAMES))


@pytest.mark.parametrize("method", FAST)
def test_also_of_an_instrument_of_any_size(method):
    model = make(method).fit(lines(80, 2, 4, seed=1, noise=5))
    check(model, ("y0", "y3", "y2"), some(model, ("y0", "y3", "y2"), 5, 5))


def test_what_has_several_answers_is_marked():
    model = make("gmm").fit(parabola(200))
    many = model.invert_many(("y",), np.array([[3000.0], [5000.0]]))
    assert many.several.tolist() == [True, True]
    assert model.invert({"y": 3000.0}).solutions
    assert not make("gmm").fit(light(80, 3)).invert_many(TARGETS, np.full((2, 3), 16384.0)).several.any()


def test_a_forest_answers_many_nearly_as_one():
    """Its draws are others in other company."""
    model = make("forest").fit(light(80, 3), seed=1)
    rows = model.predict(np.array([[0.3, 0.4, 0.5], [0.6, 0.5, 0.2]]))[:, :3]
    many = model.invert_many(TARGETS, rows)
    for i, row in enumerate(rows):
        one = model.invert(dict(zip(TARGETS, row, strict=True)))
        assert many.inputs[i] == pytest.approx(list(one.inputs.values()), abs=0.02)
        assert many.feasible[i] == one.feasible


def test_a_bad_row_is_refused_with_its_number(readings):
    model = make("linear").fit(readings)
    rows = np.full((5, 3), 16384.0)
    for value in (np.nan, np.inf, 1e10):
        rows[3, 1] = value
        with pytest.raises(BadTarget, match="Target 4: 515nm"):
            model.invert_many(TARGETS, rows)
    with pytest.raises(BadTarget, match="shape"):
        model.invert_many(TARGETS, np.empty((0, 3)))
    with pytest.raises(BadTarget, match="shape"):
        model.invert_many(TARGETS, np.ones((2, 2)))
    with pytest.raises(BadTarget, match="once"):
        model.invert_many(("445nm", "445nm"), np.ones((1, 2)))
    with pytest.raises(UnknownColumn):
        model.invert_many(("999nm",), np.ones((1, 1)))
    with pytest.raises(NotFitted):
        model.invert_many(("445nm",), np.ones((1, 1)), ambient=Ambient.none(("445nm",)))


@pytest.mark.parametrize("method", ["linear", "pls", "gmm"])
def test_many_are_far_faster_than_one_by_one(method, readings):
    """By the processor's time, so that others on the machine hardly count; nobody there, it is about a hundred."""
    model = make(method).fit(readings, seed=1)
    rng = np.random.default_rng(0)
    rows = model.predict(rng.random((4000, 3)))[:, :3]
    model.invert_many(TARGETS, rows[:2]), model.invert(dict(zip(TARGETS, rows[0], strict=True)))
    began = time.process_time()
    model.invert_many(TARGETS, rows)
    whole = time.process_time() - began
    began = time.process_time()
    for row in rows[:100]:
        model.invert(dict(zip(TARGETS, row, strict=True)))
    assert 40 * (time.process_time() - began) > 20 * whole
