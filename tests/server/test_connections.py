"""Clients that keep others out: many, slow, silent, deaf, odd. Over real sockets, by a clock that the test sets."""

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from retrolux.server.connections import Limits, Listener
from retrolux.server.http import LARGEST_BODY, create_app
from retrolux.server.jobs import Jobs
from retrolux.server.laboratory import Laboratory

HERE, ELSEWHERE = "127.0.0.1", "127.0.0.2"  # both are this machine's
GET = b"GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\n\r\n"
HUGE = 60_000_000


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


class Served:
    """A server of one thread's loop, whose clock goes on when told so."""

    def __init__(self, app: Any, limits: Limits) -> None:
        self.clock = Clock()
        listener = socket.create_server((HERE, 0), backlog=512)
        self.port = listener.getsockname()[1]
        self.server = Listener(app, listener, 2, limits, self.clock)
        self._stop = False
        self._thread = threading.Thread(target=self._loop)
        self._thread.start()

    def _loop(self) -> None:
        while not self._stop:
            self.server.asyncore.loop(timeout=0.02, use_poll=True, map=self.server._map, count=1)
            self.server.look()

    def connect(self, source: str = HERE) -> socket.socket:
        return socket.create_connection((HERE, self.port), timeout=8, source_address=(source, 0))

    def until(self, look: Callable[[], bool]) -> None:
        """Ask the server again and again, which answers each time, until it is so."""
        for _ in range(2000):
            if look():
                return
            with self.connect(ELSEWHERE) as client:
                assert status(client, GET) == 200
        raise AssertionError

    def close(self) -> None:
        self._stop = True
        self._thread.join()
        self.server.task_dispatcher.shutdown(timeout=5)
        for connection in list(self.server.active_channels.values()):
            connection.cut()
        self.server.close()


def answer(client: socket.socket, request: bytes) -> tuple[int, dict[str, str], bytes]:
    client.sendall(request)
    return read(client)


def read(client: socket.socket) -> tuple[int, dict[str, str], bytes]:
    with client.makefile("rb") as said:
        code = int(said.readline().split()[1])
        headers = dict(
            line.decode().strip().lower().split(": ", 1) for line in iter(said.readline, b"\r\n") if line != b""
        )
        return code, headers, said.read(int(headers["content-length"]))


def status(client: socket.socket, request: bytes) -> int:
    return answer(client, request)[0]


def is_cut(client: socket.socket) -> bool:
    """Wait until the server ends it."""
    with contextlib.suppress(ConnectionError):
        while client.recv(65536):
            pass
    return True


def application(environ: dict[str, Any], start: Any) -> list[bytes]:
    """Answer much, or little, as asked."""
    body = bytes(HUGE) if environ["PATH_INFO"] == "/huge" else b"{}"
    start("200 OK", [("Content-Length", str(len(body)))])
    return [body]


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    with contextlib.ExitStack() as ending:

        def start(app: Any = application, limits: Limits | None = None, **changed: Any) -> Served:
            served = Served(app, replace(limits or Limits(), **changed))
            ending.callback(served.close)
            return served

        yield start


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n{"])
def test_200_idle_or_slow_clients_keep_nobody_from_an_answer(serve: Callable[..., Served], begun: bytes) -> None:
    served = serve()
    with contextlib.ExitStack() as held:
        slow = [held.enter_context(served.connect()) for _ in range(200)]
        for client in slow:
            with contextlib.suppress(ConnectionError):  # cut already, to make room
                client.sendall(begun)
        for source in (HERE, ELSEWHERE):
            with served.connect(source) as client:
                assert status(client, GET) == 200
        assert len(served.server.active_channels) <= served.server.limits.of_one + 1


def test_connections_of_all_addresses_together_are_bounded(serve: Callable[..., Served]) -> None:
    served = serve(connections=20, of_one=15)
    with contextlib.ExitStack() as held:
        for i in range(60):
            held.enter_context(served.connect(f"127.0.0.{2 + i % 6}"))
        served.until(lambda: len(served.server.active_channels) <= 20)


@pytest.mark.parametrize(
    ("begun", "seconds"),
    [
        (b"", 31),
        (b"GET / HTTP/1.1\r\n", 31),
        (GET + b"GET /", 31),
        (b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n{", 31),
    ],
)
def test_a_silent_client_is_cut(serve: Callable[..., Served], begun: bytes, seconds: float) -> None:
    served = serve()
    with served.connect() as client:
        client.sendall(begun)
        served.until(lambda: any(c.addr[0] == HERE and bool(c.request) == bool(begun) for c in each(served)))
        served.clock.now += seconds
        assert is_cut(client)


def each(served: Served) -> list[Any]:
    return list(served.server.active_channels.values())


@pytest.mark.parametrize(("begun", "allowed"), [(b"G", 20), (b"POST / HTTP/1.1\r\nContent-Length: 999\r\n\r\n", 300)])
def test_a_client_that_sends_a_byte_now_and_then_is_cut(
    serve: Callable[..., Served], begun: bytes, allowed: float
) -> None:
    served = serve()
    with served.connect() as client:
        client.sendall(begun)
        served.until(lambda: received(served) > 0)
        spent = 0.0
        with contextlib.suppress(ConnectionError):
            for sent in range(1, 100):
                served.until(lambda sent=sent: received(served) in {-1, len(begun) + sent - 1})
                if received(served) < 0:
                    break
                served.clock.now += 10
                spent += 10
                client.sendall(b"x")
        assert is_cut(client)
        assert allowed < spent <= allowed + 20


def received(served: Served) -> int:
    """Return the bytes of a request that is not whole, -1 where its connection is gone."""
    for connection in each(served):
        if connection.addr[0] == HERE:
            begun = connection.request
            return 0 if begun is None else begun.header_bytes_received + begun.body_bytes_received
    return -1


@pytest.mark.parametrize("requests", [1, 3])
def test_a_client_that_does_not_read_is_cut_and_its_thread_goes_on(serve: Callable[..., Served], requests: int) -> None:
    """Three requests at once are more than is kept of an answer: a thread waits for room then."""
    served = serve()
    deaf = [served.connect() for _ in range(2)]  # there are two threads
    for client in deaf:
        client.sendall(requests * b"GET /huge HTTP/1.1\r\nHost: localhost\r\n\r\n")
    while sum(c.total_outbufs_len > 0 for c in each(served)) < len(deaf):
        served_turns(served)
    while any(c.addr[0] == HERE for c in each(served)):  # the kernel takes a little more at first
        served_turns(served)
        served.clock.now += 31
    with served.connect(ELSEWHERE) as client:
        assert status(client, GET) == 200
    assert all(is_cut(client) for client in deaf)
    for client in deaf:
        client.close()


def served_turns(served: Served) -> None:
    """Wait until the server has looked at its connections twice."""
    seen = [0]
    look = served.server.look

    def count() -> None:
        look()
        seen[0] += 1

    served.server.look = count
    while seen[0] < 2:
        served.server.pull_trigger()
    served.server.look = look


def test_what_all_hold_together_is_bounded(serve: Callable[..., Served]) -> None:
    served = serve(held=1_000_000)
    head = b"POST / HTTP/1.1\r\nContent-Length: 900000\r\n\r\n"
    with served.connect() as small, served.connect() as large:
        small.sendall(head + bytes(300_000))
        with contextlib.suppress(ConnectionError):
            large.sendall(head + bytes(899_999))
        assert is_cut(large)
        small.sendall(bytes(600_000))
        assert read(small)[0] == 200


class TestRefusals:
    @pytest.fixture
    def served(self, serve: Callable[..., Served], laboratory: Laboratory, jobs: Jobs) -> Served:
        return serve(create_app(laboratory, jobs))

    @pytest.mark.parametrize(
        ("request_", "code"),
        [
            (b"GET / HTTP/1.1\r\nX: " + b"x" * 40_000 + b"\r\n\r\n", 431),
            (b"GET /" + b"x" * 40_000, 431),
            (b"POST /v1/measure HTTP/1.1\r\nContent-Length: 40000000\r\n\r\n", 413),
            (b"POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
            (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
            (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
            (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
            (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n", 400),
            (b"POST / HTTP/1.1\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd", 400),
            (b"POST / HTTP/1.1\r\nContent-Length: +4\r\n\r\nabcd", 400),
            (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nX : y\r\n\r\n", 400),
            (b"GET / HTTP/1.1\nX: y\r\n\r\n", 400),
            (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400),
        ],
    )
    def test_what_may_be_understood_in_two_ways_is_refused_in_words(
        self, served: Served, request_: bytes, code: int
    ) -> None:
        with served.connect() as client:
            said, headers, body = answer(client, request_)
            assert said == code
            assert headers["content-type"] == "application/problem+json"
            document = json.loads(body)
            assert document["status"] == code
            assert document["detail"]
            assert document["remedy"]
            assert is_cut(client)

    def test_a_body_over_the_limit_is_refused_in_words(self, served: Served, laboratory: Laboratory) -> None:
        head = "POST /v1/measure HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        with served.connect() as client:
            request = f"{head}Content-Length: {LARGEST_BODY + 1}\r\n\r\n".encode() + b" " * (LARGEST_BODY + 1)
            said, headers, body = answer(client, request)
        assert said == 413
        assert headers["content-type"] == "application/problem+json"
        assert json.loads(body)["remedy"]
        assert not laboratory.log_path.exists()

    def test_who_comes_when_all_are_answered_is_told(self, serve: Callable[..., Served]) -> None:
        going = threading.Event()

        def waiting(environ: dict[str, Any], start: Any) -> list[bytes]:
            going.wait(30)
            return application(environ, start)

        served = serve(waiting, of_one=2)
        asked = [served.connect() for _ in range(2)]
        for client in asked:
            client.sendall(GET)
        while sum(bool(c.requests) for c in each(served)) < 2:
            pass
        with served.connect() as third:
            said, headers, body = read(third)
            assert (said, headers["retry-after"]) == (503, "60")
            assert json.loads(body)["type"] == "/problems/too-many"
        going.set()
        for client in asked:
            assert read(client)[0] == 200
            client.close()
