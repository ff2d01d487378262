"""Moments of readings, in whatever parts and order they come, against NumPy's of all of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrolux.models.ledger import MOST, Ledger, Scattered, folds
from retrolux.models.moments import Moments
from retrolux.models.readings import patterns
from tests.models.conftest import CHANNELS, light

UNITS = np.array([1.0, 1e5, 1e-3, 40.0])


def table(n: int, seed: int):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, 4)) @ rng.normal(size=(4, 4)) + rng.normal(size=4) * 10) * UNITS


@given(st.lists(st.integers(0, 30), min_size=1, max_size=8), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_parts_in_any_sizes_are_one_table(sizes, seed):
    rows = table(sum(sizes), seed)
    ends = np.cumsum(sizes)[:-1]
    told = Moments.joined([Moments.of(part) for part in np.split(rows, ends)])
    assert told.n == len(rows)
    if len(rows):
        assert told.mean == pytest.approx(rows.mean(axis=0), rel=1e-12, abs=1e-9)
        scale = np.outer(UNITS, UNITS) * 100
        assert (told.root.T @ told.root) / scale == pytest.approx(len(rows) * np.cov(rows.T, ddof=0) / scale, abs=1e-9)


@given(st.lists(st.integers(1, 30), min_size=2, max_size=8), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_without_each_part_the_others_are_one_table(sizes, seed):
    rows = np.split(table(sum(sizes), seed), np.cumsum(sizes)[:-1])
    for i, told in enumerate(Moments.without_each([Moments.of(part) for part in rows])):
        others = np.vstack([*rows[:i], *rows[i + 1 :]])
        assert told.n == len(others)
        assert told.mean == pytest.approx(others.mean(axis=0), rel=1e-12, abs=1e-9)
        scale = np.outer(UNITS, UNITS) * 100
        scatter = (others - others.mean(axis=0)).T @ (others - others.mean(axis=0))
        assert (told.root.T @ told.root) / scale == pytest.approx(scatter / scale, abs=1e-9)


def test_a_large_mean_costs_no_digits():
    """Sums of squares would lose all of them."""
    rows = table(500, 1) / UNITS + 1e9
    told = Moments.of(rows[:1])
    for row in rows[1:]:
        told = Moments.joined([told, Moments.of(row[None])])
    assert told.covariance == pytest.approx(np.cov((rows - 1e9).T, ddof=0), rel=1e-6)


def test_few_rows_stand_in_for_all():
    rows = table(300, 2)
    few = Moments.of(rows).stand_in()
    assert len(few) == 8
    assert few.mean(axis=0) == pytest.approx(rows.mean(axis=0))
    assert np.cov(few.T, ddof=0) == pytest.approx(np.cov(rows.T, ddof=0))


def test_least_squares_on_the_root_is_that_on_the_rows():
    """Of columns whose sums of products NumPy could not invert: their condition is 10⁹."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(200, 3))
    x[:, 2] = x[:, 1] + 1e-9 * x[:, 2]
    y = x @ [[1.0], [2.0], [3.0]] + rng.normal(size=(200, 1))
    centred = x - x.mean(axis=0)
    expected = np.linalg.lstsq(centred, y - y.mean(axis=0), rcond=None)[0]
    root = Moments.of(np.hstack([x, y])).root
    found = np.linalg.lstsq(root[:, :3], root[:, 3:], rcond=None)[0]
    assert centred @ found == pytest.approx(centred @ expected, abs=1e-7)
    assert np.linalg.matrix_rank(centred.T @ centred) == 2


@given(st.integers(0, 50), st.lists(st.sampled_from(CHANNELS), min_size=1, unique=True))
@settings(max_examples=30, deadline=None)
def test_each_question_has_the_readings_that_are_complete_in_it(seed, names):
    data = light(60, seed)
    names = tuple(name for name in CHANNELS if name in names)
    whole = ~data.saturated[:, data.columns(names)].any(axis=1)
    rows = np.hstack([data.inputs, data.outputs[:, data.columns(names)]])[whole]
    ledger = Ledger.of(data.take(np.arange(20)), 5)
    for i in range(20, 60):
        ledger.add(data.take([i]))
    for told in (ledger, Ledger.of(data, 5), Scattered(data, 5)):
        found = Moments.joined(told.folds(("R", "G", "B", *names)))
        assert found.n == len(rows)
        assert found.mean == pytest.approx(rows.mean(axis=0))
        assert found.covariance == pytest.approx(np.cov(rows.T, ddof=0), rel=1e-9, abs=1e-9)
        cells, counts = told.patterns()
        assert counts @ cells == pytest.approx(data.saturated.sum(axis=0))
        assert counts.sum() == 60


@pytest.mark.parametrize("n_outputs", [1, 8, 10, 65, 130])
@pytest.mark.parametrize("order", ["C", "F"])
def test_patterns_are_those_that_occur(n_outputs, order):
    rng = np.random.default_rng(n_outputs)
    for cells in (rng.random((200, n_outputs)) < 0.02, np.zeros((5, n_outputs), dtype=bool)):
        found, which = patterns(np.asarray(cells, order=order))
        assert found[which].tolist() == cells.tolist()
        assert len(found) == len(np.unique(cells, axis=0))


def test_a_ledger_is_the_same_from_its_arrays():
    ledger = Ledger.of(light(80, 1), 10)
    again = Ledger(ledger.input_names, ledger.output_names, 10).take(ledger.to_arrays())
    assert again.parts.keys() == ledger.parts.keys()
    for key, part in ledger.parts.items():
        assert again.parts[key].n == part.n
        assert again.parts[key].root.tolist() == part.root.tolist()


def test_folds_are_a_readings_own_and_of_like_sizes():
    data = light(5000, 1)
    fold = folds(data, 10)
    order = np.random.default_rng(0).permutation(5000)
    assert folds(data.take(order), 10).tolist() == fold[order].tolist()
    assert np.bincount(fold, minlength=10) == pytest.approx(500, abs=5 * 500**0.5)


def test_a_ledger_does_not_grow_with_the_readings():
    ledger = Ledger.of(light(3000, 1), 10)
    size = sum(part.root.nbytes for part in ledger.parts.values())
    patterns = len(ledger.patterns()[0])
    assert size <= patterns * 10 * 8 * 8 * 8
    assert patterns <= MOST
