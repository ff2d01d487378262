"""A server as its service manager sees it: ready, at what, alive, ending."""

import faulthandler
import queue
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self

from retrolux.server.manager import Manager
from retrolux.server.station import Station
from retrolux.server.status_line import LogFacts, StatusLine, line
from retrolux.server.watchdog import Watchdog

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]
"""A WSGI application."""


class Watched:
    """Tells a manager how a server does; where there is none, nothing happens.

    Parameters
    ----------
    station : Station
    manager : Manager
    """

    def __init__(self, station: Station, manager: Manager) -> None:
        self._station, self._manager = station, manager
        self._facts = LogFacts(station.log_path)
        self._line = StatusLine(self._words, lambda words: manager.tell(f"STATUS={words}"))
        self._watchdog: Watchdog | None = None
        self._aside: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        if manager.watchdog is not None:
            self._watchdog = Watchdog(station, lambda: manager.tell("WATCHDOG=1"), manager.watchdog)
            station.heard = self._watchdog.beat

    @property
    def present(self) -> bool:
        """Whether there is a manager."""
        return self._manager.present

    def feedings(self) -> int:
        """Return how often the watchdog was fed."""
        return 0 if self._watchdog is None else self._watchdog.feedings

    def ready(self, url: str) -> None:
        """Say that the port listens, and begin to be watched."""
        self._manager.tell("READY=1", f"STATUS=listening on {url}")
        if self.present:
            self._line.start()
        if self._watchdog is not None:
            faulthandler.enable()  # a server that hangs is ended by SIGABRT: the journal then has where each thread was
            threading.Thread(target=self._do_aside, name="watchdog", daemon=True).start()

    def turn(self, hand: Callable[[Any], None]) -> None:
        """Let the watchdog ask for signs of life; see :meth:`Watchdog.turn`."""
        if self._watchdog is not None:
            self._watchdog.turn(hand, self._aside.put)

    def moved(self) -> None:
        """Hear that one of the threads that answer requests got on with its work."""
        if self._watchdog is not None:
            self._watchdog.moved()

    def around(self, application: Application) -> Application:
        """Return the application with each answer heard by the watchdog."""
        if self._watchdog is None:
            return application

        def heard(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:  # noqa: ANN401 - PEP 3333's own
            try:
                return application(environ, start_response)
            finally:
                self.moved()

        return heard

    def stopping(self) -> None:
        """Say that the server ends."""
        self._line.close()
        self._manager.tell("STOPPING=1", "STATUS=finishing the requests under way")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._line.close()
        self._aside.put(None)

    def _do_aside(self) -> None:
        while (act := self._aside.get()) is not None:
            act()

    def _words(self) -> str:
        trouble = None if self._watchdog is None else self._watchdog.trouble
        return line(trouble, self._station.activity.words, self._facts.words)
