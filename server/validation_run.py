"""One validation: the protocol measured, session by session, into a folder of its own."""

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from retrolux.device.errors import InstrumentBusy
from retrolux.device.factory import open_instrument
from retrolux.device.instrument import Instrument
from retrolux.device.log import MeasurementLog, read_records
from retrolux.device.measurement import REFERENCE, Measurement
from retrolux.device.recording import Recorder
from retrolux.models.errors import ModelError
from retrolux.models.model import Model
from retrolux.models.registry import available
from retrolux.models.solution import Solution
from retrolux.server import conditions
from retrolux.server.conditions import is_simulated, label, present, utc
from retrolux.server.errors import BadReport
from retrolux.server.laboratory import Laboratory
from retrolux.server.protocol import PROTOCOL, Protocol, Step
from retrolux.server.validation import SessionReadings

LOG = "readings.jsonl"
OVERHEAD = 0.035  # seconds of a pass beside its integration: autozero and bus
Report = Callable[[int, int, str], None]
"""Called with (readings done, readings in all, what is being done)."""
Answers = dict[tuple[int, str], Solution]


class _NamelessLog(MeasurementLog):
    """A log that can be sent to anybody: an instrument's address does not stand in it."""

    def add(self, measurement: Measurement, extra: Any = None) -> None:  # noqa: ANN401 - a mapping
        super().add(replace(measurement, device=label(measurement.device)), extra)


@dataclass
class Validation:
    """A validation in its folder; calling :meth:`run` again goes on where it was interrupted.

    Attributes
    ----------
    lab : Laboratory
        Gives device, settings and calibration; its own instrument is not opened, its own log is left alone.
    folder : Path
        Made where it does not exist.
    protocol : Protocol
    methods : tuple of str
        Whose answers are played back; all that are installed by default.
    report : callable
    models : dict
        The models that :meth:`run` fitted, by session and method: a report need not fit them again.
    """

    lab: Laboratory
    folder: Path
    protocol: Protocol = PROTOCOL
    methods: tuple[str, ...] = field(default_factory=available)
    report: Report = lambda _done, _total, _what: None
    models: dict[tuple[int, str], Model] = field(default_factory=dict)

    def plan(self, sessions: int = 1, hours_apart: float = 0.0, *, again: bool = False) -> dict[str, Any]:
        """Return the folder's conditions with what is to be done; nothing is written or moved.

        Parameters
        ----------
        sessions : int
            How often the protocol is measured, in a new folder; an interrupted one keeps its own plan.
        hours_apart : float
            From one session's beginning to the next one's.
        again : bool
            Add a session, now, to a folder whose sessions are all done.

        Raises
        ------
        BadReport
            When the folder holds a validation of another device, protocol or exposure, or one that is complete.
        """
        stored = conditions.read(self.folder)
        if stored is None:
            if _has_readings(self.folder / LOG):
                raise BadReport(f"{self.folder} holds readings without {conditions.NAME}.", "Choose another folder.")
            return self._fresh([s * hours_apart for s in range(sessions)])
        self._refuse_strangers(stored)
        if len(_ended(stored)) == len(stored["plan"]):
            if not again:
                raise BadReport(
                    f"{self.folder} holds a complete validation.",
                    "Add a session with --again, or name another with -o.",
                )
            stored["plan"].append(None)
        return stored

    def _fresh(self, hours: list[float]) -> dict[str, Any]:
        protocol, device = self.protocol.to_json(), label(self.lab.config.device)
        return {"schema": conditions.SCHEMA, "device": device, "protocol": protocol, "plan": hours, "sessions": []}

    def _refuse_strangers(self, stored: dict[str, Any]) -> None:
        here, device, protocol = label(self.lab.config.device), stored.get("device"), stored.get("protocol")
        if device != here:
            raise BadReport(f"{self.folder} is a validation of {device}, not of {here}.", "Name another folder.")
        if protocol != self.protocol.to_json():
            theirs = protocol.get("version") if isinstance(protocol, dict) else None
            raise BadReport(
                f"{self.folder} follows protocol {theirs}; this is protocol {self.protocol.version}, or another order.",
                "Name another folder, or use the Retrolux that began it.",
            )
        begun = [s for s in stored["sessions"] if s["ended"] is None]
        if begun and begun[-1]["settings"] != present(self.lab, self.methods)["settings"]:
            raise BadReport(
                f"The interrupted session in {self.folder} was measured at other settings.",
                "Restore them, or name another folder.",
            )

    def seconds(self) -> float:
        """Return about how long the readings of one session take on an instrument in real time."""
        remote = "://" in self.lab.config.device
        exposure = REFERENCE if remote else self.lab.settings.exposure
        return self.protocol.count(self.methods) * 2 * (exposure.seconds + OVERHEAD)

    def run(self, sessions: int = 1, hours_apart: float = 0.0, *, again: bool = False) -> None:
        """Measure what :meth:`plan` finds to be done; each reading is on disk before the next is made.

        Raises
        ------
        BadReport
            See :meth:`plan`.
        InstrumentBusy
            When another process validates into this folder.
        DeviceError, OSError
            When instrument or disk fails; what was measured is kept.
        """
        todo = self.plan(sessions, hours_apart, again=again)
        self.folder.mkdir(parents=True, exist_ok=True)
        with _alone(self.folder), closing(self._open()) as recorder:
            for number in range(len(_ended(todo)), len(todo["plan"])):
                _Session(self, recorder, todo, number).run()

    def _open(self) -> Recorder:
        path, device = self.folder / LOG, self.lab.config.device
        # a simulator that is opened again must not repeat the noise that stands in the log
        made = len(read_records(path)) if path.exists() else 0
        instrument = open_instrument(device, replace(self.lab.settings, seed=(self.lab.settings.seed + made) % 2**32))
        try:
            return Recorder(instrument, _NamelessLog(path))
        except BaseException:
            instrument.close()
            raise

    def keep(self, todo: dict[str, Any]) -> None:
        """Write the conditions. Raises OSError."""
        conditions.write(self.folder, conditions.NAME, json.dumps(todo, indent=1) + "\n")


@dataclass
class _Session:
    """One session of a validation: what is missing of it, measured."""

    of: Validation
    recorder: Recorder
    todo: dict[str, Any]
    number: int
    _made: int = 0

    def run(self) -> None:
        records = self._records()
        self._wait(records)
        own, done = self._begun(), {r["i"] for r in self._own(records)}
        self._made = len(done)
        self._measure([s for s in self.of.protocol.opening() if s.i not in done], {})
        answers = self._answers(own)
        steps = [s for s in self.of.protocol.playing(own["methods"]) if s.i not in done]
        self._measure([s for s in steps if s.inputs or (s.tags["target_number"], s.tags["method"]) in answers], answers)
        self._end(own)

    def _begun(self) -> dict[str, Any]:
        """Return the session's conditions, which are written before its first reading."""
        if len(self.todo["sessions"]) == self.number:
            methods = self.of.methods
            now = utc(self.instrument.time())
            more: dict[str, Any] = {"remarks": [], "recoveries": None, "resumed": 0, "started": now, "ended": None}
            more["light"] = self.instrument.status().get("light")
            self.todo["sessions"].append(present(self.of.lab, methods) | more)
            self.of.keep(self.todo)
        else:
            self.todo["sessions"][self.number]["resumed"] += 1
            self.of.keep(self.todo)
        own: dict[str, Any] = self.todo["sessions"][self.number]
        return own

    def _end(self, own: dict[str, Any]) -> None:
        own["recoveries"] = self.instrument.status().get("recoveries")
        own["ended"] = utc(self.instrument.time())
        self.of.keep(self.todo)

    @property
    def instrument(self) -> Instrument:
        return self.recorder.instrument

    def _records(self) -> list[dict[str, Any]]:
        return read_records(self.of.folder / LOG)

    def _own(self, records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        return [r for r in records if r.get("session") == self.number]

    def _wait(self, records: Sequence[dict[str, Any]]) -> None:
        """Wait for the session's time; a simulator's goes on where the log ends, for it begins anew each time."""
        if records and is_simulated(self.todo["device"]):
            self.instrument.wait_until(records[-1]["time"] + records[-1]["elapsed"])
        hours = self.todo["plan"][self.number]
        if records and hours is not None and not self._own(records):
            self._say(f"waiting for session {self.number + 1}")
            self.instrument.wait_until(records[0]["time"] + 3600 * hours)

    def _measure(self, steps: Sequence[Step], answers: Answers) -> None:
        for step in steps:
            inputs, tags = step.inputs, dict(step.tags)
            if inputs is None:
                solution = answers[tags["target_number"], tags["method"]]
                inputs = tuple(round(solution.inputs[name], 6) for name in self.instrument.inputs)
                tags |= {"target": dict(solution.target), "feasible": solution.feasible}
            self.recorder.measure(inputs, session=self.number, part=step.part, i=step.i, **tags)
            self._made += 1
            self._say("measuring")

    def _answers(self, own: dict[str, Any]) -> Answers:
        """Return each method's answer to each target; a method that cannot be fitted or asked leaves a remark."""
        known = {float(gain): ratio for gain, ratio in (own["gain_ratios"] or {}).items()} or None
        readings = SessionReadings.of(self._own(self._records()), known)
        found: Answers = {}
        own["remarks"] = []
        for method in own["methods"]:
            try:
                (model,) = self.of.lab.fit(
                    readings.learnt(), [method], seed=self.of.protocol.seed, report=self._fitting
                )
                self.of.models[self.number, method] = model
                found |= {(t, method): self._asked(model, t) for t in range(len(self.of.protocol.targets))}
            except ModelError as error:
                own["remarks"].append(f"{method}: {error}")
        return found

    def _asked(self, model: Model, number: int) -> Solution:
        return model.invert(self.of.protocol.target(number), seed=self.of.protocol.seed)

    def _fitting(self, method: str, _fraction: float) -> None:
        self._say(f"fitting {method}")

    def _say(self, what: str) -> None:
        self.of.report(self._made, self.of.protocol.count(self.of.methods), what)


def _ended(todo: dict[str, Any]) -> list[dict[str, Any]]:
    return [s for s in todo["sessions"] if s["ended"] is not None]


def _has_readings(log: Path) -> bool:
    return log.exists() and log.stat().st_size > 0


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which ends with the process."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InstrumentBusy(
                f"Another validation into {folder} is going on.", "Wait for it, or name another folder with -o."
            ) from error
        yield
    finally:
        os.close(handle)
