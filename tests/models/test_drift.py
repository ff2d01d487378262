"""When a model says that it should be fitted again: how often without reason, and how soon with one."""

from dataclasses import replace

import numpy as np
import pytest

from retrolux.models.drift import ALLOWED, LIMIT, Drift
from tests.models.conftest import light, make


def runs(shift: float, n: int, length: int, seed: int):
    """How many readings until an alarm of ten outputs, `length` where there was none, n times."""
    rng = np.random.default_rng(seed)
    up, down, found = np.zeros((n, 10)), np.zeros((n, 10)), np.full(n, length)
    for i in range(length):
        z = np.clip(rng.normal(size=(n, 10)) + shift * (np.arange(10) == 3), -4, 4)
        up, down = np.maximum(up + z - ALLOWED, 0), np.maximum(down - z - ALLOWED, 0)
        new = (np.maximum(up, down) > LIMIT).any(axis=1) & (found == length)
        found[new] = i + 1
    return found


def test_a_false_alarm_is_rare():
    """Of 300 times 2,000 readings as they should be; at one in 50,000 twelve would be expected."""
    found = runs(0.0, 300, 2000, 0)
    assert (found < 2000).sum() <= 25


@pytest.mark.parametrize(("shift", "within"), [(1.0, 30), (-1.0, 30), (2.0, 12)])
def test_a_shift_is_found_soon(shift, within):
    assert np.median(runs(shift, 200, 300, 1)) <= within


def test_it_is_the_sum_that_the_simulation_has():
    rng = np.random.default_rng(2)
    z = rng.normal(size=(400, 10)) + 0.9 * (np.arange(10) == 3)
    drift = Drift.none(10)
    up = down = np.zeros(10)
    for i, row in enumerate(np.clip(z, -4, 4)):
        up, down = np.maximum(up + row - ALLOWED, 0), np.maximum(down - row - ALLOWED, 0)
        drift.see(z[i : i + 1])
        assert drift.up == pytest.approx(up)
        assert drift.down == pytest.approx(down)
    assert drift.alarms == {3}


def test_an_outlier_and_a_gap_are_no_drift():
    drift = Drift.none(2)
    drift.see(np.array([[1e9, np.nan], [0.0, -1e9]]))
    drift.see(np.full((100, 2), np.nan))
    assert drift.alarms == set()
    assert drift.n == 102


@pytest.fixture(scope="module")
def watched():
    """Forest and bayes, fitted once."""
    return {method: make(method).fit(light(120, 3), seed=1) for method in ("forest", "bayes")}


@pytest.mark.parametrize("method", ["forest", "bayes"])
def test_readings_like_those_learnt_from_are_no_reason_to_fit_again(watched, method):
    model = watched[method]
    model._drift = Drift.none(len(model.output_names))
    assert model.update(light(150, 9)) is model
    assert model.stale is None
    assert not model.updates


@pytest.mark.parametrize("method", ["forest", "bayes"])
def test_light_that_has_faded_is(watched, method):
    model, new = watched[method], light(80, 10)
    model._drift = Drift.none(len(model.output_names))
    model.update(replace(new, outputs=new.outputs * np.where(np.array(new.output_names) == "630nm", 0.95, 1.0)))
    assert model.stale is not None
    assert "630nm" in model.stale
    assert "445nm" not in model.stale
