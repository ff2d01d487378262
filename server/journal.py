"""The journal: when work was started and when it finished, so that what was interrupted is seen and taken up again.

One line an event, in ``journal.jsonl`` beside the log::

    {"time": 1763870458.21, "job": "01JDC…", "kind": "collect", "event": "started", "params": {"n": 100, …}}
    {"time": 1763870519.80, "job": "01JDC…", "kind": "collect", "event": "finished", "state": "finished", …}
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from retrolux.device.identity import new_id
from retrolux.device.jsonl import JsonLines, read_lines


class Journal:
    """Append-only record of jobs; each event is on disk before the call returns.

    Parameters
    ----------
    path : Path
        The file; made with its folder when the first event is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def started(self, kind: str, params: dict[str, Any]) -> str:
        """Write that a job begins and return its identifier."""
        job = new_id()
        self._write({"job": job, "kind": kind, "event": "started", "params": params})
        return job

    def finished(self, job: str, kind: str, state: str, **more: Any) -> None:  # noqa: ANN401 - JSON values
        """Write how a job ended: ``finished`` or ``failed``, with its result or its problem."""
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
        """Yield the events, oldest first."""
        if self.path.is_file():
            yield from (record for _, record in read_lines(self.path))

    def interrupted(self, kind: str) -> list[dict[str, Any]]:
        """Return the started events of this kind that no finished event answers, oldest first."""
        open_jobs: dict[str, dict[str, Any]] = {}
        for event in self.events():
            job = str(event.get("job"))
            if event.get("event") == "started" and event.get("kind") == kind and "job" in event:
                open_jobs[job] = event
            elif event.get("event") == "finished":
                open_jobs.pop(job, None)
        return list(open_jobs.values())

    def _write(self, event: dict[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with JsonLines(self.path) as lines:
            lines.append({"time": time.time()} | event)
