"""Learning curves: errors against closed forms, and how many readings a goal needs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrolux.models.ambient import Ambient
from retrolux.models.errors import UnknownColumn
from retrolux.models.learning_curve import Point, fitted, inverse_error, light_of, needed, questions
from tests.models.conftest import OFFSET, SLOPES, TARGETS
from tests.models.conftest import light as readings_of


def light(inputs):
    return np.asarray(inputs) @ SLOPES[:, :3]


@pytest.fixture(scope="module")
def data():
    return readings_of(60, 4, noise=0.002).select(TARGETS)


@pytest.mark.parametrize("method", ["linear", "bayes"])
def test_a_light_that_is_all_brighter_by_a_thousandth_is_missed_by_so_much(data, method) -> None:
    """Targets of 1.001 times the light move the answers by 0.001 x, whose root mean square is known."""
    model = fitted(method, data)
    plain = model.recover_in(TARGETS, light(questions(3)), [Ambient.none(TARGETS)] * 128).mean
    expected = np.sqrt(np.mean((plain + 0.01 * questions(3) - questions(3)) ** 2))
    brighter = inverse_error(model, TARGETS, lambda x: light(x) * 1.01)
    assert brighter == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("method", ["linear", "bayes", "pls"])
def test_known_ambient_light_forgives_an_offset(data, method) -> None:
    """The readings cannot tell a constant of the light from ambient light; a reading at half of each input can."""
    model = fitted(method, data)

    def with_step(x):
        return light(x) + 0.01 * np.diag(SLOPES[:, [2, 1, 0]])[[2, 1, 0]]

    assert inverse_error(model, TARGETS, with_step) > 0.008
    assert inverse_error(model, TARGETS, with_step, net=False) < 0.003


@pytest.mark.parametrize("method", ["linear", "bayes"])
def test_what_a_model_thinks_of_the_light_is_without_ambient_light(data, method) -> None:
    halves = np.full((1, 3), 0.5)
    found = light_of(fitted(method, data), TARGETS, halves)[0]
    raw = fitted(method, data).predict(halves)[0]
    np.testing.assert_allclose(raw - found, OFFSET[:3], atol=350)
    np.testing.assert_allclose(found, light(halves)[0], rtol=0.02)


def test_questions_are_interior_even_and_always_the_same() -> None:
    asked = questions(3)
    assert asked.shape == (128, 3)
    assert asked.min() > 0.05
    assert asked.max() < 0.95
    np.testing.assert_allclose(asked.mean(axis=0), 0.5, atol=0.01)


@given(power=st.floats(-2, -0.1), first=st.floats(1e-4, 1), at=st.floats(6, 190))
def test_a_power_law_is_read_off_exactly(power: float, first: float, at: float) -> None:
    sizes = [5, 20, 60, 200]
    errors = [first * n**power for n in sizes]
    assert needed(sizes, errors, first * at**power) == pytest.approx(at, rel=1e-6)


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ((0.1, 0.1, 0.1), 10.0),
        ((0.9, 0.9, 0.9), np.inf),
        ((0.1, 0.1, 0.9), np.inf),  # reached by luck, and lost
        ((0.1, 0.9, 0.1), pytest.approx(20 * 2 ** (np.log(1.8) / np.log(9)))),
        ((np.nan, 0.1, 0.1), 20.0),
        ((0.1, 0.1, np.nan), np.inf),
        ((0.5, 0.5, 0.5), 10.0),
    ],
)
def test_a_goal_is_reached_where_the_error_stays(errors, expected) -> None:
    assert needed([10, 20, 40], errors, 0.5) == expected


def test_a_point_says_when_a_seed_failed() -> None:
    assert Point("linear", "lhs", 5, (0.1, float("nan"))).to_json()["median"] is None
    whole = Point("linear", "lhs", 5, (0.1, 0.3, 0.2)).to_json()
    assert whole["median"] == 0.2
    assert whole["low"] == pytest.approx(0.12)
    assert whole["errors"] == [0.1, 0.3, 0.2]


def test_a_target_that_the_model_lacks_is_named(data) -> None:
    with pytest.raises(UnknownColumn, match="999nm"):
        light_of(fitted("linear", data), ("445nm", "999nm"), np.full((1, 3), 0.5))
