"""The walk of ``retrolux doctor --bring-up``: a step at a time, and a report to send back."""

import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import click

from retrolux.device.bench import Bench
from retrolux.device.bringup import SKIPPED, Outcome, Step, Verdict
from retrolux.device.bringup_readings import STEPS
from retrolux.device.errors import DeviceError
from retrolux.device.factory import open_instrument
from retrolux.server.cli.printing import print_json, wrapped
from retrolux.server.conditions import label, present, utc
from retrolux.server.config import Config
from retrolux.server.errors import BadArgument
from retrolux.server.laboratory import Laboratory

MARKS = {
    Verdict.AGREES: ("✓", "Agrees", "green"),
    Verdict.DIFFERS: ("✗", "DIFFERS", "red"),
    Verdict.UNCLEAR: ("!", "Not clear", "yellow"),
    Verdict.SKIPPED: ("–", "Skipped", None),
    Verdict.FAILED: ("✗", "FAILED", "red"),
}
WIDTH = 80
SCHEMA = 1


class Ended(Exception):
    """Raised when the person ends the walk, or there is nobody to ask."""


class Terminal:
    """The person at the terminal.

    Parameters
    ----------
    err : bool
        Whether to talk on stderr, so that stdout holds one JSON document.
    """

    def __init__(self, *, err: bool) -> None:
        self._err = err

    def say(self, text: str = "", **style: Any) -> None:  # noqa: ANN401 - click's
        """Print a line."""
        click.secho(text, err=self._err, **style)

    def tell(self, text: str, first: str = "  ", others: str = "  ", **style: Any) -> None:  # noqa: ANN401
        """Print a text within the terminal's width."""
        for line in wrapped(text, WIDTH, first, others):
            self.say(line, **style)

    def ask(self, question: str) -> str:
        """Return the answer. Raises Ended where nobody answers, or the answer is q."""
        try:
            answer = click.prompt(f"  {question}", default="", show_default=False, prompt_suffix=" ", err=self._err)
        except (click.Abort, EOFError) as error:
            self.say()
            raise Ended from error
        if not sys.stdin.isatty():
            self.say()  # nobody's Enter ended the line
        given = str(answer).strip().lower()
        if given in {"q", "quit"}:
            raise Ended
        return given


def walk(config: Config, path: Path | None, *, as_json: bool) -> int:
    """Walk a person through all steps and write the report; return the exit code.

    Raises
    ------
    BadArgument
        When the device is not at this machine.
    DeviceError, BadConfiguration
    """
    if "://" in config.device:
        raise BadArgument(
            f"--bring-up looks at the sensor's registers, and {config.device} is elsewhere.",
            "Run it on the Raspberry Pi itself, with --device pi.",
        )
    terminal = Terminal(err=as_json)
    with _opened(config) as (lab, bench), Report(_heading(lab, bench), path) as report:
        report.document["complete"] = _take(bench, terminal, report)
    if as_json:
        print_json(report.document)
    _farewell(terminal, report)
    return 0 if report.document["complete"] else 1


class Report:
    """A report and its file, which is on disk after each step; one without any step is taken away again.

    Parameters
    ----------
    heading : dict
    path : Path, optional
        In the working folder, by date and device, where not given. Never one that exists.

    Raises
    ------
    OSError
        Before anything is measured.
    """

    def __init__(self, heading: dict[str, Any], path: Path | None) -> None:
        self.document = heading | {"complete": False, "steps": []}
        stamp = re.sub(r"[^0-9TZ]", "", heading["began"])
        name = re.sub(r"[^A-Za-z0-9]+", "-", heading["device"]).strip("-")
        self.path = path or Path(f"bring-up-{stamp}-{name}.json")
        with self.path.open("x"):
            pass

    @property
    def verdicts(self) -> list[str]:
        """How the steps ended."""
        return [step["verdict"] for step in self.document["steps"]]

    def add(self, step: dict[str, Any]) -> None:
        """Add a step and save. Raises OSError."""
        self.document["steps"].append(step)
        self._save()

    def _save(self) -> None:
        self.document["ended"] = utc(time.time())
        text = json.dumps(self.document, indent=1, ensure_ascii=False, allow_nan=False)
        self.path.write_text(text + "\n", encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.document["steps"]:
            self._save()
        else:
            self.path.unlink()


@contextmanager
def _opened(config: Config) -> Iterator[tuple[Laboratory, Bench]]:
    lab = Laboratory(config)  # opens nothing until it measures: no reading of this is logged
    instrument = open_instrument(config.device, lab.settings)
    try:
        if not isinstance(instrument, Bench):
            raise BadArgument(f"{config.device} has no registers to look at.", "Choose --device pi.")
        yield lab, instrument
    finally:
        with suppress(DeviceError):
            instrument.close()


def _heading(lab: Laboratory, bench: Bench) -> dict[str, Any]:
    began = {"schema": SCHEMA, "device": label(lab.config.device), "began": utc(time.time())}
    return began | {"light": bench.status()["light"], "conditions": present(lab, ())}


def _take(bench: Bench, terminal: Terminal, report: Report) -> bool:
    """Take each step; return whether the walk came to its end."""
    terminal.tell(
        f"{len(STEPS)} steps, about ten minutes. Each says what to do and waits for Enter (s skips it, q ends), "
        "measures, and says whether the simulator has it so.",
        "",
        "",
    )
    try:
        for number, step in enumerate(STEPS, 1):
            terminal.say()
            terminal.say(f"{number} of {len(STEPS)}: {step.title}", bold=True)
            terminal.tell(step.todo)
            outcome = _outcome(step, bench, terminal)
            _show(terminal, step, outcome)
            report.add(step.to_json(outcome))
    except (Ended, KeyboardInterrupt):
        return False
    return True


def _outcome(step: Step, bench: Bench, terminal: Terminal) -> Outcome:
    answer = terminal.ask("[Enter, s or q]")
    return SKIPPED if answer.startswith("s") else step.taken(bench, terminal)


def _show(terminal: Terminal, step: Step, outcome: Outcome) -> None:
    mark, word, colour = MARKS[outcome.verdict]
    if outcome == SKIPPED:
        terminal.say(f"  {mark} {word}.")
        return
    terminal.tell(f"{mark} {word}: {outcome.seen}", others="    ", fg=colour)
    if outcome.verdict is Verdict.DIFFERS:
        terminal.tell(f"The simulator has: {step.assumed}.", "    ", "    ")


def _farewell(terminal: Terminal, report: Report) -> None:
    verdicts = report.verdicts
    tally = ", ".join(f"{word.lower()}: {verdicts.count(v)}" for v, (_, word, _) in MARKS.items() if v in verdicts)
    terminal.say()
    if not report.document["complete"]:
        terminal.tell(
            f"Ended before the end: nobody answered, or you asked to. Left: {len(STEPS) - len(verdicts)}.", ""
        )
    if verdicts:
        terminal.say(f"Steps: {tally}.")
        terminal.say(f"The report, to be sent back: {report.path}")
    else:
        terminal.say("Nothing was measured, so there is no report.")
