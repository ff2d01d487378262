"""Intervals hold nine of ten readings that were left out, also where a method's own spread is not honest."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrolux.models import honesty, registry
from retrolux.models.dataset import Dataset
from retrolux.models.posterior import Posterior

DAY = 86400.0


def answers(n: int = 7) -> tuple[Posterior, np.ndarray]:
    rng = np.random.default_rng(n)
    mean, half = rng.uniform(0.2, 0.8, (n, 3)), rng.uniform(0.01, 0.1, (n, 3))
    return Posterior(mean, half / 1.645, mean - half, mean + half), mean + rng.normal(0, 0.1, (n, 3))


def days(n_days: int, each: int, scatter: float = 0.0, *, heavy: bool = False, seed: int = 0) -> Dataset:
    """Counts that are linear in two inputs; a few readings scatter far more than the others where it is heavy."""
    rng = np.random.default_rng(seed)
    n = n_days * each
    inputs = rng.random((n, 2))
    noise = rng.standard_t(2.2, (n, 3)) if heavy else rng.normal(size=(n, 3))
    outputs = 1000 + inputs @ [[30000, 2000, 500], [1000, 25000, 900]] + scatter * noise
    times = DAY * np.repeat(np.arange(n_days), each) + 10.0 * np.tile(np.arange(each), n_days)
    return Dataset(inputs, outputs, np.zeros((n, 3), bool), ("x1", "x2"), ("a", "b", "c"), times)


def mostly_off(at_zero: float, seed: int) -> Dataset:
    """The same, with each input at 0 in this share of the readings."""
    data = days(10, 60, 300.0, seed=seed)
    inputs = np.where(np.random.default_rng(seed + 10).random(data.inputs.shape) < at_zero, 0.0, data.inputs)
    noise = data.outputs - days(10, 60, 0.0, seed=seed).outputs
    return replace(data, inputs=inputs, outputs=1000 + inputs @ [[30000, 2000, 500], [1000, 25000, 900]] + noise)


@pytest.mark.parametrize("saturated", [0, 50])
def test_readings_an_hour_apart_have_none_before_them_and_are_fitted(saturated):
    rng = np.random.default_rng(0)
    x = rng.random((250, 3))
    y = 500 + x @ np.diag([30000.0, 25000, 28000]) + 50 * rng.normal(size=(250, 3))
    cells = np.zeros((250, 3), dtype=bool)
    cells[:saturated, 0] = True
    data = Dataset(x, y, cells, ("R", "G", "B"), ("445nm", "515nm", "630nm"), 1.7e9 + 3600.0 * np.arange(250))
    answer = registry.create("bayes").fit(data).invert({"445nm": 15500.0})
    assert answer.inputs["R"] == pytest.approx(0.5, abs=0.02)


def test_stretched_by_its_excess_an_interval_just_holds_the_truth() -> None:
    posterior, truth = answers()
    for i, row in enumerate(truth):
        excess = posterior.excess(truth)[i]
        just, less = posterior.scaled(excess * (1 + 1e-9)), posterior.scaled(excess * 0.99)
        inside = (just.low[i] <= row) & (row <= just.high[i])
        assert inside[(row > 0) & (row < 1)].all()
        assert not ((less.low[i] <= row) & (row <= less.high[i])).any()


def test_an_end_that_the_bounds_cut_off_stays_there() -> None:
    found = Posterior(*(np.array([[v]]) for v in (0.98, 0.01, 0.95, 1.0))).scaled(np.array([0.5]))
    assert (found.low, found.high) == (pytest.approx(0.965), 1.0)


@pytest.mark.parametrize(
    ("truth", "excess"),
    [(1.0, 0.0), (0.0, 0.98 / 0.03), (0.995, 0.5), (0.965, 0.5)],
    ids=["at 1", "at 0", "cut", "whole"],
)
def test_a_side_that_is_cut_off_counts_as_wide_as_the_other_and_holds_its_end(truth, excess) -> None:
    found = Posterior(*(np.array([[v]]) for v in (0.98, 0.01, 0.95, 1.0)))
    assert found.excess(np.array([[truth]])) == pytest.approx(excess)


def test_truths_at_an_end_count_as_held_but_not_for_the_others() -> None:
    scores = np.r_[np.zeros(300), np.linspace(0, 2, 300)][:, None]
    inside = np.arange(600)[:, None] >= 300
    found = honesty.factors(scores, np.ones(600), inside)
    assert found == pytest.approx(2 * 0.85, abs=0.02)  # 0.8 of those inside would make nine tenths of all


def test_an_interval_from_end_to_end_tells_nothing() -> None:
    found = Posterior(*(np.array([[v]]) for v in (0.5, 0.29, 0.0, 1.0)))
    assert np.isnan(found.excess(np.array([[0.7]])))


@pytest.mark.parametrize("method", ["linear", "pls", "gmm", "bayes", "forest"])
@pytest.mark.parametrize("at_zero", [0.93, 0.6])
def test_readings_at_an_end_do_not_make_the_others_surer(method: str, at_zero: float) -> None:
    train, test = (mostly_off(at_zero, seed) for seed in (0, 1))
    model = registry.create(method, targets=("a", "b", "c")).fit(train, seed=0)
    found = model.recover(("a", "b", "c"), test.outputs, seed=0)
    lit = test.inputs > 0
    inside = (found.low <= test.inputs) & (test.inputs <= found.high)
    assert 0.75 < inside[lit].mean() < 0.98
    assert inside.mean() > 0.88
    assert np.median(found.std[lit]) > 0.005


@given(st.lists(st.floats(0, 10), min_size=honesty.ENOUGH, max_size=honesty.ENOUGH + 50), st.integers(0, 2**32 - 1))
def test_the_factor_is_the_order_statistic_of_split_conformal_prediction(scores: list[float], seed: int) -> None:
    """With equal weights it is the ⌈0.9 (n + 1)⌉-th least score, in whatever order they come."""
    shuffled = np.random.default_rng(seed).permutation(scores)
    found = honesty.factors(shuffled[:, None], np.ones(len(scores)), np.ones((len(scores), 1), bool))
    assert found == sorted(scores)[int(np.ceil(0.9 * (len(scores) + 1))) - 1]


def test_scores_that_are_not_known_do_not_count_and_too_few_tell_nothing() -> None:
    scores = np.linspace(0, 2, 300)[:, None]
    more = np.vstack([scores, np.full((50, 1), np.nan)])
    inside = np.ones((350, 1), dtype=bool)
    assert honesty.factors(more, np.ones(350), inside) == honesty.factors(scores, np.ones(300), inside[:300])
    few = honesty.ENOUGH - 1
    assert honesty.factors(scores[:few], np.ones(few), inside[:few]) >= 1


def test_a_reading_of_a_month_ago_counts_half() -> None:
    data = days(31, 2)
    weight = honesty.weights(data)
    assert weight[-1] == 1
    assert weight[1] == pytest.approx(0.5)


def test_old_readings_say_little_of_today() -> None:
    scores = np.r_[np.full(500, 3.0), np.full(300, 0.5)][:, None]
    age = np.r_[np.full(500, 300 * DAY), np.zeros(300)]
    assert honesty.factors(scores, 0.5 ** (age / honesty.HALF_LIFE), np.ones((800, 1), bool)) == 0.5


def test_days_are_left_out_whole_and_each_once() -> None:
    data = days(12, 20)
    folds = list(honesty.left_out(data))
    assert (np.sum(folds, axis=0) == 1).all()
    for left in folds:
        assert set(left.reshape(12, 20).mean(axis=1)) <= {0.0, 1.0}


def test_readings_of_one_sitting_are_dealt_out() -> None:
    data = days(1, 50)
    assert [int(left.sum()) for left in honesty.left_out(data)] == [7] * 2 + [6] * 6


def test_of_very_many_readings_the_latest_judge() -> None:
    data = days(100, 40)
    assert data.times is not None
    assert honesty.latest(data).times == pytest.approx(data.times[-honesty.MOST :])


@pytest.mark.parametrize("method", ["linear", "pls", "gmm", "bayes"])
def test_nine_of_ten_hold_where_scatter_is_far_from_normal(method: str) -> None:
    """Half of the variance is in a few readings: the spread of a normal distribution covers far more than nine."""
    train, test = days(10, 40, 300.0, heavy=True), days(10, 80, 300.0, heavy=True, seed=1)
    model = registry.create(method, targets=("a", "b", "c")).fit(train, seed=0)
    found = model.recover(("a", "b", "c"), test.outputs, seed=0)
    inside = (found.low <= test.inputs) & (test.inputs <= found.high)
    assert inside.mean(axis=0) == pytest.approx([0.9, 0.9], abs=0.035)


def test_without_it_they_cover_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    train, test = days(10, 40, 300.0, heavy=True), days(10, 80, 300.0, heavy=True, seed=1)
    model = registry.create("linear", targets=("a", "b", "c"))
    monkeypatch.setattr(type(model), "calibrates", False)
    found = model.fit(train, seed=0).recover(("a", "b", "c"), test.outputs, seed=0)
    inside = (found.low <= test.inputs) & (test.inputs <= found.high)
    assert inside.mean(axis=0).min() > 0.93


@pytest.mark.parametrize("method", ["linear", "bayes"])
def test_a_saved_model_is_as_honest(tmp_path: Path, method: str) -> None:
    model = registry.create(method).fit(days(10, 30, 100.0, heavy=True), seed=0)
    target = {"a": 15000.0, "b": 14000.0, "c": 1700.0}
    before = model.invert(target)
    model.save(tmp_path / "model")
    assert registry.load(tmp_path / "model").invert(target).interval90 == before.interval90


def test_few_readings_are_believed_as_they_are() -> None:
    model = registry.create("linear").fit(days(3, 30, 100.0), seed=0)
    assert (model._honesty(("a", "b", "c")) == 1).all()
