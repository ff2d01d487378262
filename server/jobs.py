"""Jobs: work that outlasts a request, one at a time of a kind, with progress, written to the journal."""

import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from retrolux.device.errors import DeviceError
from retrolux.server.errors import NotFound, ServerError, TooMany
from retrolux.server.journal import Journal
from retrolux.server.passing import BASES, RetroluxError, problem

_logger = logging.getLogger(__name__)

WAITING = 100
"""Jobs of a kind that may wait for their turn."""
REMEMBERED = 1000
"""Jobs whose state is in memory; of others the journal tells."""
CANCEL_SECONDS = 5  # that whoever cancels a job waits for its end


@dataclass
class JobState:
    """What is known of a job; ``state`` is queued, running, finished, failed, cancelled or interrupted."""

    id: str
    kind: str
    started: float
    state: str = "queued"
    progress: float = 0.0
    finished: float | None = None
    result: Any = None
    problem: dict[str, Any] | None = field(default=None)

    def to_json(self) -> dict[str, Any]:
        """Return the form that the HTTP interface answers."""
        return asdict(self)


class Stopped(Exception):
    """Raised in a job that is to stop, where it tells how far it is."""


class Reporting:
    """What a job is given: called with the fraction done, it says so, and raises Stopped where the job is to stop.

    Attributes
    ----------
    ended : threading.Event
        Set when the job has ended and the journal says so.
    """

    def __init__(self, state: JobState) -> None:
        self._state = state
        self._lock = threading.Lock()
        self._act: Callable[[], None] | None = None
        self._stop: str | None = None
        self.ended = threading.Event()

    def __call__(self, fraction: float) -> None:
        """Say how much is done, 0 … 1. Raises Stopped."""
        self.check()
        self._state.progress = min(max(fraction, 0.0), 1.0)

    def check(self) -> None:
        """Raise Stopped where the job is to stop."""
        if self._stop is not None:
            raise Stopped

    @property
    def stopped(self) -> str | None:
        """What a job that was stopped is to be called, ``cancelled`` or ``interrupted``; None of another."""
        return self._stop

    def stop(self, name: str) -> None:
        """Let the job stop, and be called so."""
        with self._lock:
            self._stop = self._stop or name
            if self._act is not None:
                self._act()

    @contextmanager
    def stopping(self, act: Callable[[], None]) -> Iterator[None]:
        """Do this, from another thread, when the job is to stop within. Raises Stopped."""
        with self._lock:
            self.check()
            self._act = act
        try:
            yield
        finally:
            with self._lock:
                self._act = None


Work = Callable[[Reporting], Any]
"""Does the job, telling how far it is; returns a JSON-ready result."""

_Line = queue.Queue[tuple[JobState, Work] | None]


class Jobs:
    """Queues of jobs, one for each kind, and one thread for each that works on it.

    Parameters
    ----------
    journal : Journal
        Gets a started and a finished line for each job.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._states: dict[str, JobState] = {}
        self._running: dict[str, Reporting] = {}
        self._lines: dict[str, tuple[_Line, threading.Thread]] = {}
        self._lock = threading.Lock()
        self._closing = False

    def submit(self, kind: str, params: dict[str, Any], work: Work) -> JobState:
        """Queue work and return its state at once. Raises LogUnwritable, TooMany."""
        if self._line(kind).qsize() >= WAITING:
            raise TooMany(f"{WAITING} jobs wait for their turn to {kind}.", "Ask again later, or cancel some.")
        return self._queued(self._journal.started(kind, params, queued=True), kind, work)

    def resume(self, job: str, kind: str, work: Work) -> JobState:
        """Queue the work of a job that an earlier process was interrupted in, by its name. Raises LogUnwritable."""
        self._journal.resumed(job, kind)
        return self._queued(job, kind, work)

    def _queued(self, job: str, kind: str, work: Work) -> JobState:
        state = JobState(job, kind, time.time())
        self._remember(state)
        self._line(kind).put((state, work))
        return state

    def _remember(self, state: JobState) -> None:
        """Keep a state, and forget the oldest that have ended where there are many."""
        with self._lock:
            self._states[state.id] = state
            ended = [job for job, known in self._states.items() if known.finished is not None]
            for job in ended[: max(len(self._states) - REMEMBERED, 0)]:
                del self._states[job]

    def _line(self, kind: str) -> _Line:
        """Return the queue of this kind; a fit that takes an hour shall not keep an aim from its turn."""
        with self._lock:
            if kind not in self._lines:
                line: _Line = queue.Queue()
                thread = threading.Thread(target=self._run, args=(line,), name=f"jobs: {kind}", daemon=True)
                self._lines[kind] = line, thread
                thread.start()
            return self._lines[kind][0]

    def get(self, job: str) -> JobState:
        """Return a job's state, also of one that an earlier process left behind. Raises NotFound."""
        state = self._states.get(job) or self._from_journal(job)
        if state is None:
            raise NotFound(f"There is no job {job}.", "POST /v1/fit answers with a job's identifier.")
        return state

    def every(self) -> list[JobState]:
        """Return the jobs of this process, and those that ended processes left open in the journal, oldest first.

        Raises
        ------
        LogUnreadable
        """
        own = dict(self._states)
        left = [_replay(None, event) for event in self._journal.left() if event["job"] not in own]
        return sorted([*left, *own.values()], key=lambda state: state.id)

    def cancel(self, job: str, seconds: float = CANCEL_SECONDS) -> JobState:
        """Let a job end and return its state, which may yet be ``running`` where it has not ended in these seconds.

        A job that has ended is left as it is. What a fit has saved stays; the light is dark after an aim.

        Raises
        ------
        NotFound
        """
        state = self.get(job)
        with self._lock:
            if waiting := state.state == "queued":
                state.state, state.finished = "cancelled", time.time()
            running = self._running.get(job)
        if waiting:
            self._write(state)
        elif running is not None:
            running.stop("cancelled")
            running.ended.wait(seconds)
        return state

    def active(self) -> int:
        """Return how many jobs are queued or running."""
        return sum(s.state in {"queued", "running"} for s in list(self._states.values()))

    def standing(self) -> dict[tuple[str, str], int]:
        """Return how many jobs of each kind that there was are queued and running, by kind and state."""
        found = Counter((s.kind, s.state) for s in list(self._states.values()))
        return {(kind, state): found[kind, state] for kind in list(self._lines) for state in ("queued", "running")}

    def wait(self) -> None:
        """Wait until every job that was submitted has ended."""
        for line, _ in list(self._lines.values()):
            line.join()

    def stop(self) -> None:
        """Let running jobs end, without waiting for it; what is not done stays open in the journal."""
        with self._lock:
            self._closing = True
            running = list(self._running.values())
        for report in running:
            report.stop("interrupted")

    def close(self, seconds: float | None = None) -> None:
        """Stop, waiting so many seconds for what is running."""
        self.stop()
        lines, deadline = list(self._lines.values()), time.monotonic() + (seconds or 0.0)
        for line, _ in lines:
            line.put(None)
        for _, thread in lines:
            thread.join(None if seconds is None else max(deadline - time.monotonic(), 0.0))

    def _run(self, line: _Line) -> None:
        while (item := line.get()) is not None:
            self._work(*item)
            line.task_done()

    def _work(self, state: JobState, work: Work) -> None:
        report = Reporting(state)
        with self._lock:
            if self._closing or state.state != "queued":
                return
            state.state = "running"
            self._running[state.id] = report
        began = time.monotonic()
        self._do(state, work, report)
        _tell(state, time.monotonic() - began)
        if state.state != "interrupted":
            self._write(state)
        with self._lock:
            del self._running[state.id]
        report.ended.set()

    def _do(self, state: JobState, work: Work, report: Reporting) -> None:
        try:
            state.result = work(report)
            state.progress, ending = 1.0, "finished"
        except Exception as error:
            if not (report.stopped or isinstance(error, BASES)):
                _logger.exception("job %s broke", state.id)
            state.problem = None if report.stopped else problem(_foreseen(error))
            ending = report.stopped or "failed"
        state.finished, state.state = time.time(), ending

    def _write(self, state: JobState) -> None:
        """Write how a job ended to the journal."""
        ending = {"result": state.result} if state.problem is None else {"problem": state.problem}
        try:
            self._journal.finished(state.id, state.kind, state.state, **ending)
        except DeviceError:  # a full disk must not end the thread; the job then counts as interrupted after a restart
            _logger.exception("the end of job %s could not be written", state.id)

    def _from_journal(self, job: str) -> JobState | None:
        state = None
        for event in self._journal.events():
            if event.get("job") == job and event.get("event") in {"started", "finished"}:
                state = _replay(state, event)
        return state


def _tell(state: JobState, seconds: float) -> None:
    """Log how a job ended."""
    fields = {"job": state.id, "kind": state.kind, "state": state.state, "seconds": round(seconds, 3)}
    if state.problem is not None:
        fields |= {"error": state.problem["type"], "detail": state.problem["detail"]}
    _logger.info("job-ended", extra={"fields": fields})


def _foreseen(error: Exception) -> RetroluxError:
    if isinstance(error, BASES):
        return error
    return ServerError(f"{type(error).__name__}: {error}.", "Report this with the server's log.")


def _replay(state: JobState | None, event: dict[str, Any]) -> JobState:
    if state is None:
        return JobState(event["job"], event["kind"], event["time"], state="interrupted")
    state.state, state.finished = event["state"], event["time"]
    state.result, state.problem = event.get("result"), event.get("problem")
    state.progress = 1.0 if state.state == "finished" else 0.0
    return state
