"""Where a question is asked: of a model in the library, inside the server, and of ``retrolux serve`` over loopback."""

import http.client
import itertools
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from werkzeug.test import EnvironBuilder

from retrolux.models.model import Model
from retrolux.server.http import create_app
from retrolux.server.jobs import Jobs
from retrolux.server.laboratory import Laboratory
from retrolux.server.minds import Beside, Mind, Own
from tests.benchmarks.children import Child
from tests.benchmarks.timing import Act

SAMPLES = 500
ADDRESS = "/v1/invert"
MOST = 600
"""So many questions can be asked inside the server; each request's body can be read once."""

Targets = Sequence[Mapping[str, float]]


@contextmanager
def library(laboratory: Laboratory, model: Model, targets: Targets, child: Child) -> Iterator[Act]:
    """Of the model itself."""
    turn = itertools.cycle(targets)
    yield lambda: model.invert(next(turn), samples=SAMPLES)


@contextmanager
def inside(
    laboratory: Laboratory, model: Model, targets: Targets, child: Child, made: Callable[[Laboratory], Mind]
) -> Iterator[Act]:
    """Of the application, from a request that is there to an answer ready to be sent: the server's time.

    It knows the ambient light of now by its log. Requests are made beforehand.
    """
    jobs, mind = Jobs(laboratory.journal), made(laboratory)
    application = create_app(laboratory, jobs, mind)
    requests = itertools.chain.from_iterable([_requests(model.method, targets) for _ in range(MOST // len(targets))])
    try:
        yield lambda: _answered(application, next(requests))
    finally:
        jobs.close()
        if isinstance(mind, Beside):
            mind.kept.close()


@contextmanager
def loopback(laboratory: Laboratory, model: Model, targets: Targets, child: Child) -> Iterator[Act]:
    """Of ``retrolux serve`` with the same log and models, from the client's question to its last byte."""
    shutil.copytree(laboratory.models_path.parent, child.folder / ".local" / "state" / "retrolux", dirs_exist_ok=True)
    turn = itertools.cycle(_documents(model.method, targets))
    with child.serving() as (_, _, url):
        connection = http.client.HTTPConnection(urlsplit(url).netloc)
        yield lambda: _asked(connection, next(turn))
        connection.close()


PLACES: dict[str, Callable[..., Any]] = {
    "library": library,
    "server": partial(inside, made=lambda lab: Beside(lab, idle=600)),
    "own": partial(inside, made=Own),
    "loopback": loopback,
}
WORDS = {
    "library": "library",
    "server": "server",
    "own": "server, models in its own process",
    "loopback": "`retrolux serve`, over loopback",
}


def _documents(method: str, targets: Targets) -> list[bytes]:
    return [json.dumps({"target": t, "model": method, "samples": SAMPLES}).encode() for t in targets]


def _requests(method: str, targets: Targets) -> list[dict[str, Any]]:
    return [
        EnvironBuilder(ADDRESS, method="POST", data=document, content_type="application/json").get_environ()
        for document in _documents(method, targets)
    ]


def _answered(application: Any, environ: dict[str, Any]) -> None:
    began: list[str] = []
    answer = application(environ, lambda status, headers, exc_info=None: began.append(status))
    body = b"".join(answer)
    answer.close()
    assert began == ["200 OK"], body


def _asked(connection: http.client.HTTPConnection, document: bytes) -> None:
    connection.request("POST", ADDRESS, document, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200, body
