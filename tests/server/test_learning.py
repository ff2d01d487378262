"""Learning curves of a simulator and of a log, by the command line and beneath it."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from retrolux.device.settings import InstrumentSettings
from retrolux.models.readings import PAPER
from retrolux.server.errors import BadArgument
from retrolux.server.learning import Study
from retrolux.server.learning_sources import Logged, Simulated
from retrolux.server.readings import load_dataset
from tests.server.conftest import Outcome

Cli = Callable[..., Outcome]


def simulated(number: int = 3) -> Simulated:
    return Simulated(f"sim:{number}", InstrumentSettings(), PAPER)


def test_a_nested_design_s_beginning_is_its_shorter_self() -> None:
    for design in ("active", "d-optimal", "sobol"):
        ten, twelve = simulated().readings(design, (10, 12), 1)
        np.testing.assert_array_equal(twelve.outputs[:10], ten.outputs)
        (alone,) = simulated().readings(design, (10,), 1)
        np.testing.assert_array_equal(alone.outputs, ten.outputs)


def test_a_latin_hypercube_of_each_size_is_its_own() -> None:
    ten, twenty = simulated().readings("lhs", (10, 20), 1)
    for data in (ten, twenty):
        strata = np.sort(np.floor(data.inputs * len(data)), axis=0)
        np.testing.assert_allclose(strata, np.arange(len(data))[:, None] * np.ones(3), atol=1e-9)


def test_seeds_differ_in_noise_and_a_seed_repeats_itself() -> None:
    one, again, other = (next(iter(simulated().readings("d-optimal", (9,), seed))) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.outputs, again.outputs)
    assert not np.array_equal(one.outputs, other.outputs)


def test_curves_fall_and_an_active_design_needs_fewer() -> None:
    study = Study(simulated(), ("bayes", "linear"), ("lhs", "active"), (5, 10, 40), seeds=2)
    shares: list[float] = []
    curves = study.curves(report=shares.append)
    at = {(p.method, p.design, p.n): p.median for p in curves.points}
    assert len(at) == 12
    for method in ("bayes", "linear"):
        assert at[method, "active", 40] < at[method, "active", 5]
        assert at[method, "active", 40] < at[method, "lhs", 40] == curves.goals[method]
    reached = {(m, d): max(every) for m, d, every in curves.needed()}
    assert reached["bayes", "active"] <= 20
    assert shares == [0.25, 0.5, 0.75, 1.0]


def test_too_few_readings_for_a_method_are_a_gap_not_a_failure() -> None:
    curves = Study(simulated(), ("linear",), ("sobol",), (3, 12), seeds=1).curves()
    assert curves.to_json()["curve"][0]["median"] is None
    assert curves.to_json()["curve"][1]["median"] > 0


def test_a_log_s_truth_is_what_all_of_it_tells(readings: Path) -> None:
    data, _ = load_dataset(readings)
    source = Logged.of(data)
    assert source.targets == PAPER
    assert source.light(np.full((1, 3), 0.5))[0] == pytest.approx([15000, 32000, 15500], rel=0.08)
    for design in source.designs:
        small, large = source.readings(design, (10, 25), 1)
        assert (len(small), len(large)) == (10, 25)
        assert {row.tobytes() for row in small.outputs} < {row.tobytes() for row in large.outputs}
        assert len({row.tobytes() for row in large.outputs}) == 25  # none is taken twice
        assert (np.diff(large.times) > 0).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"designs": ("lhs", "active-ish")}, "no design 'active-ish'.*lhs, sobol, d-optimal, active"),
        ({"sizes": (20, 10)}, "sizes are"),
        ({"sizes": ()}, "sizes are"),
        ({"sizes": (0, 10)}, "sizes are"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_a_reading(change: dict[str, object], words: str) -> None:
    given = {"source": simulated(), "methods": ("linear",), "designs": ("lhs",), "sizes": (10,)} | change
    with pytest.raises(BadArgument, match=words):
        Study(**given).curves(report=lambda _share: pytest.fail("measured"))


def test_the_command_line_s_table_and_its_json_say_the_same(cli: Cli) -> None:
    arguments = ("learn-curve", "--device", "sim:2", "--models", "linear", "--seeds", 2, "--sizes", "6,12")
    document = cli(*arguments, "--designs", "lhs,active", "--json").json
    shown = cli(*arguments, "--designs", "lhs,active")
    assert document["sizes"] == [6, 12]
    assert {(p["design"], p["n"]) for p in document["curve"]} == {(d, n) for d in ("lhs", "active") for n in (6, 12)}
    for point in document["curve"]:
        assert f"{1e4 * point['median']:.1f}" in shown.out
    assert "of sim:2" in shown.out
    assert max(map(len, shown.out.splitlines())) <= 80


def test_the_command_line_takes_a_log(cli: Cli, readings: Path) -> None:
    document = cli("learn-curve", readings, "--models", "bayes", "--sizes", "10,50", "--seeds", 2, "--json").json
    assert {p["design"] for p in document["curve"]} == {"random", "d-optimal"}
    assert json.dumps(document, allow_nan=False)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--device", "pi"), "Nobody knows"),
        (("LOG", "--device", "sim"), "log and a device"),
        (("LOG", "--sizes", "10,61"), "holds 60 readings"),
        (("LOG", "--targets", "999nm"), "999nm"),
        (("--targets", "999nm"), "999nm"),
        (("--sizes", "10,x"), "no finite number"),
        (("--sizes", "10.5"), "readings are whole"),
        (("--models", "nonsense"), "nonsense"),
    ],
)
def test_a_wrong_question_is_refused_in_words(cli: Cli, readings: Path, arguments: tuple[str, ...], words: str) -> None:
    done = cli("learn-curve", *(readings if a == "LOG" else a for a in arguments))
    assert done.code != 0
    assert words in done.err
