"""What a self-test found: one sentence each, with its numbers, and what to do where it is not good."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from retrolux.device.errors import (
    DeviceError,
    InstrumentBusy,
    LightError,
    RemoteError,
    SensorMissing,
    SensorReset,
    SensorTimeout,
)
from retrolux.device.settings import COLOURS

ABSENT, ELSEWHERE, STRANGER = "sensor absent", "wrong address", "another chip at the sensor's address"
BLINDED, ALL_DEAD, TOO_BRIGHT = "sensor blinded", "all colours dead", "ambient too bright"
ALL_STAY_ON, REVERSED, FROZEN = "all colours stay on", "light reversed", "readings repeat"
UNSEEN = f"{BLINDED}, or {ALL_DEAD}"

EXPECTED = {0x40, 0x70}  # a PCA9685 and its all-call address, which drive a light
LIKELY = {
    0x10: "a VEML7700 or VEML6040",
    0x29: "a TCS34725, TSL2591 or VL53L0X",
    0x44: "an ISL29125 or OPT3001",
    0x49: "an AS7262, AS7263 or AS7265x",
    0x74: "an AS7331",
}
"""What often answers at an address and is taken for the AS7341, which has no other address than 0x39."""


class State(StrEnum):
    """How a check ended. ``ODD`` is worth a look and no reason to stop; ``SKIPPED`` could not be done."""

    GOOD = "good"
    ODD = "odd"
    BAD = "bad"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes
    ----------
    name : str
        Of the check; stable.
    state : State
    seen : str
        What was seen, a sentence with its numbers.
    remedy : str
        What to do, where it is not good.
    fault : str
        Name of the fault that explains it, stable; empty where there is none.
    numbers : mapping
        The sentence's numbers, JSON-ready.
    """

    name: str
    state: State
    seen: str
    remedy: str = ""
    fault: str = ""
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the finding as JSON has it."""
        document = {"name": self.name, "state": self.state.value, "seen": self.seen}
        return document | {"remedy": self.remedy, "fault": self.fault, "numbers": dict(self.numbers)}


def good(name: str, seen: str, **numbers: Any) -> Finding:  # noqa: ANN401 - JSON values
    """Return a finding that all is well."""
    return Finding(name, State.GOOD, seen, numbers=numbers)


def skipped(name: str, why: str) -> Finding:
    """Return a finding that a check could not be made, and why."""
    return Finding(name, State.SKIPPED, why)


def faults(findings: Iterable[Finding]) -> tuple[str, ...]:
    """Return the names of the faults that were found, each once."""
    return tuple(dict.fromkeys(f.fault for f in findings if f.fault))


def is_healthy(findings: Iterable[Finding]) -> bool:
    """Return whether nothing was found bad."""
    return all(f.state is not State.BAD for f in findings)


def swapped(one: int, other: int) -> str:
    """Return the name of the fault that two colours, of 0, 1, 2, are exchanged."""
    first, second = sorted((one, other))
    return f"{COLOURS[first]} and {COLOURS[second]} swapped"


def from_error(name: str, error: DeviceError) -> Finding:
    """Return the finding that an error is, with the fault that it tells of."""
    return Finding(name, State.BAD, error.cause, _remedy(error), _fault(error), {"error": error.type})


def _fault(error: DeviceError) -> str:
    if isinstance(error, SensorMissing):
        if error.others is None:
            return STRANGER if "is no AS7341" in error.cause else ABSENT
        return ELSEWHERE if set(error.others) - EXPECTED else ABSENT
    named = {
        SensorTimeout: "sensor not ready",
        SensorReset: "sensor loses its supply",
        LightError: "light not driven",
        InstrumentBusy: "instrument busy",
        RemoteError: "other side unreachable",
    }
    return next((fault for kind, fault in named.items() if isinstance(error, kind)), "instrument not opened")


def _remedy(error: DeviceError) -> str:
    others = [a for a in getattr(error, "others", None) or () if a not in EXPECTED]
    if not others:
        return error.remedy
    guesses = "; ".join(f"0x{a:02x} is often {LIKELY[a]}" for a in others if a in LIKELY)
    hint = f" ({guesses})" if guesses else ""
    return f"An AS7341 has no address but 0x39: is the sensor that is wired another kind{hint}? {error.remedy}"
