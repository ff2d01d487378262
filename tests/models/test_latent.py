"""Partial least squares of several tables at once against scikit-learn's of each."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cross_decomposition import PLSRegression

from retrolux.models.latent import fitted


def by_sklearn(x: np.ndarray, y: np.ndarray, n: int) -> PLSRegression:
    with warnings.catch_warnings():  # of rounds that come to their end, and of nothing left to explain
        warnings.filterwarnings("ignore", category=UserWarning, module="sklearn")
        return PLSRegression(n, max_iter=2000).fit(x, y)


def tables(n: int, rows: int, p: int, q: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Given columns that depend on fewer hidden ones, and wanted ones with noise of their own."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(n, rows, max(p // 2, 1)))
    x = hidden @ rng.normal(size=(hidden.shape[2], p)) + 0.3 * rng.normal(size=(n, rows, p))
    y = hidden @ rng.normal(size=(hidden.shape[2], q)) + rng.normal(size=(n, rows, q))
    return x * 10.0 ** rng.uniform(-3, 3, p), y * 10.0 ** rng.uniform(-3, 3, q)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 7), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_each_is_scikit_learns_with_any_number_of_components(p, q, seed):
    x, y = tables(3, 40, p, q, seed)
    found = fitted(x, y, p)
    for n in range(1, p + 1):
        for i in range(3):
            other = by_sklearn(x[i], y[i], n)
            size = np.abs(other.coef_.T).max()
            assert found.slopes(n)[i] / size == pytest.approx(other.coef_.T / size, abs=1e-9)
            axes = other.x_rotations_ / other._x_std[:, None]
            assert found.axes[i, :, :n] / np.abs(axes).max() == pytest.approx(axes / np.abs(axes).max(), abs=1e-9)


@pytest.mark.parametrize("constant", ["given", "wanted"])
def test_a_column_that_never_varies_says_nothing(constant):
    x, y = tables(2, 30, 3, 2, 5)
    (x if constant == "given" else y)[:, :, 1] = 7.0
    found = fitted(x, y, 2)
    for i in range(2):
        assert found.slopes(2)[i] == pytest.approx(by_sklearn(x[i], y[i], 2).coef_.T, rel=1e-9, abs=1e-12)


def test_of_wanted_columns_without_noise_nothing_is_left():
    rng = np.random.default_rng(1)
    x, slopes = rng.normal(size=(2, 50, 4)), rng.normal(size=(4, 1))
    y = x @ slopes
    assert fitted(x, y, 4).slopes(4) == pytest.approx(np.tile(slopes, (2, 1, 1)), abs=1e-12)
    same = np.zeros((2, 50, 1))
    assert (fitted(x, same, 2).slopes(2) == 0).all()


def test_it_tells_how_far_it_is():
    done = []
    fitted(*tables(2, 30, 4, 2, 1), 4, done.append)
    assert done == [0.25, 0.5, 0.75, 1.0]
