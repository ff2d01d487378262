"""Logs as they should not be: a clear error or a right answer, from the command line, by every method."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrolux.models import registry
from tests.server.conftest import Outcome

METHODS = registry.METHODS
TARGET = ("445nm=16384", "515nm=16384", "630nm=16384")
SLOPES = np.array([[37.0, 264, 28830], [304, 63452, 1129], [30177, 324, 512]])
OFFSET = np.array([628.0, 1212, 1652])
TRUE = np.linalg.solve(SLOPES.T, 16384 - OFFSET)

Cli = Callable[..., Outcome]
Record = dict[str, Any]


def readings(n: int, n_inputs: int = 3, seed: int = 0) -> list[Record]:
    """Readings of a straight instrument, without times; inputs beyond the third do nothing."""
    rng = np.random.default_rng(seed)
    inputs = rng.random((n, n_inputs)).round(4)
    counts = (OFFSET + inputs[:, :3] @ SLOPES[: min(n_inputs, 3)] + 30 * rng.normal(size=(n, 3))).round()
    names = [target.split("=")[0] for target in TARGET]
    pairs = zip(inputs.tolist(), counts.tolist(), strict=True)
    return [{"in": x, "out": dict(zip(names, y, strict=True))} for x, y in pairs]


def written(path: Path, records: Iterable[Record]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


@pytest.fixture(params=METHODS)
def ask(request: pytest.FixtureRequest, cli: Cli, home: Path) -> Callable[[Iterable[Record]], Outcome]:
    """Ask one method, of these readings, for the paper's target."""
    return lambda records: cli(
        "invert", *TARGET, "--data", written(home / "log", records), "--model", request.param, "--json"
    )


def is_right(found: Outcome, within: float = 0.03) -> bool:
    assert found.code == 0, found.err
    return bool(np.abs(np.array(list(found.json["inputs"].values()))[:3] - TRUE).max() < within)


def test_a_constant_input_is_named(ask):
    found = ask([record | {"in": [*record["in"][:2], 0.5]} for record in readings(60)])
    assert found.code == 1
    assert "Input B is 0.5 in every reading. Add readings that vary B." in found.err


def test_a_constant_channel_costs_only_itself(ask):
    assert is_right(ask([record | {"out": record["out"] | {"680nm": 100}} for record in readings(60)]))


def test_a_constant_channel_that_is_asked_for_is_named(cli, home):
    log = written(home / "log", [record | {"out": record["out"] | {"680nm": 100}} for record in readings(60)])
    found = cli("invert", "680nm=100", "--data", log, "--model", "linear")
    assert found.code == 2
    assert "no column '680nm'" in found.err


def test_no_channel_that_varies_is_said(ask):
    found = ask([record | {"out": dict.fromkeys(record["out"], 100)} for record in readings(60)])
    assert found.code == 1
    assert "No output varies" in found.err


def test_every_reading_ten_times_is_no_more_than_once(ask):
    once = readings(40)
    assert is_right(ask(once * 10))


def test_a_single_setting_many_times_is_refused(ask):
    found = ask([readings(1)[0]] * 50)
    assert found.code == 1
    assert "in every reading" in found.err


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", '"12"', "null", "true"])
def test_what_is_no_number_is_refused_by_its_line(ask, home, cli, number):
    lines = [json.dumps(record) for record in readings(60)]
    lines[30] = json.dumps({"in": [0.1, 0.2, 0.3], "out": {"445nm": 0}}).replace(": 0}", f": {number}}}")
    (home / "odd").write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = cli("fit", "odd")
    assert found.code == 1
    assert "odd, line 31" in found.err


@pytest.mark.parametrize("n", [0, 1, 2, 4])
def test_too_few_readings_are_counted(ask, n):
    found = ask(readings(n))
    assert found.code == 1
    assert "no readings" in found.err if n == 0 else f"too few readings: {n}" in found.err or "are needed" in found.err


def test_more_inputs_than_readings_are_refused(ask):
    found = ask(readings(8, n_inputs=12))
    assert found.code == 1
    assert "too few readings: 8; 1" in found.err


def test_inputs_that_do_nothing_leave_the_others_right(cli, home):
    """Twelve inputs, of which three matter, and hardly more readings than that."""
    log = written(home / "log", readings(30, n_inputs=12))
    assert is_right(cli("invert", *TARGET, "--data", log, "--model", "linear", "--json"), 0.05)


def test_inputs_that_are_always_alike_are_refused(ask):
    """B follows G: no reading says which of the two made the light."""
    found = ask([record | {"in": [*record["in"][:2], 1 - record["in"][1]]} for record in readings(60)])
    assert found.code == 1
    assert "one of the inputs G, B follows from the others" in found.err
