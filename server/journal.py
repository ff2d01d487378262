"""The journal: when work was started and when it finished, so that what was interrupted is seen and taken up again.

One line an event, in ``journal.jsonl`` beside the log::

    {"time": 1763870458.21, "job": "01JDC…", "kind": "collect", "event": "started", "params": {"n": 100, …}, "by": "…"}
    {"time": 1763870519.80, "job": "01JDC…", "kind": "collect", "event": "finished", "state": "finished", …}

Work that goes on after an interruption has a ``resumed`` event between them. ``by`` is the process that does it.
"""

import fcntl
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from retrolux.device.disk import make_folder, unwritable
from retrolux.device.identity import new_id
from retrolux.device.jsonl import JsonLines, read_lines
from retrolux.server.running import runs, this_process

_logger = logging.getLogger(__name__)


class Journal:
    """Append-only record of jobs; each event is on disk before the call returns.

    Parameters
    ----------
    path : Path
        The file; made with its folder when the first event is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def started(self, kind: str, params: dict[str, Any], **more: Any) -> str:  # noqa: ANN401 - JSON values
        """Write that a job begins and return its identifier. Raises LogUnwritable."""
        job = new_id()
        self._write({"job": job, "kind": kind, "event": "started", "params": params, "by": this_process()} | more)
        return job

    def resumed(self, job: str, kind: str) -> None:
        """Write that this process goes on with a job, or begins it again. Raises LogUnwritable."""
        self._write({"job": job, "kind": kind, "event": "resumed", "by": this_process()})

    def finished(self, job: str, kind: str, state: str, **more: Any) -> None:  # noqa: ANN401 - JSON values
        """Write how a job ended: ``finished`` or ``failed``, with its result or its problem. Raises LogUnwritable."""
        self._write({"job": job, "kind": kind, "event": "finished", "state": state} | more)

    @contextmanager
    def job(self, kind: str, params: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Write that a job begins and how it ends; what is put in the mapping that is yielded is its result."""
        job, result = self.started(kind, params), dict[str, Any]()
        try:
            yield result
        except Exception as error:
            self.finished(job, kind, "failed", problem={"detail": str(error)})
            raise
        self.finished(job, kind, "finished", result=result)

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield the events, oldest first. Raises LogUnreadable."""
        if self.path.is_file():
            yield from (record for _, record in read_lines(self.path))

    def interrupted(self, kind: str) -> list[dict[str, Any]]:
        """Return the started events of this kind that no finished event answers, oldest first."""
        return [event for event in self._open() if event.get("kind") == kind]

    def left(self) -> list[dict[str, Any]]:
        """Return the started events of what was interrupted by the end of its process, oldest first.

        ``attempts`` is how often the work began.
        """
        return [event for event in self._open() if not runs(event.get("by"))]

    def _open(self) -> list[dict[str, Any]]:
        open_jobs: dict[str, dict[str, Any]] = {}
        for event in self.events():
            job, what = str(event.get("job")), event.get("event")
            if what == "started" and "job" in event:
                open_jobs[job] = event | {"attempts": 1}
            elif what == "resumed" and job in open_jobs:
                open_jobs[job] |= {"by": event.get("by"), "attempts": open_jobs[job]["attempts"] + 1}
            elif what == "finished":
                open_jobs.pop(job, None)
        return list(open_jobs.values())

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let no other process take up what was interrupted meanwhile. Raises LogUnwritable."""
        make_folder(self.path.parent)
        place = self.path.with_suffix(".lock")
        try:
            lock = place.open("w")
        except OSError as error:
            raise unwritable(place, error) from error
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _write(self, event: dict[str, Any]) -> None:
        make_folder(self.path.parent)
        with JsonLines(self.path) as lines:
            if lines.repair is not None:
                _logger.warning("%s: %s", self.path, lines.repair)
            lines.append({"time": time.time()} | event)
