"""Figures with their uncertainty, against other calculations of the same."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from retrolux.server.figures import deviation_of, drift, linearity, mean_of, repeatability, response, share_of
from retrolux.server.validation_verdict import REAL_REPEATS, REAL_STEPS


class TestRepeatability:
    def test_is_the_one_way_analysis_of_variance(self) -> None:
        rng = np.random.default_rng(0)
        blocks = [1000 + 20 * rng.normal() + 5 * rng.normal(size=10) for _ in range(5)]
        found = repeatability(blocks)
        assert found is not None
        assert found["within"] == pytest.approx(np.sqrt(np.mean([b.var(ddof=1) for b in blocks])))
        f = stats.f_oneway(*blocks).statistic
        assert (found["between"] / found["within"]) ** 2 == pytest.approx((f - 1) / 10)
        assert found["mean"]["value"] == pytest.approx(np.mean(blocks))
        assert (found["within_percent"]["df"], found["within_percent"]["n"], found["mean"]["df"]) == (45, 50, 4)

    def test_blocks_that_agree_better_than_chance_have_no_scatter_between_them(self) -> None:
        found = repeatability([np.array([90.0, 110.0]), np.array([90.0, 110.0])])
        assert found is not None
        assert found["between"] == 0
        assert found["within"] == pytest.approx(np.sqrt(200))

    @pytest.mark.parametrize("blocks", [[], [np.arange(5.0)], [np.array([1.0]), np.array([2.0])]])
    def test_too_little_tells_nothing(self, blocks: list) -> None:
        assert repeatability(blocks) is None

    def test_equal_counts_are_still_rounded(self) -> None:
        found = repeatability([np.zeros(3), np.zeros(3)])
        assert found is not None
        assert found["mean"]["se"] == pytest.approx(np.sqrt(1 / 12))


class TestDrift:
    def test_is_the_slope_per_hour(self) -> None:
        times = np.arange(20) * 60.0
        found = drift(times + 1.7e9, 5000 + 0.1 * times + np.tile([1.0, -1.0], 10))
        assert found is not None
        slope = found["counts_per_hour"]
        assert abs(slope["value"] - 360) < 3 * slope["se"]
        design = np.column_stack([np.ones(20), times / 3600])
        y = 5000 + 0.1 * times + np.tile([1.0, -1.0], 10)
        coefficients, rest, *_ = np.linalg.lstsq(design, y, rcond=None)
        covariance = rest[0] / 18 * np.linalg.inv(design.T @ design)
        assert slope["value"] == pytest.approx(coefficients[1])
        assert slope["se"] == pytest.approx(np.sqrt(covariance[1, 1]), rel=1e-5)
        assert found["percent_per_hour"] == pytest.approx(100 * coefficients[1] / y.mean())

    def test_too_little_tells_nothing(self) -> None:
        assert drift(np.array([0.0, 1.0]), np.array([1.0, 2.0])) is None


class TestLinearity:
    DUTIES = np.array([0, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95, 1, 1, 1])

    def test_finds_line_and_step(self) -> None:
        counts = 500 + 30000 * self.DUTIES + 300 * (self.DUTIES == 1)
        found = linearity(self.DUTIES, counts)
        assert found is not None
        assert found["slope"]["value"] == pytest.approx(30000)
        assert found["offset"] == pytest.approx(500)
        assert found["r2"] == pytest.approx(1)
        assert found["largest_residual"] == pytest.approx(0, abs=1e-6)
        assert found["step"]["value"] == pytest.approx(0.01)
        assert found["step"]["n"] == 3

    def test_the_errors_are_as_large_as_the_scatter_of_many_sweeps(self) -> None:
        rng = np.random.default_rng(1)
        line = 500 + 30000 * self.DUTIES
        found = [linearity(self.DUTIES, line + 50 * rng.normal(size=len(line))) for _ in range(400)]
        for figure in ("slope", "step"):
            values, errors = np.array([(f[figure]["value"], f[figure]["se"]) for f in found if f]).T
            assert np.sqrt(np.mean(errors**2)) == pytest.approx(values.std(), rel=0.1)

    def test_a_residual_is_given_in_counts_and_in_percent_of_the_slope(self) -> None:
        x = np.linspace(0, 0.9, 10)
        y = 10000 * x + np.array([0, 0, 0, 0, 100, 0, 0, 0, 0, 0])
        found = linearity(x, y)
        assert found is not None
        worst = np.abs(y - np.polyval(np.polyfit(x, y, 1), x)).max()
        assert found["largest_residual"] == pytest.approx(worst)
        assert found["largest_residual_percent"] == pytest.approx(100 * worst / found["slope"]["value"])
        assert found["r2"] == pytest.approx(np.corrcoef(x, y)[0, 1] ** 2)

    def test_without_full_duty_there_is_no_step(self) -> None:
        found = linearity(self.DUTIES[:-3], 1000 * self.DUTIES[:-3] + np.arange(7) % 2)
        assert found is not None
        assert found["step"] is None

    def test_a_colour_that_is_dead_has_no_line(self) -> None:
        assert linearity(self.DUTIES, np.full(10, 700.0)) is None
        assert linearity(self.DUTIES[-4:], np.arange(4.0)) is None


class TestResponse:
    def test_is_the_least_squares_solution_and_its_covariance(self) -> None:
        rng = np.random.default_rng(4)
        inputs = rng.random((60, 3))
        counts = 1000 + inputs @ [30000.0, 500, 20] + 40 * rng.normal(size=60)
        found = response("RGB", inputs, counts)
        assert found is not None
        for k, name in enumerate("RGB"):
            others = np.column_stack([np.ones(60), np.delete(inputs, k, axis=1)])
            # Frisch, Waugh and Lovell: what the others do not explain, by itself
            x, y = (v - others @ np.linalg.lstsq(others, v)[0] for v in (inputs[:, k], counts))
            slope = x @ y / (x @ x)
            noise = ((y - slope * x) ** 2).sum() / (60 - 4)
            assert found["slopes"][name]["value"] == pytest.approx(slope)
            assert found["slopes"][name]["se"] == pytest.approx(np.sqrt(noise / (x @ x)))
            assert found["scatter"] == pytest.approx(np.sqrt(noise))

    @pytest.mark.parametrize("inputs", [np.random.default_rng(0).random((7, 3)), np.full((30, 3), 0.5)])
    def test_too_little_tells_nothing(self, inputs: np.ndarray) -> None:
        assert response("RGB", inputs, np.arange(float(len(inputs)))) is None


class TestRealReadings:
    """What a report says of Claude-Light is what these figures make of its readings."""

    def rows(self, folder: Path, tag: str) -> list[dict]:
        lines = (folder / "claude-light-2025.jsonl").read_text().splitlines()
        return [row for row in map(json.loads, lines) if row["tag"] == tag]

    def test_repeats(self, real_data: Path) -> None:
        rows = self.rows(real_data, "exp_repeat")
        for channel, percent in REAL_REPEATS.items():
            found = repeatability(np.split(np.array([r["out"][channel] for r in rows], float), 5))
            assert found is not None
            assert round(found["within_percent"]["value"], 2) == percent

    @pytest.mark.parametrize(("colour", "channel"), [("R", "630nm"), ("G", "515nm"), ("B", "445nm")])
    def test_steps(self, real_data: Path, colour: str, channel: str) -> None:
        rows = self.rows(real_data, f"{colour.lower()}_sweep")
        duties = np.array([r["in"]["RGB".index(colour)] for r in rows])
        found = linearity(duties, np.array([r["out"][channel] for r in rows], float))
        assert found is not None
        assert round(found["step"]["value"], 3) == REAL_STEPS[colour]
        assert found["r2"] > 0.9998


def test_a_mean_has_the_error_of_scipys() -> None:
    values = np.random.default_rng(2).normal(size=12)
    found = mean_of(values)
    assert found.se == pytest.approx(stats.sem(values))
    assert (found.df, found.n) == (11, 12)
    assert mean_of(values[:1]).se is None


def test_a_deviation_has_the_error_of_many_samples() -> None:
    samples = np.random.default_rng(3).normal(size=(2000, 21)).std(axis=1, ddof=1)
    assert deviation_of(1.0, 20, 21).se == pytest.approx(samples.std(), rel=0.05)


@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_share_is_never_certain(case: tuple[int, int]) -> None:
    hits, n = case
    found = share_of(hits, n)
    assert found.value == hits / n
    assert found.se is not None
    assert found.se > 0
