"""Collection of a design's readings, which goes on where it stopped."""

import fcntl
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from retrolux.device.designs import design
from retrolux.device.disk import make_folder
from retrolux.device.errors import InstrumentBusy, LogUnreadable
from retrolux.device.log import read_records
from retrolux.device.log_queries import mentioning
from retrolux.device.measurement import REFERENCE, Exposure
from retrolux.device.recording import Recorder
from retrolux.device.series import exists, last_closed
from retrolux.models.design import Choice
from retrolux.server.active import ACTIVE, Chosen, explained
from retrolux.server.journal import Journal

Report = Callable[[int, int], None]
"""Called with (readings done, readings in all) after each reading."""

Tell = Callable[[Choice], None]
"""Called with a setting that was chosen, before it is measured."""


@dataclass(frozen=True)
class Plan:
    """What is to be collected; two equal plans for the same log and device are the same work.

    Attributes
    ----------
    design : str
        One of :func:`~retrolux.device.designs.design`, or ``active``: each setting chosen when it is its turn.
    n : int
        Number of readings asked for.
    seed : int
        Of the design.
    device : str
        Name of the instrument.
    log : str
        Absolute path of the log.
    gain, atime, astep : float, int, int
        The sensor's settings: a run is never gone on with at others.
    settings : str, optional
        Absolute path of a log whose inputs are measured in its order and at its times, instead of a design.
    ambient : str, optional
        Absolute path of the log whose ambient light a simulator has.
    """

    design: str
    n: int
    seed: int
    device: str
    log: str
    gain: float = REFERENCE.gain
    atime: int = REFERENCE.atime
    astep: int = REFERENCE.astep
    settings: str | None = None
    ambient: str | None = None

    def points(self) -> list[tuple[float, ...]]:
        """Return the settings, in the order in which they are measured. Raises BadInput, LogUnreadable."""
        return self.schedule()[0]

    @property
    def active(self) -> bool:
        """Whether settings are chosen one after the other, from the readings so far."""
        return self.settings is None and self.design == ACTIVE

    def size(self) -> int:
        """Return the number of settings. Raises BadInput, LogUnreadable."""
        return self.n if self.active else len(self.points())

    def schedule(self) -> tuple[list[tuple[float, ...]], list[float] | None]:
        """Return the settings and when each is measured, epoch seconds; None where one follows the other at once."""
        if self.settings is None:
            return design(self.design, self.n, self.seed), None
        return replayed(Path(self.settings))


def replayed(path: Path) -> tuple[list[tuple[float, ...]], list[float]]:
    """Return the inputs of a log and their times, in its order. Raises LogUnreadable."""
    rows = read_records(path)
    if not rows:
        raise LogUnreadable(f"{path} holds no reading.", "Give a log of readings.")
    for i, row in enumerate(rows, 1):
        if not isinstance(row.get("time"), int | float) or not isinstance(row.get("in"), list):
            raise LogUnreadable(f"Reading {i} of {path} lacks its inputs or its time.", "Leave this reading out.")
    return [tuple(row["in"]) for row in rows], [float(row["time"]) for row in rows]


@dataclass(frozen=True)
class Collected:
    """What a collection did: its run, how many readings it has, and how many of them an earlier try had made."""

    run: str
    readings: int
    resumed: int


def find_run(plan: Plan, journal: Journal) -> dict[str, Any] | None:
    """Return the event with which this plan's interrupted run was started, if there is one: its name is its ``job``."""
    same = [event for event in journal.interrupted("collect") if event.get("params") == asdict(plan)]
    return same[-1] if same else None


def done_readings(log: Path, run: str, after: str | None = None) -> dict[int, dict[str, Any]]:
    """Return the run's readings that the log already holds, by the numbers of their settings.

    Parameters
    ----------
    after : str, optional
        The log's file that had been closed last when the run was started: none of them is in it or before it.
    """
    if not exists(log):
        return {}
    return {int(r["i"]): r for r in mentioning(log, run, after=after) if r.get("run") == run and "i" in r}


def collect(plan: Plan, recorder: Recorder, journal: Journal, report: Report, tell: Tell | None = None) -> Collected:
    """Measure the plan's settings, skipping those that an interrupted run of the same plan has in the log.

    An interruption, whatever its kind, leaves the run open in the journal; the next call takes it up.

    Parameters
    ----------
    tell : callable, optional
        Called before each reading of an active design with its setting and why it is taken.

    Raises
    ------
    BadInput
        Before anything moves, when there is no such design.
    InstrumentBusy
        When another process collects into the same log.
    DeviceError
        When the instrument or the log fails; the readings so far are on disk.
    """
    schedule, total = (None if plan.active else plan.schedule()), plan.size()
    with _one_collection(Path(plan.log), journal):
        earlier = find_run(plan, journal)
        run, done = _resumed(earlier, plan, journal) if earlier else (_started(plan, journal), {})
        if schedule is None:
            _choose_rest(plan, done, recorder, run, report, tell)
        else:
            _measure_rest(*schedule, set(done), recorder, run, report)
        journal.finished(run, "collect", "finished", result={"readings": total})
    return Collected(run, total, len(done))


def _started(plan: Plan, journal: Journal) -> str:
    return journal.started("collect", asdict(plan), after=last_closed(Path(plan.log)))


def _resumed(earlier: Mapping[str, Any], plan: Plan, journal: Journal) -> tuple[str, dict[int, dict[str, Any]]]:
    run = str(earlier["job"])
    journal.resumed(run, "collect")
    return run, done_readings(Path(plan.log), run, earlier.get("after"))


@contextmanager
def _one_collection(log: Path, journal: Journal) -> Iterator[None]:
    """Hold this log's lock, which ends with the process: a run that goes on elsewhere is not an interrupted one."""
    folder = journal.path.parent
    make_folder(folder)
    name = hashlib.sha256(str(log).encode()).hexdigest()[:16]
    with (folder / f"collect-{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InstrumentBusy(
                f"Another collection into {log} is going on.", "Wait for it, or choose another log with -o."
            ) from error
        yield


def _measure_rest(  # noqa: PLR0913, PLR0917 - what is planned, what is done, and who does it
    points: Sequence[tuple[float, ...]],
    times: Sequence[float] | None,
    done: set[int],
    recorder: Recorder,
    run: str,
    report: Report,
) -> None:
    made, instrument = len(done), recorder.instrument
    left = [i for i in range(len(points)) if i not in done]
    # a simulator's time begins with the log's, another's is now: the pauses are the same
    late = instrument.time() - times[left[0]] if times and left else 0.0
    for i in left:
        if times:
            instrument.wait_until(times[i] + late)
        extra: dict[str, Any] = {"run": run, "i": i}
        recorder.measure(points[i], **extra)
        made += 1
        report(made, len(points))


def _choose_rest(  # noqa: PLR0913, PLR0917 - as above
    plan: Plan, done: Mapping[int, Mapping[str, Any]], recorder: Recorder, run: str, report: Report, tell: Tell | None
) -> None:
    exposure = Exposure(plan.gain, plan.atime, plan.astep)
    chosen = Chosen(exposure, plan.seed, (done[i] for i in sorted(done)))
    for i in range(len(done), plan.n):
        choice = chosen.next()
        if tell:
            tell(choice)
        extra: dict[str, Any] = {"run": run, "i": i, "why": explained(choice)}
        chosen.see(recorder.measure(choice.inputs, **extra).to_record())
        report(i + 1, plan.n)
