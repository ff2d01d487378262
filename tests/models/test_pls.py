"""``pls`` against ordinary least squares and scikit-learn."""

import numpy as np
import pytest
from sklearn.cross_decomposition import PLSRegression

from retrolux.models import partial_least_squares
from retrolux.models.pls import PlsModel
from tests.models.conftest import lines


def test_with_all_components_it_is_ordinary_least_squares():
    data = lines(50, 2, 4, seed=1, noise=30)
    line, _ = partial_least_squares.fit_line(data.outputs, data.inputs, seed=0, n_components=4)
    design = np.c_[np.ones(50), data.outputs]
    expected = np.linalg.lstsq(design, data.inputs, rcond=None)[0]
    assert line.intercept == pytest.approx(expected[0], abs=1e-9)
    assert line.slopes == pytest.approx(expected[1:], abs=1e-9)
    hat = design @ np.linalg.inv(design.T @ design) @ design.T
    assert line.leverage(data.outputs) == pytest.approx(np.diag(hat))


def test_with_fewer_components_it_is_scikit_learns():
    data = lines(50, 3, 6, seed=2, noise=30)
    line, _ = partial_least_squares.fit_line(data.outputs, data.inputs, seed=0, n_components=2)
    expected = PLSRegression(2).fit(data.outputs, data.inputs).predict(data.outputs)
    assert line.mean(data.outputs) == pytest.approx(expected)


def test_cross_validation_finds_the_number_of_directions():
    rng = np.random.default_rng(3)
    factors = rng.normal(size=(80, 2))
    given = factors @ rng.normal(size=(2, 8)) + 0.05 * rng.normal(size=(80, 8))
    wanted = factors @ rng.normal(size=(2, 2)) + 0.05 * rng.normal(size=(80, 2))
    line, _ = partial_least_squares.fit_line(given, wanted, seed=0)
    assert line.axes.shape[1] == pytest.approx(2, abs=1)


def test_residuals_are_of_readings_left_out():
    rng = np.random.default_rng(4)  # noise alone: in-sample residuals would be smaller than the noise
    given, wanted = rng.normal(size=(30, 8)), rng.normal(size=(30, 1))
    _, residuals = partial_least_squares.fit_line(given, wanted, seed=0, n_components=8)
    assert residuals.std() > wanted.std()


def test_each_pattern_is_fitted_once_and_kept():
    data = lines(40, 2, 4, seed=5)
    model = PlsModel(targets=("y0", "y1")).fit(data)
    before = dict(model._fits)
    model.invert({"y1": 500.0, "y0": 400.0})
    assert model._fits == before
    model.invert({"y2": 500.0, "y3": 400.0})
    assert set(model._fits) - set(before) == {(("y2", "y3"), ("x0", "x1"))}
