"""Models that are fitted again of themselves, where they say that the readings are not what they learnt any more."""

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from retrolux.device.errors import DeviceError
from retrolux.server.jobs import Jobs, JobState
from retrolux.server.minds import Mind
from retrolux.server.resuming import wanted_of

EVERY = 3600.0
"""Seconds from one such fit of a method to the next at least, whatever the model says."""

_logger = logging.getLogger(__name__)


class Refits:
    """Queues a fit where a model wants one; never a second one beside it, and no more than one an hour for each method.

    Parameters
    ----------
    log_path : Path
        What is fitted to.
    jobs : Jobs
    mind : Mind
        Fits.
    clock : callable
        Seconds, monotonic.
    """

    def __init__(self, log_path: Path, jobs: Jobs, mind: Mind, clock: Callable[[], float] = time.monotonic) -> None:
        self._log_path, self._jobs, self._mind, self._clock = log_path, jobs, mind, clock
        self._lock = threading.Lock()
        self._latest: dict[str, tuple[JobState, float]] = {}

    def wanted(self, method: str, reason: str) -> None:
        """Queue a fit of the method, as its saved model was made, unless there is or was one just now."""
        with self._lock:
            if self._is_recent(method):
                return
            try:
                self._latest[method] = self._submit(method, reason), self._clock()
            except DeviceError as error:  # the journal cannot be written; the answer is none the worse
                _logger.warning("%s is not fitted again: %s", method, error)

    def _is_recent(self, method: str) -> bool:
        if method not in self._latest:
            return False
        job, when = self._latest[method]
        return job.state in {"queued", "running"} or self._clock() - when < EVERY

    def _submit(self, method: str, reason: str) -> JobState:
        params = {"models": [method], "log": str(self._log_path), "reason": reason}
        return self._jobs.submit("fit", params, partial(self._mind.fit, wanted_of(params)))
