"""Scores against their definitions, written out."""

import numpy as np
import pytest
from scipy import stats

from retrolux.models.dataset import Dataset
from retrolux.models.model import Posterior
from retrolux.models.score import score

NAMES = ("R", "G")


def readings(inputs, times=None):
    inputs = np.asarray(inputs, float)
    n = len(inputs)
    return Dataset(inputs, np.zeros((n, 1)), np.zeros((n, 1), dtype=bool), NAMES, ("a",), times)


def found(inputs, missed, half):
    mean = np.asarray(inputs, float) + missed
    return Posterior(mean, np.full_like(mean, half / 1.645), mean - half, mean + half)


def test_errors_are_split_by_ends_and_by_settings_that_were_learnt():
    inputs = [[0.0, 0.5], [0.5, 1.0], [0.2, 0.3], [0.4, 0.6]]
    missed = np.array([[0.01, 0.0], [0.03, 0.0], [0.02, 0.01], [0.04, 0.0]])
    s = score(found(inputs, missed, 0.1), readings(inputs), np.array([[0.2, 0.3], [0.4, 0.9]]), 1.0, 2.0)
    assert s.rmse["R"] == pytest.approx(np.sqrt((0.01**2 + 0.03**2 + 0.02**2 + 0.04**2) / 4))
    assert s.rmse_at_ends == pytest.approx({"R": np.sqrt((0.01**2 + 0.03**2) / 2), "G": 0.0})
    assert s.rmse_between == pytest.approx({"R": np.sqrt((0.02**2 + 0.04**2) / 2), "G": np.sqrt(0.01**2 / 2)})
    assert s.rmse_new == pytest.approx({"R": np.sqrt((0.01**2 + 0.03**2 + 0.04**2) / 3), "G": 0.0})
    assert s.width["R"] == pytest.approx(0.2 / 3.29 / s.rmse["R"])
    assert (s.rmse_range, s.coverage_range) == (None, None)


def test_coverage_is_counted_where_the_input_lies():
    inputs = [[0.0, 1.0], [0.1, 0.25], [0.2, 0.3], [0.6, 0.75], [0.7, 0.8]]
    missed = np.array([[0.0, 0.0], [0.2, 0.0], [0.0, 0.2], [0.0, 0.0], [0.2, 0.2]])
    s = score(found(inputs, missed, 0.1), readings(inputs), np.empty((0, 2)), 0, 0)
    assert s.coverage90 == {"R": 0.6, "G": 0.6}
    assert s.coverage_by_duty["R"] == {"0": 1.0, "0–0.25": 0.5, "0.5–0.75": 0.5}
    assert s.coverage_by_duty["G"] == {"0.25–0.5": 0.5, "0.75–1": 0.5, "1": 1.0}
    assert s.width["R"] is not None


def test_nothing_missed_has_no_width_and_no_parts_that_are_empty():
    inputs = [[0.5, 0.5], [0.6, 0.4]]
    s = score(found(inputs, 0.0, 0.1), readings(inputs), np.array(inputs), 0, 0)
    assert s.width == {"R": None, "G": None}
    assert (s.rmse_at_ends, s.rmse_new) == (None, None)


def test_what_is_certain_and_right_costs_nothing():
    inputs = [[0.0, 1.0], [0.0, 1.0]]
    s = score(found(inputs, 0.0, 0.0), readings(inputs), np.array(inputs), 0, 0)
    assert s.crps["R"] == pytest.approx(0, abs=1e-9)
    assert sum(s.pit["R"]) == 1


def test_ranges_are_those_of_sittings_drawn_again():
    """Three sittings, one of them bad: the range spans from none of it to all of it."""
    rng = np.random.default_rng(0)
    inputs = rng.uniform(0.1, 0.9, (30, 2))
    times = np.concatenate([t0 + 5.0 * np.arange(10) for t0 in (0, 10_000, 20_000)])
    missed = np.where(np.arange(30)[:, None] < 10, 0.3, 0.1) * np.ones((30, 2))
    s = score(found(inputs, missed, 0.2), readings(inputs, times), np.empty((0, 2)), 0, 0)
    assert s.rmse_range["R"] == pytest.approx((0.1, 0.3))  # (2/3)³ = 0.30 have none, 1/27 = 0.037 all of it
    assert s.coverage_range["R"] == pytest.approx((0.0, 1.0))
    alone = score(found(inputs, missed, 0.2), readings(inputs, 5.0 * np.arange(30)), np.empty((0, 2)), 0, 0)
    assert alone.rmse_range is None


def test_crps_is_the_integral_that_defines_it():
    """Of the squared difference of the distribution function and the step at the truth, by a sum on a fine grid."""
    mean, std, truth = 0.5, 0.03, 0.46
    grid = np.linspace(0, 1, 200_001)
    step = (stats.norm.cdf(grid, mean, std) - (grid >= truth)) ** 2
    inputs = np.array([[truth, truth]])
    s = score(found(inputs, mean - truth, 1.645 * std), readings(inputs), np.empty((0, 2)), 0, 0)
    assert s.crps["R"] == pytest.approx(float(step.sum() * (grid[1] - grid[0])), rel=1e-3)


def test_pit_is_even_where_the_spread_is_honest_and_not_where_it_is_small():
    rng = np.random.default_rng(0)
    inputs = rng.uniform(0.2, 0.8, (4000, 2))
    missed = 0.01 * rng.standard_normal((4000, 2))
    honest, small = (score(found(inputs, missed, 1.645 * s), readings(inputs), inputs[:1], 0, 0) for s in (0.01, 0.005))
    assert honest.pit["R"] == pytest.approx([0.1] * 10, abs=0.02)
    assert small.pit["R"][0] + small.pit["R"][9] > 0.4
    assert honest.crps["R"] < small.crps["R"]
