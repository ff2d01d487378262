"""D-optimal designs: against the general equivalence theorem, and designs whose optimum is known."""

import itertools

import numpy as np
import pytest

from retrolux.device.designs import design
from retrolux.device.optimal import EDGE, LEVELS, d_optimal, terms


def information(points: np.ndarray) -> np.ndarray:
    rows = terms(points)
    return rows.T @ rows / len(points)


@pytest.mark.parametrize("inputs", [1, 2, 3])
def test_no_setting_would_tell_more_than_the_number_of_terms(inputs: int) -> None:
    """Kiefer & Wolfowitz (1960): a design is D-optimal where the largest variance of a prediction is that number."""
    spread = np.linalg.inv(information(d_optimal(400, 0, inputs)))
    everywhere = terms(np.array(list(itertools.product(LEVELS, repeat=inputs))))
    largest = np.einsum("ri,ij,rj->r", everywhere, spread, everywhere).max()
    assert largest / everywhere.shape[1] < 1.05


def test_one_input_has_its_four_levels_equally_often() -> None:
    """As many terms as levels: then each counts alike, whatever the terms are."""
    values, counts = np.unique(d_optimal(40, 1, 1), return_counts=True)
    assert values.tolist() == [0.0, EDGE, 0.5, 1 - EDGE]
    assert counts.tolist() == [10] * 4


@pytest.mark.parametrize("n", [15, 20, 40])
def test_its_beginnings_tell_more_than_a_latin_hypercube_does(n: int) -> None:
    """Of the terms that a Latin hypercube, which has no input at 0, tells of at all."""
    told = [0, 1, 2, 3, 7, 8, 9]  # constant, slopes, bends

    def tells(points: np.ndarray) -> float:
        spread = np.linalg.inv(information(points)[np.ix_(told, told)])
        return float(np.linalg.slogdet(spread)[1])

    ours, theirs = np.array(design("d-optimal", n, 5)), np.array(design("lhs", n, 5))
    assert np.linalg.matrix_rank(terms(ours)) == 10
    assert tells(ours) < tells(theirs) - 2  # half as many readings do, and a half


def test_a_longer_one_goes_on_where_a_shorter_one_stopped() -> None:
    assert design("d-optimal", 40, 3)[:25] == design("d-optimal", 25, 3)


def test_many_inputs_are_chosen_from_some_of_all_combinations() -> None:
    points = d_optimal(60, 0, 8)
    assert np.linalg.matrix_rank(terms(points)) == 25
