"""Designs: where the points are, how many, and that they are refused in words."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import qmc

from retrolux.device.designs import design
from retrolux.device.errors import BadInput

KINDS = ("lhs", "sobol", "grid", "box-behnken", "d-optimal")


@given(kind=st.sampled_from(KINDS), n=st.integers(13, 90), seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_points_are_duties_repeatable_and_enough(kind: str, n: int, seed: int) -> None:
    points = design(kind, n, seed)
    assert all(len(p) == 3 and all(type(v) is float and 0 <= v <= 1 for v in p) for p in points)
    assert points == design(kind, n, seed)
    assert len(points) >= n if kind == "grid" else len(points) == n


@pytest.mark.parametrize("n", [1, 7, 50, 100])
def test_a_latin_hypercube_has_one_point_in_each_stratum(n: int) -> None:
    points = np.array(design("lhs", n, seed=3))
    for column in points.T:
        np.testing.assert_array_equal(np.sort(np.floor(column * n - 1e-5).astype(int)), np.arange(n))


def test_sobol_fills_space_more_evenly_than_chance_and_goes_on_where_it_stopped() -> None:
    points = np.array(design("sobol", 64, seed=2))
    chance = np.random.default_rng(2).random((64, 3))
    assert qmc.discrepancy(points) < qmc.discrepancy(chance) / 2
    assert design("sobol", 64, seed=2)[:20] == design("sobol", 20, seed=2)


@pytest.mark.parametrize(("n", "levels"), [(1, 1), (2, 2), (8, 2), (9, 3), (27, 3), (28, 4)])
def test_a_grid_is_the_smallest_full_factorial(n: int, levels: int) -> None:
    axis = [0.5] if levels == 1 else [round(k / (levels - 1), 6) for k in range(levels)]
    assert sorted(design("grid", n)) == sorted(itertools.product(axis, repeat=3))


def test_box_behnken_is_the_edges_midpoints_and_centres() -> None:
    points = design("box-behnken", 15)
    edges = {p for p in itertools.product((0.0, 0.5, 1.0), repeat=3) if p.count(0.5) == 1}
    assert len(edges) == 12
    assert set(points) - {(0.5, 0.5, 0.5)} == edges
    assert points.count((0.5, 0.5, 0.5)) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_another_seed_gives_another_order(kind: str) -> None:
    assert design(kind, 27, 0) != design(kind, 27, 1)


@pytest.mark.parametrize("inputs", [1, 2, 5])
def test_any_number_of_inputs(inputs: int) -> None:
    assert all(len(p) == inputs for kind in KINDS if kind != "box-behnken" for p in design(kind, 20, inputs=inputs))


@pytest.mark.parametrize(
    ("kind", "n", "words"),
    [
        ("taguchi", 9, "no design 'taguchi'.*lhs, sobol, grid, box-behnken, d-optimal"),
        ("lhs", 0, "0 readings cannot be"),
        ("sobol", -1, "cannot be"),
        ("box-behnken", 12, "more than 12 readings.*at least 13"),
    ],
)
def test_an_impossible_design_is_refused_in_words(kind: str, n: int, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        design(kind, n)
