"""The posterior of inputs against numerical integration, with off and full on as points of their own."""

import numpy as np
import pytest
from scipy import stats

from retrolux.models.cut_normal import CutNormal
from retrolux.models.inverse import Branch, Prior, Question, draws
from retrolux.models.response import Response, features
from retrolux.models.scatter import Scatter

# one input, two outputs: steps of 20 and 30 counts at 0, of 40 and 10 at 1, a bend of 50
ONE = Response(np.array([[1000.0, 20, 40, 50], [300, 30, 10, 0]]))
NOISE = Scatter(np.array([16.0, 9.0]), np.array([1e-5]), 1e-7, np.ones((2, 2)))
AMBIENT, UNSURE = np.array([100.0, 200.0]), np.diag([25.0, 4.0])
PRIOR = Prior(np.array([[0.2, 0.7, 0.1]]))


def asked(outputs, fixed=np.nan):
    return Question(ONE, NOISE, np.asarray(outputs, float), AMBIENT, UNSURE, np.array([fixed]))


def integrated(outputs):
    """Mean, standard deviation and masses of off and full on, by a sum over a fine grid."""
    grid = np.linspace(1e-6, 1 - 1e-6, 20001)
    points = np.concatenate([[0.0], grid, [1.0]])[:, None]
    mean = features(points) @ ONE.coefficients.T + AMBIENT
    cov = NOISE.covariance(points, ONE.gains) + UNSURE
    log = np.array([stats.multivariate_normal.logpdf(outputs, m, c) for m, c in zip(mean, cov, strict=True)])
    weight = np.exp(log - log.max())
    weight[0] *= 0.2
    weight[1:-1] *= 0.7 / len(grid)
    weight[-1] *= 0.1
    weight /= weight.sum()
    middle = float(weight @ points[:, 0])
    return middle, float(np.sqrt(weight @ (points[:, 0] - middle) ** 2)), float(weight[0]), float(weight[-1])


@pytest.mark.parametrize("x", [0.0, 0.004, 0.02, 0.5, 0.97, 0.995, 1.0])
def test_the_branches_are_what_integration_says(x):
    outputs = (features(np.array([[x]])) @ ONE.coefficients.T)[0] + AMBIENT + np.array([2.0, -1.0])
    branches = asked(outputs).branches(PRIOR)
    drawn = draws(branches, 40000, np.random.default_rng(0))[:, 0]
    mean, std, off, full = integrated(outputs)
    assert drawn.mean() == pytest.approx(mean, abs=4e-4)
    assert drawn.std() == pytest.approx(std, abs=4e-4)
    assert (drawn == 0).mean() == pytest.approx(off, abs=0.02)
    assert (drawn == 1).mean() == pytest.approx(full, abs=0.02)


def test_an_input_that_is_known_stays():
    (branch,) = asked([600.0, 350.0], fixed=0.4).branches(PRIOR)
    assert branch.inputs.mean.tolist() == [0.4]
    assert not branch.inputs.covariance.any()


def test_outputs_that_say_nothing_leave_the_input_vague():
    drawn = draws(asked([np.nan, np.nan]).branches(Prior.uniform(1)), 4000, np.random.default_rng(0))[:, 0]
    assert stats.kstest(drawn, "uniform").pvalue > 0.01


def test_one_output_of_two_inputs_leaves_a_line_of_answers():
    response = Response(np.array([[1000.0, 500, 0, 0, 0, 0, 0, 0]]))
    scatter = Scatter(np.array([25.0]), np.full(2, 1e-8), 1e-8, np.ones((1, 1)))
    question = Question(response, scatter, np.array([700.0]), np.zeros(1), np.zeros((1, 1)), np.full(2, np.nan))
    drawn = draws(question.branches(Prior.uniform(2)), 4000, np.random.default_rng(0))
    assert drawn @ [1000, 500] == pytest.approx(np.full(4000, 700.0), abs=40)
    assert drawn.std(axis=0).min() > 0.1
    assert np.corrcoef(drawn.T)[0, 1] < -0.9


def test_the_design_is_the_prior_unless_it_is_to_be_even():
    inputs = np.array([[0.0, 0.5], [0.0, 1.0], [0.3, 0.6], [0.6, 0.7]])
    design = Prior.of_design(inputs).shares
    assert design.sum(axis=1) == pytest.approx([1, 1])
    assert design[0, 0] > design[1, 0]
    assert design[1, 2] > design[0, 2]
    assert Prior.uniform(2).shares[:, 1] == pytest.approx([1, 1])


def test_draws_share_the_branches_by_their_weights_and_keep_within_bounds():
    branches = [
        Branch(CutNormal(np.array([0.999]), np.array([[1e-4]])), 0.0),
        Branch(CutNormal(np.array([1.0]), np.zeros((1, 1))), float(np.log(3))),
    ]
    drawn = draws(branches, 8000, np.random.default_rng(0))[:, 0]
    assert (drawn == 1).mean() == pytest.approx(0.75, abs=0.02)
    assert drawn.max() <= 1
    assert drawn.min() >= 0
