"""The first day of a new instrument: what only its own silicon can tell, one step at a time.

What the emulator assumes of the chip is from its datasheet, and where that is silent, a guess. Each step measures one
of these things and says whether it agrees, so that the report can be sent back and the emulator put right.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from retrolux.device.bench import Bench
from retrolux.device.errors import DeviceError


class Verdict(StrEnum):
    """How a step ended. ``UNCLEAR``: what was measured does not decide it."""

    AGREES = "agrees"
    DIFFERS = "differs"
    UNCLEAR = "unclear"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True)
class Outcome:
    """What a step found.

    Attributes
    ----------
    verdict : Verdict
        Whether the emulator has it so.
    seen : str
        What was found, a sentence or two with the numbers.
    numbers : mapping
        JSON-ready.
    """

    verdict: Verdict
    seen: str
    numbers: Mapping[str, Any] = field(default_factory=dict)


class Person(Protocol):
    """Who sits before the instrument."""

    def ask(self, question: str) -> str:
        """Return the answer, in lower case and without blanks about it."""


@dataclass(frozen=True)
class Step:
    """One thing to find out.

    Attributes
    ----------
    name : str
        Stable.
    title : str
        What is found out.
    todo : str
        What to do before, in plain words.
    assumed : str
        What the emulator assumes.
    measure : callable
        Given the instrument and the person, returns the outcome. Raises DeviceError.
    """

    name: str
    title: str
    todo: str
    assumed: str
    measure: Callable[[Bench, Person], Outcome]

    def taken(self, bench: Bench, person: Person) -> Outcome:
        """Measure; an error of the instrument is an outcome, and the light is dark then, too."""
        try:
            return self.measure(bench, person)
        except DeviceError as error:
            return Outcome(Verdict.FAILED, f"{error.cause} {error.remedy}", {"error": error.type})

    def to_json(self, outcome: Outcome) -> dict[str, Any]:
        """Return the step with its outcome as the report has it."""
        asked = {"name": self.name, "title": self.title, "assumed": self.assumed}
        return asked | {"verdict": outcome.verdict.value, "seen": outcome.seen, "numbers": dict(outcome.numbers)}


def judged(agrees: bool, seen: str, **numbers: Any) -> Outcome:  # noqa: ANN401 - JSON values
    """Return an outcome that agrees or differs."""
    return Outcome(Verdict.AGREES if agrees else Verdict.DIFFERS, seen, numbers)


def unclear(seen: str, **numbers: Any) -> Outcome:  # noqa: ANN401
    """Return an outcome that decides nothing."""
    return Outcome(Verdict.UNCLEAR, seen, numbers)


SKIPPED = Outcome(Verdict.SKIPPED, "Skipped.")
