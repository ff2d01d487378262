"""What a server that was interrupted left undone: its fits begin again, and of the rest it is said what became of it.

Nothing that moves the light begins of itself. A collection goes on when it is asked to (``retrolux collect --resume``).
"""

import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from retrolux.device.errors import DeviceError
from retrolux.server.errors import Interrupted
from retrolux.server.jobs import Jobs
from retrolux.server.journal import Journal
from retrolux.server.minds import Mind
from retrolux.server.passing import problem

ATTEMPTS = 2
"""How often a fit begins: one that takes the machine down each time must not do so for ever."""

_logger = logging.getLogger(__name__)


def take_up(jobs: Jobs, mind: Mind, journal: Journal, log: Path) -> None:
    """Begin again the fits to this log that an earlier server was interrupted in, and name what else was.

    What cannot be begun again has the state ``interrupted``, with its reason, from now on. A journal that cannot be
    read or written is a warning: the server measures and answers without.
    """
    try:
        with journal.alone():
            for event in journal.left():
                _take_up(event, jobs, mind, journal, log)
    except DeviceError as error:
        _logger.warning("what was interrupted is not taken up: %s", error)


def _take_up(event: Mapping[str, Any], jobs: Jobs, mind: Mind, journal: Journal, log: Path) -> None:
    job, kind, params = str(event["job"]), str(event.get("kind")), event.get("params") or {}
    if not event.get("queued"):
        remedy = "`retrolux collect --resume` goes on with it" if kind == "collect" else "it can be asked for again"
        _logger.warning("%s %s was interrupted; %s.", kind, job, remedy)
    elif kind == "fit" and params.get("log") == str(log) and event["attempts"] < ATTEMPTS:
        _logger.warning("fit %s was interrupted; it begins again.", job)
        jobs.resume(job, kind, partial(mind.fit, wanted_of(params)))
    else:
        _logger.warning("%s %s was interrupted, and does not begin again of itself.", kind, job)
        error = Interrupted(f"The server ended while this {kind} was under way.", f"Ask for the {kind} again.")
        journal.finished(job, kind, "interrupted", problem=problem(error))


def wanted_of(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a mind is asked for a fit with these parameters of its job."""
    if "reason" in params:
        return {"models": params["models"], "again": True}
    return {"models": params["models"], "seed": params["seed"], "preset": params["forest"]}
