"""The line that ``systemctl status`` shows: what the server is at, or how long ago it was at something."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from retrolux.device.errors import DeviceError
from retrolux.device.log_queries import count, newest
from retrolux.device.measurement import UNSYNCHRONISED

SECONDS = 1.0  # from one look to the next


class LogFacts:
    """How many readings a log holds and when the last one was made, read again only where it has grown.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._words = "no reading yet"

    def words(self) -> str:
        """Return both: ``last reading 12:03, 1,234 readings``, in local time, with the date where it is not today."""
        try:
            found = self._path.stat()
        except OSError:
            return "no reading yet"
        if (seen := (found.st_size, found.st_mtime_ns)) != self._seen:
            self._seen, self._words = seen, self._read()
        return self._words

    def _read(self) -> str:
        try:
            n, last = count(self._path), newest(self._path, 1)
        except DeviceError as error:
            return error.cause
        if not last:
            return "no reading yet"
        told = _time(last[0].get("time"))
        told += " by a clock that was not set" if last[0].get("clock") == UNSYNCHRONISED else ""
        return f"last reading {told}, {n:,} {'reading' if n == 1 else 'readings'}"


def _time(seconds: object) -> str:
    try:
        when = datetime.fromtimestamp(float(str(seconds)), UTC).astimezone()
    except (ValueError, OverflowError, OSError):
        return "at an unknown time"
    today = when.date() == datetime.now(UTC).astimezone().date()
    return f"{when:%H:%M}" if today else f"{when:%Y-%m-%d %H:%M}"


class StatusLine:
    """Tells the line whenever it has changed, from a thread of its own: nothing else waits for it.

    Parameters
    ----------
    words : callable
        Returns the line.
    tell : callable
        Called with a line that differs from the one before.
    """

    def __init__(self, words: Callable[[], str], tell: Callable[[str], None]) -> None:
        self._words, self._tell = words, tell
        self._last = ""
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="status line", daemon=True)

    def start(self) -> None:
        """Tell from now on."""
        self._thread.start()

    def look(self) -> None:
        """Tell the line where it has changed."""
        if (line := self._words()) != self._last:
            self._last = line
            self._tell(line)

    def close(self) -> None:
        """Tell nothing any more."""
        self._ending.set()

    def _run(self) -> None:
        self.look()
        while not self._ending.wait(SECONDS):
            self.look()


def line(trouble: str | None, doing: str, log: Callable[[], str]) -> str:
    """Return the line: what fails, else what is being done, else that nothing is."""
    return "; ".join(part for part in (trouble, doing) if part) or f"idle, {log()}"
