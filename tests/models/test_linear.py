"""``linear`` against formulas worked by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import t

from retrolux.models.dataset import Dataset
from retrolux.models.linear import LinearModel
from tests.models.conftest import TARGETS, light, lines


def by_hand(data):
    """Coefficients and residual covariance by the normal equations."""
    design = np.c_[np.ones(len(data)), data.inputs]
    coefficients = np.linalg.inv(design.T @ design) @ design.T @ data.outputs
    residuals = data.outputs - design @ coefficients
    return design, coefficients, residuals.T @ residuals / (len(data) - design.shape[1])


def test_forward_is_ordinary_least_squares():
    data = lines(40, 3, 6, seed=1)
    _, coefficients, _ = by_hand(data)
    inputs = np.array([[0.1, 0.9, 0.4]])
    expected = coefficients[0] + inputs @ coefficients[1:]
    assert LinearModel().fit(data).predict(inputs) == pytest.approx(expected, rel=1e-9)


def test_backward_is_generalised_least_squares():
    data = lines(200, 2, 5, seed=2, noise=20)
    _, c, scatter = by_hand(data)
    target = np.array([[400.0, 500, 450, 380, 600]])
    weights = np.linalg.inv(scatter)
    expected = np.linalg.inv(c[1:] @ weights @ c[1:].T) @ c[1:] @ weights @ (target - c[0])[0]
    found = LinearModel().fit(data).recover(data.output_names, target)
    assert found.mean[0] == pytest.approx(np.clip(expected, 0, 1), abs=2e-4)  # the prior of an open input


def test_the_interval_is_students_t_with_the_leverage():
    data = lines(30, 1, 1, seed=3, noise=1)
    design, c, scatter = by_hand(data)
    x = 0.3
    found = LinearModel().fit(data).recover(("y0",), c[0:1] + x * c[1:])
    row = np.array([1, x])
    leverage = row @ np.linalg.inv(design.T @ design) @ row
    sd = np.sqrt(scatter[0, 0] * (1 + leverage)) / abs(c[1, 0])
    half = (found.high - found.low)[0, 0] / 2
    assert half == pytest.approx(t.ppf(0.95, 28) * sd, rel=1e-3)
    assert found.std[0, 0] == pytest.approx(sd * np.sqrt(28 / 26), rel=1e-3)


def test_out_of_reach_it_is_the_bounded_optimum():
    data = light(80, 4).select(TARGETS)
    data = data.take(~data.saturated.any(axis=1))
    _, c, scatter = by_hand(data)
    target = np.array([500.0, 30000, 40000])

    def misfit(x):
        miss = target - c[0] - x @ c[1:]
        return miss @ np.linalg.solve(scatter, miss)

    other = minimize(misfit, np.full(3, 0.5), bounds=[(0, 1)] * 3, method="L-BFGS-B", options={"ftol": 1e-14})
    found = LinearModel().fit(data).recover(TARGETS, target[None])
    assert misfit(found.mean[0]) <= other.fun * (1 + 1e-6)
    assert found.mean[0] == pytest.approx(other.x, abs=2e-3)


def test_channels_that_watch_the_ambient_light_cancel_it():
    rng = np.random.default_rng(5)
    ambient = rng.uniform(0, 3000, (150, 1))
    clean = lines(150, 2, 3, seed=5, noise=2)
    outputs = np.hstack([clean.outputs + ambient * [1.0, 0.7, 1.3], ambient + rng.normal(size=(150, 1))])
    names = ("y0", "y1", "y2", "sky")
    data = Dataset(clean.inputs, outputs, np.zeros(outputs.shape, dtype=bool), clean.input_names, names)
    model = LinearModel().fit(data.take(range(100)))
    unseen = data.take(range(100, 150))

    def error(columns):
        found = model.recover(columns, unseen.select(columns).outputs)
        return np.sqrt(((found.mean - unseen.inputs) ** 2).mean())

    assert error(names) < 0.25 * error(names[:3])


@settings(max_examples=40, deadline=None)
@given(
    x=st.lists(st.floats(0, 1), min_size=3, max_size=3),
    scale=st.floats(1e-3, 1e3),
    seed=st.integers(0, 20),
)
def test_noiseless_outputs_give_the_inputs_back_in_any_unit(x, scale, seed):
    data = lines(12, 3, 5, seed=seed, noise=0)
    scaled = Dataset(data.inputs, data.outputs * scale, data.saturated, data.input_names, data.output_names)
    model = LinearModel().fit(scaled)
    found = model.recover(data.output_names, model.predict(np.array([x])))
    assert found.mean[0] == pytest.approx(x, abs=1e-5)
    assert (found.low <= found.mean + 1e-12).all()
    assert (found.mean <= found.high + 1e-12).all()


@pytest.mark.parametrize("n_outputs", [3, 10])
def test_few_readings_of_many_channels_stay_solvable(n_outputs):
    data = lines(8, 3, n_outputs, seed=9)
    found = LinearModel().fit(data).recover(data.output_names, data.outputs)
    assert np.isfinite(found.std).all()
    assert np.abs(found.mean - data.inputs).max() < 0.1


def test_inputs_at_the_bounds_do_no_harm():
    data = light(60, 6)
    inputs = np.round(data.inputs)  # only 0 and 1
    rng = np.random.default_rng(0)
    outputs = 1000 + inputs @ rng.uniform(5000, 9000, (3, 5)) + rng.normal(size=(60, 5))
    corners = Dataset(inputs, outputs, np.zeros((60, 5), dtype=bool), data.input_names, data.output_names)
    found = LinearModel().fit(corners).recover(corners.output_names, outputs)
    assert found.mean == pytest.approx(inputs, abs=0.01)
