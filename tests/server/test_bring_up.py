"""``retrolux doctor --bring-up``: a walk with scripted answers, and the report it leaves."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from retrolux.device.bringup_readings import STEPS
from tests.server.conftest import Outcome

Cli = Callable[..., Outcome]
Walk = Callable[..., Outcome]
COLOURS = ("", "r", "g", "b")  # Enter, and what the person sees


@pytest.fixture
def walk(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Walk:
    """Run the walk with these answers, a line each."""

    def walked(*answers: str, options: tuple[str, ...] = ()) -> Outcome:
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{a}\n" for a in answers)))
        return cli("doctor", "--bring-up", *options)

    return walked


def report(home: Path) -> dict:  # type: ignore[type-arg]
    (path,) = home.glob("bring-up-*.json")
    document: dict = json.loads(path.read_text(encoding="utf-8"))  # type: ignore[type-arg]
    return document


def test_a_whole_walk(walk: Walk, home: Path) -> None:
    done = walk(*COLOURS, *[""] * (len(STEPS) - 1), options=("--device", "sim:3"))
    assert done.code == 0
    document = report(home)
    assert document["complete"] is True
    assert [step["name"] for step in document["steps"]] == [step.name for step in STEPS]
    verdicts = {step["name"]: step["verdict"] for step in document["steps"]}
    by_hand = {"sync": "skipped", "cap": "unclear", "dip": "unclear"}  # nobody caps or unplugs a simulator
    assert verdicts == {step.name: by_hand.get(step.name, "agrees") for step in STEPS}
    assert document["device"] == "sim:3"
    assert document["conditions"]["settings"]["exposure"]["gain"] == 128
    assert "bring-up-" in done.out.splitlines()[-1]
    assert all(len(line) <= 80 for line in done.out.splitlines())
    assert all(step.title in done.out for step in STEPS)


def test_every_step_can_be_skipped(walk: Walk, home: Path) -> None:
    done = walk(*["s"] * len(STEPS), options=("-o", "mine.json"))
    assert done.code == 0
    document = json.loads((home / "mine.json").read_text(encoding="utf-8"))
    assert {step["verdict"] for step in document["steps"]} == {"skipped"}
    assert f"skipped: {len(STEPS)}" in done.out


def test_without_anybody_it_ends_in_words(walk: Walk, home: Path) -> None:
    done = walk()
    assert done.code == 1
    assert "nobody answered" in done.out
    assert "no report" in done.out
    assert not list(home.glob("*.json"))


def test_what_was_found_before_the_end_is_kept(walk: Walk, home: Path) -> None:
    done = walk("s", "", "q")
    assert done.code == 1
    document = report(home)
    assert document["complete"] is False
    assert [step["verdict"] for step in document["steps"]] == ["skipped", "agrees"]
    assert f"Left: {len(STEPS) - 2}." in done.out


def test_an_end_in_the_middle_of_a_step_is_one(walk: Walk, home: Path) -> None:
    done = walk("", "r", "g")
    assert done.code == 1
    assert "Traceback" not in done.err
    assert not list(home.glob("*.json"))


def test_a_difference_is_shown_with_what_was_assumed(walk: Walk, home: Path) -> None:
    done = walk("", "g", "r", "b", "q")
    assert "DIFFERS: Asked for, and seen: red: g, green: r, blue: b." in done.out
    assert "The simulator has: red, green, blue." in done.out


def test_json_goes_to_stdout_and_talk_to_stderr(walk: Walk, home: Path) -> None:
    done = walk("s", "q", options=("--json",))
    assert done.json["steps"][0]["verdict"] == "skipped"
    assert f"1 of {len(STEPS)}" in done.err


def test_nothing_is_logged(walk: Walk, home: Path) -> None:
    walk("s", "", "q")
    assert not list(home.rglob("*.jsonl"))


def test_a_report_is_never_overwritten(walk: Walk, home: Path) -> None:
    (home / "mine.json").write_text("precious")
    done = walk("s", options=("-o", "mine.json"))
    assert done.code == 1
    assert (home / "mine.json").read_text() == "precious"
    assert "mine.json" in done.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--bring-up", "--device", "http://127.0.0.1:9"), "on the Raspberry Pi itself"),
        (("-o", "x.json"), "--bring-up"),
    ],
)
def test_what_cannot_be_is_refused(cli: Cli, options: tuple[str, ...], words: str) -> None:
    done = cli("doctor", *options)
    assert done.code == 2
    assert words in done.err


def test_a_sensor_that_is_not_there_is_an_error_with_its_remedy(walk: Walk, home: Path) -> None:
    (home / "retrolux.toml").write_text('[simulator]\nfault = "sensor absent"\n')
    done = walk("")
    assert done.code == 1
    assert "No sensor answers" in done.err
    assert not list(home.glob("*.json"))
