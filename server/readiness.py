"""Whether a reading could be made and kept: the sensor, the disk, the clock, each in words with what to do."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from retrolux.device import host
from retrolux.device.errors import DeviceError, LogUnwritable
from retrolux.device.findings import Finding, State, from_error, good, is_healthy, skipped
from retrolux.server.errors import NotReady
from retrolux.server.lines import WARNING

_logger = logging.getLogger(__name__)

PATIENCE = 1.0  # seconds that a question waits for a look, then gets what the one before found
BUSY = 0.3  # seconds that the instrument may be somebody else's without a sign of life
TOO_LONG = 20.0  # seconds after which a look that has not ended is a finding itself


class Measuring(Protocol):
    """What makes readings and keeps them: a :class:`~retrolux.server.station.Station`."""

    @property
    def log_path(self) -> Path:
        """Where readings go."""

    @property
    def elsewhere(self) -> bool:
        """Whether the instrument is another machine's."""

    def answers(self, seconds: float) -> bool:
        """Return whether the way of a measurement is free, or a measurement is at a step that may take longer."""

    def check_log(self) -> None:
        """Raise LogUnwritable where an open log cannot be written."""

    def synchronised(self) -> bool | None:
        """Return whether readings are dated by a clock that is set; None where nobody says."""


class Readiness:
    """Looks from a thread of its own, so that a bus or a disk that hangs keeps nobody waiting who asks.

    Parameters
    ----------
    station : Measuring
    monotonic, now : callable
        Seconds, and seconds since the epoch.
    """

    def __init__(
        self,
        station: Measuring,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._station, self._monotonic, self._now = station, monotonic, now
        self._lock = threading.Lock()
        self._looking: threading.Event | None = None
        self._began = 0.0
        self._found: tuple[Finding, ...] = (
            skipped("sensor", "It has not been looked for yet."),
            skipped("disk", "It has not been looked at yet."),
            skipped("clock", "It has not been looked at yet."),
        )

    def findings(self) -> tuple[Finding, ...]:
        """Return what was found just now of ``sensor``, ``disk`` and ``clock``; within a second, whatever hangs.

        While a look takes longer, what the one before it found.
        """
        with self._lock:
            if self._looking is None:
                self._looking, self._began = threading.Event(), self._monotonic()
                threading.Thread(target=self._look, args=(self._looking,), name="readiness", daemon=True).start()
            ended = self._looking
        if not ended.wait(PATIENCE):
            self._note_hanging()
        return self._found

    def check(self) -> tuple[Finding, ...]:
        """Return the findings where none is bad, else raise NotReady, which has them too."""
        found = self.findings()
        if is_healthy(found):
            return found
        bad = [finding for finding in found if finding.state is State.BAD]
        error = NotReady(" ".join(f.seen for f in bad), " ".join(dict.fromkeys(f.remedy for f in bad)))
        error.findings = found
        raise error

    def _note_hanging(self) -> None:
        took = self._monotonic() - self._began
        if took >= TOO_LONG:
            hangs = f"Instrument or disk have given no sign of life for {took:.0f} s."
            remedy = "Start the service anew; its watchdog does so of itself."
            _, *others = self._found
            self._found = (Finding("sensor", State.BAD, hangs, remedy, "no sign of life"), *others)

    def _look(self, ended: threading.Event) -> None:
        before = self._found
        try:
            sensor, refused = self._sensor(before[0])
            self._found = (sensor, self._disk(refused), self._clock())
        except Exception:  # what was not foreseen shall not leave the old findings standing
            _logger.exception("whether a reading could be made is not known")
            seen = "Something went wrong that was not foreseen."
            self._found = (Finding("sensor", State.BAD, seen, "The server's log has the details."), *before[1:])
        finally:
            with self._lock:
                self._looking = None
            ended.set()
        self._tell(before)

    def _tell(self, before: tuple[Finding, ...]) -> None:
        """Log what has changed for the better or worse."""
        for old, new in zip(before, self._found, strict=True):
            if new.state is State.BAD and old.seen != new.seen:
                fields = {"event": "not-ready", "check": new.name, "detail": new.seen}
                _logger.info("not ready: %s", new.seen, extra={"fields": fields, "priority": WARNING})
            elif old.state is State.BAD and new.state is not State.BAD:
                _logger.info("ready", extra={"fields": {"check": new.name}})

    def _sensor(self, before: Finding) -> tuple[Finding, LogUnwritable | None]:
        """Return what is found of the sensor, and the error of a log that cannot be opened, which comes first."""
        try:
            answered = self._station.answers(BUSY)
        except LogUnwritable as error:
            return skipped("sensor", "It is not looked for while the log cannot be opened."), error
        except DeviceError as error:
            return from_error("sensor", error), None
        if self._station.elsewhere:
            return skipped("sensor", "It is another machine's: only a reading tells whether it answers."), None
        return good("sensor", "The sensor answers, or is measuring.") if answered else before, None

    def _disk(self, refused: LogUnwritable | None) -> Finding:
        folder = host.nearest(self._station.log_path.parent)
        try:
            self._station.check_log()
            found = host.space(folder)
        except DeviceError as error:
            return _refused(error)
        except OSError as error:
            found = skipped("disk", f"{folder} does not say how much is free: {error.strerror}.")
        if refused is not None:
            return _refused(refused)
        # nearly full is not full: as long as a line can be written, a reading is kept
        return replace(found, state=State.ODD, fault="") if found.state is State.BAD else found

    def _clock(self) -> Finding:
        found = host.clock(self._station.log_path.parent, self._now())
        if found.state is State.BAD or self._station.synchronised() is not False:
            return found
        return replace(host.UNSYNCHRONISED, name="clock", numbers=found.numbers)


def _refused(error: DeviceError) -> Finding:
    return Finding("disk", State.BAD, error.cause, error.remedy, "disk not writable", {"error": error.type})
