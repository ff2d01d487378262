"""The server process: waitress embedded, ended by SIGTERM with its requests finished and the light dark."""

import contextlib
import logging
import os
import select
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from retrolux.device.disk import PASSING
from retrolux.device.errors import LogUnwritable, SensorMissing, SensorReset, SensorTimeout
from retrolux.device.factory import open_instrument
from retrolux.server.connections import Listener
from retrolux.server.errors import PortInUse
from retrolux.server.http import create_app
from retrolux.server.jobs import Jobs
from retrolux.server.manager import Manager
from retrolux.server.metrics import Metrics
from retrolux.server.minds import Beside
from retrolux.server.resuming import take_up
from retrolux.server.signals import handled
from retrolux.server.station import Station
from retrolux.server.watched import Watched

_logger = logging.getLogger(__name__)

THREADS = 8
LISTENING = 1024  # connections that wait to be taken
POLL_SECONDS = 0.5  # after which a signal is seen at the latest
DRAIN_SECONDS = 20  # with the next, below the unit's TimeoutStopSec
JOBS_SECONDS = 5


def serve(laboratory: Station, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM, SIGHUP or Ctrl-C; requests under way are finished, for as long as 20 s.

    A service manager that started this process is told how it does, and has its watchdog fed
    (:mod:`~retrolux.server.watchdog`).

    Parameters
    ----------
    port : int
        0 takes any free port.
    ready : callable
        Called with the server's URL once it listens.

    Raises
    ------
    PortInUse
        When the address cannot be bound.
    DeviceError
        When the instrument cannot be opened; nothing is served then. Where only its log cannot be written, questions
        are answered, and a reading is asked for in vain until it can. Under a service manager a sensor that does not
        answer is waited for, and all that needs none is served meanwhile.
    """
    stopping = threading.Event()
    with contextlib.ExitStack() as ending, handled(lambda _number, _frame: stopping.set()):
        listener = ending.enter_context(_listen(host, port))
        watched = ending.enter_context(Watched(laboratory, Manager.of(os.environ)))
        jobs, mind = Jobs(laboratory.journal), Beside(laboratory, 60 * laboratory.config.serve.idle)
        ending.callback(mind.kept.close)
        ending.callback(jobs.close, JOBS_SECONDS)
        ending.callback(laboratory.close)  # called before the line above: no fit delays the dark
        ending.callback(jobs.stop)
        _check(laboratory, waits=watched.present)
        take_up(jobs, mind, laboratory.journal, laboratory.log_path)
        mind.moved = watched.moved
        metrics = Metrics(laboratory, jobs)
        app = create_app(laboratory, jobs, mind, metrics=metrics)
        server = Listener(watched.around(app), listener, THREADS)
        metrics.waiting, metrics.feedings = lambda: len(server.task_dispatcher.queue), watched.feedings

        def each_turn() -> None:
            mind.kept.rest()
            watched.turn(server.task_dispatcher.add_task)

        ready(url := f"http://{_printable(host)}:{listener.getsockname()[1]}")
        watched.ready(url)
        _logger.info("listening", extra={"fields": {"url": url}})
        _run(server, listener, stopping, each_turn, watched.stopping)


def _check(laboratory: Station, *, waits: bool) -> None:
    """Raise DeviceError where the instrument cannot be had, but for a sensor that is waited for."""
    try:
        laboratory.recorder.check()
    except (SensorMissing, SensorReset, SensorTimeout) as error:
        if not waits:
            raise
        _logger.warning("Served without an instrument until it answers: %s", error)
    except LogUnwritable as error:
        if error.errno not in PASSING:
            raise
        _logger.warning("no reading can be made yet: %s", error)
        open_instrument(laboratory.config.device, laboratory.settings).close()  # dark, whatever it was before


def _run(
    server: Any,  # noqa: ANN401 - waitress has no types
    listener: socket.socket,
    stopping: threading.Event,
    each_turn: Callable[[], None],
    told_to_stop: Callable[[], None],
) -> None:
    """Answer until told to stop, then take no more connections and answer what is under way."""
    while not stopping.is_set():
        _turn(server)
        each_turn()
    told_to_stop()
    _logger.info("stopping", extra={"fields": {"waiting": len(server.task_dispatcher.queue)}})
    _let_in(server, listener)
    server.del_channel()  # the listening socket: nobody new is let in
    deadline = time.monotonic() + DRAIN_SECONDS
    while _is_busy(server) and time.monotonic() < deadline:
        _turn(server)
    server.task_dispatcher.shutdown(timeout=1)


def _let_in(server: Any, listener: socket.socket) -> None:  # noqa: ANN401
    """Take the connections that wait already, and what they ask: closing would reset them."""
    waiting = select.poll()
    waiting.register(listener, select.POLLIN)
    for _ in range(LISTENING):
        if not waiting.poll(0):
            break
        _turn(server)
    _turn(server)


def _turn(server: Any) -> None:  # noqa: ANN401
    server.asyncore.loop(timeout=POLL_SECONDS, use_poll=True, map=server._map, count=1)
    server.look()


def _is_busy(server: Any) -> bool:  # noqa: ANN401
    """Return whether a request is being answered, waits for it, or has its answer not yet sent."""
    dispatcher = server.task_dispatcher
    unsent = any(c.requests or c.total_outbufs_len for c in list(server.active_channels.values()))
    return bool(dispatcher.queue or dispatcher.active_count or unsent)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(LISTENING)
    except (OSError, UnicodeError) as error:
        raise PortInUse(
            f"Cannot listen on {host}:{port}: {getattr(error, 'strerror', None) or error}.",
            "Choose another with --port, or stop what uses it (`ss -ltnp`).",
        ) from error
    return listener


def _printable(host: str) -> str:
    return f"[{host}]" if ":" in host else host
