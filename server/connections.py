"""The server's connections: how many there may be, how long each may take, and how much they may hold.

waitress answers each request whole, which leaves three ways to keep others out: many connections that say nothing, a
request that never ends, an answer that is never read. So a connection has a deadline for each; and where there are too
many, of one address or of all, the one that has been waited for longest makes room. One whose request is being answered
is never cut for that: where all are such, who comes is told to ask again.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from socket import socket
from typing import Any

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError, get_header_lines
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, ThreadedTaskDispatcher

from retrolux.server.errors import TooMany
from retrolux.server.passing import problem

MEDIA_TYPE = "application/problem+json"
FEWER = TooMany("There are too many connections, and each is being answered.", "Ask again in a minute.")


@dataclass(frozen=True, slots=True)
class Limits:
    """What connections may take.

    Attributes
    ----------
    connections, of_one : int
        At once, and of one address. Each takes up to three file descriptors, of which a service has 1024 or more.
    silence : float
        Seconds without a byte, of a request, between requests, or of an answer that is not read.
    header, whole : float
        Seconds from a request's first byte to the end of its header, and of its body; the latter also for an answer to
        be read.
    header_bytes, body_bytes : int
        Of one request; a body is refused in words by the application, a huge one while it arrives.
    held : int
        Bytes of all requests and answers together that wait, on disk where they are large.
    """

    connections: int = 300
    of_one: int = 100
    silence: float = 30
    header: float = 20
    whole: float = 300
    header_bytes: int = 32_768
    body_bytes: int = 40_000_000
    held: int = 200_000_000


class _Refusal(ErrorTask):
    """Answers what is no request that can be understood with a problem document."""

    def execute(self) -> None:
        error = self.request.error
        words = str(error.body).rstrip(".") + "."
        _say(self, error.code, {"type": "about:blank", "title": HTTPStatus(error.code).phrase, "detail": words})


def _say(task: Any, status: int, document: Mapping[str, Any]) -> None:  # noqa: ANN401 - waitress has no types
    remedy = {"remedy": "See /openapi.json for the form of a request."}
    body = json.dumps({"status": status} | remedy | dict(document)).encode()
    task.status = f"{status} {HTTPStatus(status).phrase}"
    task.response_headers += [("Content-Type", MEDIA_TYPE), ("Cache-Control", "no-store")]
    task.content_length = len(body)
    task.set_close_on_finish()
    task.write(body)


class _Parser(HTTPRequestParser):
    """Refuses what two programs may understand differently, the means of request smuggling (RFC 9112, section 11.2)."""

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        _, _, fields = header_plus.partition(b"\r\n")
        names = [line.split(b":", 1)[0].strip().lower() for line in get_header_lines(fields)]
        if b"transfer-encoding" in names and (b"content-length" in names or self.version != "1.1"):
            raise ParsingError("Transfer-Encoding is of HTTP/1.1, and not beside a Content-Length")
        for name in (b"content-length", b"transfer-encoding", b"host", b"content-type"):
            if names.count(name) > 1:
                raise ParsingError(f"{name.decode().title()} is there twice")


class Connection(HTTPChannel):
    """A client's connection."""

    parser_class = _Parser
    error_task_class = _Refusal

    def __init__(self, server: "Listener", *rest: Any, **more: Any) -> None:  # noqa: ANN401 - waitress has no types
        self.began = self.since = server.clock()  # of the request or answer; of its latest byte
        self._left = 0
        super().__init__(server, *rest, **more)

    def received(self, data: bytes) -> bool:
        """Take a request's bytes."""
        self.since = self.server.clock()
        if self.request is None and not self.requests:
            self.began = self.since
        taken: bool = super().received(data)
        return taken

    def _flush_outbufs_below_high_watermark(self) -> None:
        """Wait until its client has read; not where it was cut just before, of which nobody would be told any more."""
        with self.outbuf_lock:
            if self.connected:
                super()._flush_outbufs_below_high_watermark()

    @property
    def held(self) -> int:
        """Bytes of it that wait here."""
        waiting = [each for each in (self.request, *self.requests) if each is not None]
        return sum((int(r.header_bytes_received + r.body_bytes_received) for r in waiting), int(self.total_outbufs_len))

    @property
    def is_waited_for(self) -> bool:
        """Whether it is the client's turn: to ask, to go on, or to read."""
        return not self.requests or bool(self.total_outbufs_len)

    def is_late(self, now: float, limits: Limits) -> bool:
        """Return whether a client has let a deadline pass; looked at some times a second."""
        left = int(self.total_outbufs_len)
        if self.requests and not left:  # it is the server's turn
            self.began = self.since = now
        elif left != self._left:  # an answer begins, or some of it was read
            self.since = now
            self.began = self.began if self._left else now
        self._left = left
        return now - self.since > limits.silence or now - self.began > self._allowed(limits)

    def _allowed(self, limits: Limits) -> float:
        """Return how many seconds it may take until what is under way is whole."""
        if self._left:
            return limits.whole
        if self.request is None:
            return float("inf")
        return limits.whole if self.request.headers_finished else limits.header

    def cut(self) -> None:
        """End it; a thread that waits for its client to read goes on."""
        self.handle_close()
        with self.requests_lock:
            if self.request is not None:
                self.request.close()


class Listener(TcpWSGIServer):
    """waitress, within limits.

    Parameters
    ----------
    app : WSGI application
    listener : socket
        Bound, listening.
    threads : int
        That answer.
    limits : Limits
    clock : callable
        Seconds, monotonic.
    """

    channel_class = Connection

    def __init__(
        self,
        app: Any,  # noqa: ANN401 - a WSGI application
        listener: socket,
        threads: int,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits, self.clock = limits or Limits(), clock
        adjustments = Adjustments(
            sockets=[listener],
            threads=threads,
            ident="retrolux",
            asyncore_use_poll=True,  # serves sockets of any number
            connection_limit=2**31,  # the limits are here
            max_request_header_size=self.limits.header_bytes,
            max_request_body_size=self.limits.body_bytes,
            log_socket_errors=False,
        )
        dispatcher = ThreadedTaskDispatcher()
        dispatcher.set_thread_count(threads)
        told = (listener.family, listener.type, listener.proto, listener.getsockname())
        super().__init__(
            app, {}, True, listener, dispatcher=dispatcher, adj=adjustments, sockinfo=told, bind_socket=False
        )  # fmt: skip

    def maintenance(self, now: float) -> None:
        """Do nothing: waitress looks here while it asks who is readable, when the number of no socket may get free."""

    def look(self) -> None:
        """Cut who is late, and who holds most where all hold too much; between two turns of the loop."""
        moment = self.clock()
        for connection in self._every():
            if connection.is_late(moment, self.limits):
                connection.cut()
        while sum(c.held for c in self._every()) > self.limits.held:
            max(self._every(), key=lambda c: c.held).cut()

    def handle_accept(self) -> None:
        """Let a client in, and another out where there are too many."""
        super().handle_accept()
        every = list(self._every())
        if not every:
            return
        newest = every[-1]
        same = [c for c in every if c.addr[0] == newest.addr[0]]
        if len(same) > self.limits.of_one:
            self._make_room(same, newest)
        elif len(every) > self.limits.connections:
            self._make_room(every, newest)

    def _make_room(self, among: "list[Connection]", newest: Connection) -> None:
        waited_for = [c for c in among if c.is_waited_for and c is not newest]
        if waited_for:
            min(waited_for, key=lambda c: c.since).cut()
        else:
            _refuse(newest)

    def _every(self) -> "Iterator[Connection]":
        return iter(list(self.active_channels.values()))


def _refuse(connection: Connection) -> None:
    """Say that there are too many, as far as that goes without waiting."""
    body = json.dumps(problem(FEWER)).encode()
    head = f"HTTP/1.1 503 Service Unavailable\r\nContent-Type: {MEDIA_TYPE}\r\nContent-Length: {len(body)}\r\n"
    connection.send(head.encode() + b"Retry-After: 60\r\nConnection: close\r\n\r\n" + body)
    connection.cut()
