"""Collection of a design's readings, which goes on where it stopped."""

import fcntl
import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from retrolux.device.designs import design
from retrolux.device.errors import InstrumentBusy, LogUnreadable
from retrolux.device.log import read_records
from retrolux.device.measurement import REFERENCE
from retrolux.device.recording import Recorder
from retrolux.server.journal import Journal

Report = Callable[[int, int], None]
"""Called with (readings done, readings in all) after each reading."""


@dataclass(frozen=True)
class Plan:
    """What is to be collected; two equal plans for the same log and device are the same work.

    Attributes
    ----------
    design : str
        ``lhs``, ``sobol``, ``grid`` or ``box-behnken``.
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


def find_run(plan: Plan, journal: Journal) -> str | None:
    """Return the identifier of this plan's interrupted run, if there is one."""
    same = [event["job"] for event in journal.interrupted("collect") if event.get("params") == asdict(plan)]
    return same[-1] if same else None


def done_points(log: Path, run: str) -> set[int]:
    """Return the numbers of the run's settings that the log already holds."""
    if not log.is_file():
        return set()
    return {int(r["i"]) for r in read_records(log) if r.get("run") == run and "i" in r}


def collect(plan: Plan, recorder: Recorder, journal: Journal, report: Report) -> Collected:
    """Measure the plan's settings, skipping those that an interrupted run of the same plan has in the log.

    An interruption, whatever its kind, leaves the run open in the journal; the next call takes it up.

    Raises
    ------
    BadInput
        Before anything moves, when there is no such design.
    InstrumentBusy
        When another process collects into the same log.
    DeviceError
        When the instrument or the log fails; the readings so far are on disk.
    """
    points, times = plan.schedule()
    with _one_collection(Path(plan.log), journal):
        earlier = find_run(plan, journal)
        run = earlier or journal.started("collect", asdict(plan))
        done = done_points(Path(plan.log), run) if earlier else set()
        _measure_rest(points, times, done, recorder, run, report)
        journal.finished(run, "collect", "finished", result={"readings": len(points)})
    return Collected(run, len(points), len(done))


@contextmanager
def _one_collection(log: Path, journal: Journal) -> Iterator[None]:
    """Hold this log's lock, which ends with the process: a run that goes on elsewhere is not an interrupted one."""
    folder = journal.path.parent
    folder.mkdir(parents=True, exist_ok=True)
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
