"""Least squares within bounds against SciPy's, one row at a time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import lsq_linear

from retrolux.models.boxed import boxed


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.floats(-6, 0))
def test_it_is_scipys(seed, n, hold):
    """Also where the rows tell only some directions and a faint one of each input holds the rest."""
    rng = np.random.default_rng(seed)
    told = rng.integers(1, 8)
    design = np.concatenate([rng.normal(size=(20, told, n)), np.tile(10.0**hold * np.eye(n), (20, 1, 1))], axis=1)
    wanted = 2 * rng.normal(size=(20, told + n))
    low, high = -rng.random((20, n)), rng.random((20, n))
    found = boxed(design, wanted, low, high)
    assert ((found >= low) & (found <= high)).all()
    for i in range(20):
        other = lsq_linear(design[i], wanted[i], bounds=(low[i], high[i]), method="bvls", tol=1e-14)
        cost = ((design[i] @ found[i] - wanted[i]) ** 2).sum() / 2
        assert cost == pytest.approx(other.cost, rel=1e-9, abs=1e-12)
        assert found[i] == pytest.approx(other.x, abs=1e-6 if hold < -2 else 1e-9)


def test_one_design_serves_all_rows():
    rng = np.random.default_rng(3)
    design, wanted = rng.normal(size=(5, 3)), rng.normal(size=(30, 5))
    ends = np.zeros((30, 3)), np.ones((30, 3))
    whole = boxed(np.tile(design, (30, 1, 1)), wanted, *ends)
    assert boxed(design[None], wanted, *ends) == pytest.approx(whole, abs=1e-12)
    assert ((whole == 0) | (whole == 1)).any()
