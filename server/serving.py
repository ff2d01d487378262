"""The server process: waitress embedded, ended by SIGTERM with its requests finished and the light dark."""

import signal
import socket
from collections.abc import Callable
from types import FrameType
from typing import Any

from retrolux.server.errors import PortInUse
from retrolux.server.http import create_app
from retrolux.server.jobs import Jobs
from retrolux.server.laboratory import Laboratory

THREADS = 8


def serve(laboratory: Laboratory, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or Ctrl-C; requests under way are finished.

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
        When the instrument cannot be opened; nothing is served then.
    """
    listener = _listen(host, port)
    jobs = Jobs(laboratory.journal)
    try:
        laboratory.recorder.check()
        server = _waitress(create_app(laboratory, jobs), listener)
        signal.signal(signal.SIGTERM, _stop)
        ready(f"http://{_printable(host)}:{listener.getsockname()[1]}")
        server.run()
    finally:
        laboratory.close()  # first, so that no fit delays the dark
        listener.close()
        jobs.close()


def _waitress(app: Any, listener: socket.socket) -> Any:  # noqa: ANN401 - waitress has no types
    from waitress.server import create_server  # noqa: PLC0415 - only the server process needs it

    # asyncore's poll() serves more than 1024 sockets; 120 s is longer than any measurement
    return create_server(app, sockets=[listener], threads=THREADS, ident="retrolux", asyncore_use_poll=True)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
    except OSError as error:
        raise PortInUse(
            f"Cannot listen on {host}:{port}: {error.strerror or error}.",
            "Choose another with --port, or stop what uses it (`ss -ltnp`).",
        ) from error
    return listener


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def _printable(host: str) -> str:
    return f"[{host}]" if ":" in host else host
