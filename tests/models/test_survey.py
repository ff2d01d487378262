"""What readings tell before any method is fitted, of instruments whose truth is known."""

import numpy as np
import pytest
from scipy.stats import qmc

from retrolux.models.advice import advise
from retrolux.models.dataset import Dataset
from retrolux.models.errors import BadData
from retrolux.models.scale import Scale
from retrolux.models.survey import BENT, FOLDED, HOLE, Survey
from tests.models.conftest import light, lines

FAST = ("linear", "pls", "gmm", "bayes")


def made(f, n: int = 120, n_inputs: int = 2, noise: float = 0.01, seed: int = 0) -> Dataset:
    """Readings of a function of inputs in [0, 1]."""
    rng = np.random.default_rng(seed)
    x = qmc.LatinHypercube(n_inputs, rng=rng).random(n)
    y = np.column_stack(f(x))
    y = y + noise * np.ptp(y, axis=0) * rng.normal(size=y.shape)
    names = tuple(f"x{i}" for i in range(n_inputs)), tuple(f"y{i}" for i in range(y.shape[1]))
    return Dataset(x, y, np.zeros(y.shape, dtype=bool), *names)


def parabola(n: int = 120) -> Dataset:
    return made(lambda x: [(x[:, 0] - 0.5) ** 2], n, 1)


class TestSurvey:
    def test_a_line_is_straight_and_one_to_one(self):
        survey = Survey(lines(100, 3, 4, 0))
        assert not [one for one in survey.straightness if one.bent]
        assert survey.rank == 3
        assert survey.one_to_one

    @pytest.mark.parametrize("seed", range(5))
    def test_noise_is_no_bend(self, seed):
        """The F test's p is uniform where there is no bend: none of 50 lines is below one in a thousand by chance."""
        survey = Survey(lines(60, 3, 10, seed, noise=60.0))
        assert not [one for one in survey.straightness if one.bent]

    def test_a_bend_is_seen_with_its_size(self):
        data = made(lambda x: [x[:, 0] + 0.4 * x[:, 0] ** 2 + x[:, 1], x[:, 1] - 0.5 * x[:, 0]])
        survey = Survey(data)
        bent, straight = survey.straightness
        assert bent.bent
        # of x² over [0, 1] a line leaves x² − x + 1/6, whose root mean square is 1/√180
        assert bent.bend == pytest.approx(0.4 / np.sqrt(180) / np.ptp(data.outputs[:, 0]), rel=0.15)
        assert not straight.bent
        assert survey.one_to_one

    def test_a_bend_too_small_to_mind_is_none(self):
        data = made(lambda x: [x[:, 0] + 0.02 * x[:, 0] ** 2 + x[:, 1], x[:, 1]], 400, noise=1e-4)
        (one, _) = Survey(data).straightness
        assert one.p < 1e-9
        assert one.bend < BENT
        assert not one.bent

    def test_too_few_readings_say_so(self):
        assert Survey(lines(12, 3, 2, 0)).straightness[0].p is None

    def test_an_input_that_outputs_do_not_see_is_free(self):
        survey = Survey(made(lambda x: [x[:, 0] + x[:, 1], x[:, 0] - x[:, 1]], n_inputs=3))
        assert survey.rank == 2
        assert survey.free == ("x2",)
        assert not survey.one_to_one

    @pytest.mark.parametrize("rho", [0.5, 0.9, 0.97])
    def test_an_input_that_an_output_tells_is_not_open_for_moving_with_another(self, rho):
        """u = a; that b rises and falls with a leaves a no less determined."""
        rng = np.random.default_rng(1)
        z = rng.normal(size=(400, 2))
        x = np.column_stack([z[:, 0], rho * z[:, 0] + np.sqrt(1 - rho**2) * z[:, 1]])
        scale = Scale.enclosing(x)
        u = x[:, :1] + rng.normal(0, 0.01, (400, 1))
        found = Survey(Dataset.between(scale, x, ("a", "b"), u, ("u",), np.zeros((400, 1), bool)))
        assert found.free == ("b",)

    def test_fewer_outputs_than_inputs_leave_some_open(self):
        survey = Survey(made(lambda x: [x[:, 0] + x[:, 1] + 0 * x[:, 2]], n_inputs=3))
        assert survey.rank == 1
        assert survey.free == ("x0", "x1", "x2")

    def test_two_outputs_of_the_same_mixture_tell_one_direction(self):
        survey = Survey(made(lambda x: [x[:, 0] + x[:, 1], 3 * (x[:, 0] + x[:, 1])]))
        assert survey.rank == 1

    def test_a_parabola_is_folded(self):
        survey = Survey(parabola())
        assert survey.rank == 1
        assert survey.folded == pytest.approx(0.5, abs=0.05)
        assert not survey.one_to_one

    def test_a_fold_of_two_inputs_is_seen(self):
        """(x, y) → (x + y, (x − 0.3)²) folds along x = 0.3."""
        survey = Survey(made(lambda x: [x[:, 0] + x[:, 1], (x[:, 0] - 0.3) ** 2], 300, noise=0.003))
        assert survey.folded == pytest.approx(0.3, abs=0.06)

    def test_a_bend_without_a_fold_is_one_to_one(self):
        survey = Survey(made(lambda x: [x[:, 0] + x[:, 0] ** 2], n_inputs=1))
        assert survey.folded < FOLDED

    @pytest.mark.parametrize("n", [30, 200, 2000])
    def test_a_latin_hypercube_has_no_gap(self, n):
        assert Survey(lines(n, 3, 3, 0)).gap[0] < HOLE  # these inputs are random, and yet

    def test_a_gap_is_found_where_it_is(self):
        data = lines(400, 2, 2, 0)
        away = np.hypot(data.inputs[:, 0] - 0.7, data.inputs[:, 1] - 0.3) > 0.2
        ratio, middle = Survey(data.take(away)).gap
        assert ratio > HOLE
        assert middle == pytest.approx([0.7, 0.3], abs=0.08)

    def test_repeats_and_copies_are_told_apart(self):
        data = lines(30, 2, 2, 0)
        same = Dataset(
            np.vstack([data.inputs, data.inputs[:5]]), np.vstack([data.outputs, data.outputs[:5] + 1]),
            np.zeros((35, 2), dtype=bool), data.input_names, data.output_names,
        )  # fmt: skip
        assert Survey(same).repeats == (5, 0)
        assert Survey(data.take(np.r_[0:30, 0:4])).repeats == (4, 4)

    def test_drift_needs_times(self):
        assert Survey(lines(50, 2, 2, 0)).drift is None

    def test_a_drift_is_seen(self):
        data = light(100, 0, noise=0.0005, drift=0.02).select(("445nm", "515nm"))
        timed = Dataset(
            data.inputs, data.outputs, data.saturated, data.input_names, data.output_names, 2.0 * np.arange(100)
        )
        assert Survey(timed).drift > 0.6


class TestAdvice:
    @pytest.mark.parametrize("seed", range(3))
    def test_a_straight_instrument_gets_a_line(self, seed):
        advice = advise(lines(80, 3, 4, seed, noise=5.0), FAST)
        assert advice.best[0] == "linear"
        assert advice.trials["linear"].roughness == pytest.approx(0, abs=1e-6)
        # unseen readings are missed by the scatter, 1 + 4/64 of it in the mean of the square
        assert advice.trials["linear"].inverse is not None

    def test_a_bent_one_does_not(self):
        advice = advise(made(lambda x: [np.sin(3 * x[:, 0]) + x[:, 1], x[:, 1] - x[:, 0] ** 2], 200), FAST)
        assert advice.best == ("gmm",)
        assert advice.trials["linear"].lags
        assert not advice.trials["gmm"].lags

    def test_a_fold_is_compared_by_its_forward_way(self):
        advice = advise(parabola(), FAST)
        assert advice.best == ("gmm",)
        assert advice.trials["gmm"].inverse is None

    def test_over_fitting_is_seen(self):
        """A line of nine inputs through fourteen readings leaves little of these, and much of others."""
        data = lines(14, 9, 2, 0, noise=200.0)
        trial = advise(data, ("linear",)).trials["linear"]
        assert trial.over_fits
        assert trial.readings_per_parameter == pytest.approx(14 / 10)

    def test_noise_alone_is_no_over_fitting(self):
        assert not advise(lines(200, 3, 2, 0, noise=200.0), ("linear",)).trials["linear"].over_fits

    def test_a_forest_s_steps_are_rougher_than_a_line(self):
        trials = advise(lines(60, 2, 2, 1, noise=5.0), ("linear", "forest")).trials
        assert trials["forest"].roughness > 10 * trials["linear"].roughness
        assert trials["forest"].parameters is None

    def test_columns_that_say_nothing_are_left_out_with_the_reason(self):
        data = light(100, 0)
        dead = Dataset(
            np.column_stack([data.inputs, np.full(100, 0.3)]),
            np.column_stack([data.outputs, np.full(100, 7.0)]),
            np.column_stack([data.saturated, np.zeros(100, dtype=bool)]),
            (*data.input_names, "x"), (*data.output_names, "dead"),
        )  # fmt: skip
        advice = advise(dead, ("linear",))
        assert advice.left_out["dead"] == "it never varies"
        assert advice.left_out["x"] == "it never varies"
        assert "are saturated" in advice.left_out["clear"]
        assert advice.trials

    def test_an_output_that_moves_once_does_not_end_in_an_error_of_another_kind(self):
        x = np.random.default_rng(0).random((100, 2))
        y = np.column_stack([x[:, 0] + x[:, 1], np.arange(100) == 3])
        data = Dataset(x, y, np.zeros((100, 2), dtype=bool), ("a", "b"), ("y", "rare"))
        assert "hardly varies" in advise(data, ("linear",)).failed["linear"]

    def test_a_method_that_cannot_be_tried_does_not_stop_the_others(self):
        advice = advise(lines(12, 3, 2, 0), ("linear", "forest"))
        assert "linear" in advice.trials
        assert "too few readings" in advice.failed["forest"]

    @pytest.mark.parametrize("n", [1, 2, 9])
    def test_too_few_readings_are_refused(self, n):
        with pytest.raises(BadData, match="too few readings"):
            advise(lines(n, 1, 1, 0), FAST) if n > 1 else advise(lines(9, 1, 1, 0).take(np.arange(5)), FAST)

    def test_few_readings_of_many_inputs_are_too_few_and_not_dependent(self):
        with pytest.raises(BadData, match="too few readings"):
            advise(lines(5, 5, 3, 0), FAST)

    def test_nothing_that_varies_is_refused(self):
        data = Dataset(np.full((20, 1), 0.5), np.arange(20.0)[:, None], np.zeros((20, 1), dtype=bool), ("x",), ("y",))
        with pytest.raises(BadData, match="varies"):
            advise(data, FAST)

    def test_an_input_that_follows_from_others_is_refused(self):
        data = lines(40, 2, 2, 0)
        third = Dataset(
            np.column_stack([data.inputs / 2, 1 - data.inputs.mean(axis=1)]), data.outputs, data.saturated,
            ("a", "b", "c"), data.output_names,
        )  # fmt: skip
        with pytest.raises(BadData, match="one of the inputs a, b, c follows"):
            advise(third, FAST)

    def test_the_same_seed_gives_the_same_advice(self):
        first, second = (advise(lines(60, 2, 2, 1), ("linear", "gmm"), seed=4).to_json() for _ in range(2))
        assert first == second

    def test_progress_rises_to_one(self):
        seen: list[float] = []
        advise(lines(60, 2, 2, 1), ("linear", "pls"), progress=seen.append)
        assert seen == sorted(seen)
        assert seen[-1] == 1
