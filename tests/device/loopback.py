"""HTTP servers on the loopback that act as a Claude-Light and as a Retrolux, each with an instrument behind it."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from retrolux.device.errors import DeviceError
from retrolux.device.instrument import Instrument


@dataclass(frozen=True)
class Request:
    """What a server was asked."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True)
class Answer:
    """What it says: a document, or bytes as they are."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)


Behaviour = Callable[[Request], Answer]


@contextmanager
def serving(behaviour: Behaviour) -> Iterator[tuple[str, list[Request]]]:
    """Serve until left; yields the address and the list of requests that came."""
    requests: list[Request] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            asked = self._asked()
            requests.append(asked)
            said = behaviour(asked)
            body = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
            self.send_response(said.status)
            for name, value in ({"Content-Length": str(len(body))} | said.headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer  # noqa: N815 - http.server's names

        def _asked(self) -> Request:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            return Request(self.command, parts.path, query, dict(self.headers), json.loads(body) if body else None)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", requests
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def claude_light(instrument: Instrument) -> Behaviour:
    """GET /api only, and of a failure nothing but a page."""

    def answer(asked: Request) -> Answer:
        if asked.method != "GET" or asked.path != "/api":
            return Answer(404, b"<h1>Not Found</h1>")
        try:
            reading = instrument.measure([float(asked.query.get(name, 0)) for name in "RGB"])
        except DeviceError:
            return Answer(500, b"<h1>Internal Server Error</h1>")
        return Answer(200, {"in": list(reading.inputs), "out": dict(reading.outputs)})

    return answer


def retrolux(instrument: Instrument) -> Behaviour:
    """POST /v1/measure; failures are problem documents (RFC 9457)."""

    def answer(asked: Request) -> Answer:
        if asked.method != "POST" or asked.path != "/v1/measure":
            return Answer(404, {"detail": "There is no such page.", "remedy": "See /openapi.json."})
        try:
            reading = instrument.measure([asked.body["inputs"][name] for name in "RGB"], asked.body["channels"])
        except DeviceError as error:
            problem = {"type": error.type, "status": error.status, "detail": error.cause, "remedy": error.remedy}
            return Answer(error.status, problem)
        return Answer(200, reading.to_record())

    return answer
