"""``retrolux advise``: what a person is told of their readings."""

import numpy as np
import pytest

from retrolux.server.formulation import INGREDIENTS, lines

INPUTS = ",".join(INGREDIENTS)


@pytest.fixture
def log(cli):
    assert cli("collect", "-n", "60", "--seed", "3", "-o", "mine.jsonl").code == 0
    return "mine.jsonl"


def test_a_light_is_told_to_be_straight_and_one_to_one(cli, log):
    found = cli("advise", log, "--models", "linear,gmm")
    assert found.code == 0, found.err
    assert "- 60 readings of R, G, B and 415nm" in found.out
    assert "Linear: a straight line explains 99." in found.out
    assert "One-to-one" in found.out
    assert "No gap" in found.out
    assert "Take linear: the simplest of those that miss least" in found.out


def test_what_is_linear_is_told_apart_from_what_no_input_tells(cli, home):
    rng = np.random.default_rng(0)
    numbers = zip(rng.random(80), *rng.normal(size=(2, 80)), strict=True)
    rows = [f"{x:.4f},{5 * x + 0.05 * a:.4f},{b:.4f}" for x, a, b in numbers]
    (home / "t.csv").write_text("\n".join(["x,y,weather", *rows]) + "\n", encoding="utf-8")
    said = " ".join(cli("advise", "t.csv", "--inputs", "x", "--models", "linear").out.split())
    assert "Linear: a straight line explains 99." in said
    assert "of y." in said
    assert "of weather: the rest is noise, or what no input tells" in said


def test_where_none_follows_none_is_recommended(cli, home):
    x = np.linspace(0, 10, 120)
    rows = [
        f"{a},{b}"
        for a, b in zip(x, 9 - 1.5 * (x - 3) ** 2 + np.random.default_rng(0).normal(0, 0.1, 120), strict=True)
    ]
    (home / "pump.csv").write_text("\n".join(["x,y", *rows]) + "\n", encoding="utf-8")
    said = " ".join(cli("advise", "pump.csv", "--inputs", "x", "--models", "linear,pls").out.split())
    assert "None of these follows the readings as a curved surface does. Take linear, which misses least" in said
    assert "the simplest" not in said


def test_its_json_has_the_same(cli, log):
    found = cli("advise", log, "--models", "linear,pls", "--json").json
    assert found["best"][0] == "linear"
    assert found["survey"]["one_to_one"]
    assert found["survey"]["rank"] == 3
    assert set(found["models"]) == {"linear", "pls"}
    assert found["models"]["linear"]["inverse"] < 0.01


def test_a_table_is_told_what_it_leaves_open(cli, home):
    (home / "f.csv").write_text("\n".join(lines(120, 0)) + "\n", encoding="utf-8")
    found = cli("advise", "f.csv", "--inputs", INPUTS, "--models", "linear,gmm")
    assert "viscosity bends" in found.out
    assert "outputs tell 3 of 5 directions" in " ".join(found.out.split())
    assert max(map(len, found.out.splitlines())) <= 80


def test_a_fold_and_a_gap_are_told(cli, home):
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, 150)
    x = x[(x < -0.35) | (x > 0.05)]
    rows = [f"{a:.4f},{a * a + 0.01 * e:.5f}" for a, e in zip(x, rng.normal(size=len(x)), strict=True)]
    (home / "p.csv").write_text("\n".join(["x,y", *rows]) + "\n", encoding="utf-8")
    found = " ".join(cli("advise", "p.csv", "--inputs", "x", "--models", "linear,gmm").out.split())
    assert "the derivative changes its sign" in found
    assert "about x -0.1" in found
    assert "linear misses too much: it cannot follow the readings." in found
    assert "Take gmm" in found


def test_copies_are_told(cli, home, log):
    text = (home / log).read_text(encoding="utf-8")
    (home / "twice.jsonl").write_text(text + text, encoding="utf-8")
    assert (
        "60 readings are copies of others to the last digit" in cli("advise", "twice.jsonl", "--models", "linear").out
    )


@pytest.mark.parametrize(("arguments", "words"), [(("--models", "oracle"), "oracle"), (("--outputs", "x"), "--inputs")])
def test_what_cannot_be_is_refused(cli, log, arguments, words):
    found = cli("advise", log, *arguments)
    assert found.code == 2
    assert words in found.err


def test_too_few_readings_are_refused(cli, home, log):
    first = (home / log).read_text(encoding="utf-8").splitlines(keepends=True)[:5]
    (home / "few.jsonl").write_text("".join(first), encoding="utf-8")
    found = cli("advise", "few.jsonl")
    assert found.code == 1
    assert "too few readings: 5; 10 are needed" in found.err
