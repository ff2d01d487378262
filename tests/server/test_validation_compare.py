"""Two validations side by side: what differs is told, what does not is not."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from retrolux.server.config import Config, Simulator
from retrolux.server.errors import BadReport
from retrolux.server.figures import Figure
from retrolux.server.laboratory import Laboratory
from retrolux.server.validation_compare import GROUPS, compare, of, pooled
from retrolux.server.validation_page import difference
from retrolux.server.validation_report import compare_reports, write_report
from retrolux.server.validation_run import Validation


def one(value: float, se: float, df: float = 20, n: int = 21) -> dict[str, Any]:
    return Figure(value, se, df, n).to_json()


def measured(folder: Path, device: str = "sim", seed: int = 0) -> Path:
    """The whole protocol, with one method."""
    with Laboratory(Config(state=folder / "state", device=device, simulator=Simulator(seed=seed))) as lab:
        run = Validation(lab, folder, methods=("linear",))
        run.run()
    write_report(folder, run.models)
    return folder


@pytest.fixture(scope="module")
def sim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return measured(tmp_path_factory.mktemp("sim"))


class TestFigures:
    def test_one_pair_is_welchs_test(self) -> None:
        (found,) = compare([{"sweeps": {"slope": one(10.0, 0.3, 8)}}], [{"sweeps": {"slope": one(11.5, 0.4, 14)}}])
        other = stats.ttest_ind_from_stats(10, 0.3 * 3, 9, 11.5, 0.4 * np.sqrt(15), 15, equal_var=False)
        assert found.p == pytest.approx(other.pvalue)
        assert (found.difference, found.se) == (1.5, pytest.approx(0.5))
        assert found.figure == "sweeps / slope"

    def test_many_are_corrected_for_their_number(self) -> None:
        """Holm by hand: 3 × 0.001, 2 × 0.02, 1 × 0.03 raised to what stands before."""
        chances = {"x": 0.02, "y": 0.001, "z": 0.03}
        b = {k: one(stats.norm.isf(p / 2), 1 / np.sqrt(2), 1e9) for k, p in chances.items()}
        a = {k: one(0.0, 1 / np.sqrt(2), 1e9) for k in chances}
        found = {d.figure: d for d in compare([{"sweeps": a}], [{"sweeps": b}])}
        expected = {"sweeps / x": 0.04, "sweeps / y": 0.003, "sweeps / z": 0.04}
        assert {name: d.p for name, d in found.items()} == pytest.approx(expected, rel=1e-4)
        assert [name for name, d in found.items() if d.exceeds] == ["sweeps / y"]

    def test_what_only_one_has_or_what_has_no_error_is_left_out(self) -> None:
        a = {"x": one(1, 1), "y": one(1, 1), "z": Figure(1, None, 1, 1).to_json(), "list": [one(1, 1)]}
        assert [d.figure for d in compare([a], [{"x": one(1, 1), "z": one(1, 1), "list": [one(1, 1)]}])] == ["x"]
        assert compare([], []) == []

    def test_exact_figures(self) -> None:
        found = compare([{"x": one(1, 0), "y": one(1, 0)}], [{"x": one(1, 0), "y": one(2, 0)}])
        assert [(d.p, d.exceeds) for d in found] == [(1, False), (0, True)]

    def test_sessions_count_by_their_scatter_where_it_is_larger(self) -> None:
        values = [10.0, 12.0, 17.0]
        (found,) = pooled([{"x": one(v, 0.1)} for v in values]).values()
        assert found.value == pytest.approx(13)
        assert found.se == pytest.approx(stats.sem(values))
        assert found.df == 2
        (calm,) = pooled([{"x": one(10.0, 0.3)}, {"x": one(10.0, 0.4)}]).values()
        assert (calm.se, calm.df, calm.n) == (pytest.approx(0.25), 40, 42)

    def test_the_light_around_is_no_fault_of_the_unit(self) -> None:
        assert of("dark / 515nm / mean") == of("response / nir / offset") == "surroundings"
        assert of("response / nir / slopes / R") == of("repeats / 515nm / within_percent") == "instrument"

    def test_chance_alone_rarely_exceeds(self) -> None:
        """In about 1 % of comparisons of sixty figures: two of 200 are expected, more than eight are not."""
        rng = np.random.default_rng(0)
        exceeding = 0
        for _ in range(200):
            a, b = ({f"x{k}": one(v, 1.0, 1e6) for k, v in enumerate(rng.normal(size=60))} for _ in range(2))
            exceeding += any(d.exceeds for d in compare([a], [b]))
        assert exceeding <= 8

    @pytest.mark.parametrize(
        ("a", "b", "se", "row"),
        [
            (15266.4, 12739.5, 22.7, ("x y", "15266", "12740", "-2527 ± 23")),
            (0.00142, 0.00405, 0.00061, ("x y", "0.00142", "0.00405", "+0.00263 ± 0.00061")),
            (2.0, 2.0, 0.0, ("x y", "2.000000", "2.000000", "0.000000 ± 0.000000")),
        ],
    )
    def test_numbers_are_given_to_two_digits_of_their_uncertainty(
        self, a: float, b: float, se: float, row: tuple[str, ...]
    ) -> None:
        assert difference({"figure": "x / y", "a": a, "b": b, "difference": b - a, "se": se, "p": 0.5})[:4] == row


class TestUnits:
    def test_a_unit_and_itself(self, sim: Path) -> None:
        found = compare_reports(sim, sim)
        assert found["exceeding"] == dict.fromkeys(GROUPS, 0)
        assert len(found["differences"]) > 80
        assert all(d["difference"] == 0 for d in found["differences"])
        assert found["remarks"] == []

    def test_a_unit_on_another_day(self, sim: Path, tmp_path: Path) -> None:
        """Other noise and other weather: the instrument is the same."""
        found = compare_reports(sim, measured(tmp_path, seed=5))
        assert found["exceeding"]["instrument"] == 0

    def test_another_unit(self, sim: Path, tmp_path: Path) -> None:
        found = compare_reports(sim, measured(tmp_path, "sim:3"))
        exceeding = {d["figure"]: d for d in found["differences"] if d["exceeds"]}
        red = exceeding["response / 590nm / slopes / R"]
        assert red["p"] < 1e-10
        assert "sweeps / R 590nm / slope" in exceeding
        assert found["exceeding"]["instrument"] > 10
        assert (found["a"]["device"], found["b"]["device"]) == ("sim", "sim:3")

    def test_the_step_at_full_duty_is_the_one_that_is_simulated(self, sim: Path) -> None:
        """0.011, 0.006 and 0.004 of the input, as Claude-Light has it."""
        (session,) = json.loads((sim / "report.json").read_text())["sessions"]
        sweeps = session["figures"]["sweeps"]
        for place, real in {"R 630nm": 0.0108, "G 515nm": 0.0062, "B 445nm": 0.0043}.items():
            if sweeps[place]["step"]:
                assert abs(sweeps[place]["step"]["value"] - real) < 3 * sweeps[place]["step"]["se"]

    @pytest.mark.parametrize("text", ["", "[]", "{}", '{"kind": "retrolux validation", "schema": 99}', '{"kind": 1}'])
    def test_what_is_no_report_is_refused(self, sim: Path, tmp_path: Path, text: str) -> None:
        (tmp_path / "report.json").write_text(text)
        with pytest.raises(BadReport, match="report"):
            compare_reports(sim, tmp_path)
