"""Jobs: work that outlasts a request, one at a time, with progress, written to the journal."""

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from retrolux.device.errors import DeviceError
from retrolux.models.errors import ModelError
from retrolux.server.errors import NotFound, ServerError
from retrolux.server.journal import Journal
from retrolux.server.problems import problem

_logger = logging.getLogger(__name__)

Work = Callable[[Callable[[float], None]], Any]
"""Does the job, calling its argument with the fraction done; returns a JSON-ready result."""


@dataclass
class JobState:
    """What is known of a job; ``state`` is queued, running, finished, failed or interrupted."""

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


class Jobs:
    """A queue of jobs and the one thread that works on it.

    Parameters
    ----------
    journal : Journal
        Gets a started and a finished line for each job.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._states: dict[str, JobState] = {}
        self._queue: queue.Queue[tuple[JobState, Work] | None] = queue.Queue()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)
        self._thread.start()

    def submit(self, kind: str, params: dict[str, Any], work: Work) -> JobState:
        """Queue work and return its state at once."""
        job = self._journal.started(kind, params)
        state = JobState(job, kind, time.time())
        self._states[job] = state
        self._queue.put((state, work))
        return state

    def get(self, job: str) -> JobState:
        """Return a job's state, also of one that an earlier process left behind. Raises NotFound."""
        state = self._states.get(job) or self._from_journal(job)
        if state is None:
            raise NotFound(f"There is no job {job}.", "POST /v1/fit answers with a job's identifier.")
        return state

    def active(self) -> int:
        """Return how many jobs are queued or running."""
        return sum(s.state in {"queued", "running"} for s in list(self._states.values()))

    def wait(self) -> None:
        """Wait until every job that was submitted has ended."""
        self._queue.join()

    def close(self, seconds: float | None = None) -> None:
        """Stop, waiting so many seconds for the running job; what is not done stays open in the journal."""
        self._closing = True
        self._queue.put(None)
        self._thread.join(seconds)

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            if not self._closing:
                self._work(*item)
            self._queue.task_done()

    def _work(self, state: JobState, work: Work) -> None:
        self._do(state, work)
        ending = {"result": state.result} if state.problem is None else {"problem": state.problem}
        try:
            self._journal.finished(state.id, state.kind, state.state, **ending)
        except DeviceError:  # a full disk must not end the thread; the job then counts as interrupted after a restart
            _logger.exception("the end of job %s could not be written", state.id)

    def _do(self, state: JobState, work: Work) -> None:
        def report(fraction: float) -> None:
            state.progress = min(max(fraction, 0.0), 1.0)

        state.state = "running"
        try:
            state.result = work(report)
            state.progress, ending = 1.0, "finished"
        except (DeviceError, ModelError, ServerError) as error:
            state.problem, ending = problem(error), "failed"
        except Exception as error:
            _logger.exception("job %s broke", state.id)
            unexpected = ServerError(f"{type(error).__name__}: {error}.", "Report this with the server's log.")
            state.problem, ending = problem(unexpected), "failed"
        state.finished, state.state = time.time(), ending

    def _from_journal(self, job: str) -> JobState | None:
        state = None
        for event in self._journal.events():
            if event.get("job") == job and event.get("event") in {"started", "finished"}:
                state = _replay(state, event)
        return state


def _replay(state: JobState | None, event: dict[str, Any]) -> JobState:
    if state is None:
        return JobState(event["job"], event["kind"], event["time"], state="interrupted")
    state.state, state.finished = event["state"], event["time"]
    state.result, state.problem = event.get("result"), event.get("problem")
    state.progress = 1.0 if state.state == "finished" else 0.0
    return state
