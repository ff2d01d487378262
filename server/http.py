"""The HTTP interface: a thin front of the laboratory."""

import contextlib
import math
import re
import threading
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, Literal, TypeVar

from flask import Flask, Response, json, request
from pydantic import BaseModel

from retrolux.device import log_queries
from retrolux.device.automatic import AUTO, Automatic
from retrolux.device.measurement import Exposure
from retrolux.models import registry
from retrolux.server import claude_light, many, problems, schemas
from retrolux.server.answers import path, predict, refuse_of_a_table, sample
from retrolux.server.errors import BadArgument, BadRequest, NotJson
from retrolux.server.fitting import fit_and_save, method_options
from retrolux.server.jobs import Jobs
from retrolux.server.laboratory import Laboratory
from retrolux.server.openapi import Operation, describe
from retrolux.server.shots import Aim, take_aim

Body = TypeVar("Body", bound=BaseModel)
LARGEST_BODY = 1_000_000  # bytes; ten thousand targets of three channels are half as many

_DUTIES = tuple(
    {"name": n, "in": "query", "schema": {"type": "number"}, "description": "duty, clamped to [0, 1]; 0 if missing"}
    for n in "RGB"
)
_LIMIT = {
    "name": "limit",
    "in": "query",
    "schema": {"type": "integer", "minimum": 1, "maximum": 10_000, "default": 100},
    "description": "how many of the newest readings",
}
_SPAN = tuple(
    {"name": n, "in": "query", "schema": {"type": "number"}, "description": f"readings {what}, s since the epoch"}
    for n, what in (("since", "from this time on"), ("until", "before this time"))
)

OPERATIONS = (
    Operation("GET", "/api", "Measure, as Claude-Light does", schemas.ClaudeLightReading, query=_DUTIES),
    Operation("POST", "/v1/measure", "Measure and log", schemas.Reading, schemas.MeasureRequest),
    Operation("POST", "/v1/invert", "Which inputs give this?", schemas.SolutionAnswer, schemas.InvertRequest),
    Operation("POST", "/v1/invert/many", "Many targets at once", schemas.ManyAnswer, schemas.ManyRequest),
    Operation(
        "POST", "/v1/aim", "Meet a target on the instrument, as a job", schemas.Job, schemas.AimRequest, status=202
    ),
    Operation("POST", "/v1/predict", "Which outputs will these give?", schemas.PredictAnswer, schemas.PredictRequest),
    Operation("POST", "/v1/sample", "Draw samples", schemas.SampleAnswer, schemas.SampleRequest),
    Operation("POST", "/v1/fit", "Fit models to the log, as a job", schemas.Job, schemas.FitRequest, status=202),
    Operation("GET", "/v1/jobs/{id}", "How a job stands", schemas.Job),
    Operation("GET", "/v1/models", "Fitted models", schemas.ModelsAnswer),
    Operation("GET", "/v1/log", "Newest readings", schemas.LogAnswer, query=(_LIMIT, *_SPAN)),
    Operation("GET", "/v1/status", "What the server is and does", schemas.StatusAnswer),
    Operation("GET", "/healthz", "Alive, able to measure and to log", schemas.HealthAnswer),
)


class Front:
    """Turns requests into the laboratory's words and its answers into JSON.

    Parameters
    ----------
    laboratory : Laboratory
        What is asked.
    jobs : Jobs
        Where fits are queued.
    """

    def __init__(self, laboratory: Laboratory, jobs: Jobs) -> None:
        self.laboratory = laboratory
        self.jobs = jobs
        # a model that is asked about new columns fits for them first: one asker a method, so that it fits once
        self._asking = {method: threading.Lock() for method in registry.METHODS}

    def api(self) -> Response:
        """Answer ``GET /api``."""
        reading = self.laboratory.measure(claude_light.duties(request.args), origin="api")
        return _answer(claude_light.answer(reading))

    def measure(self) -> Response:
        """Answer ``POST /v1/measure``."""
        asked = _body(schemas.MeasureRequest)
        names = self.laboratory.instrument.inputs
        if set(asked.inputs) != set(names):
            raise BadArgument(f"inputs: {', '.join(names)} are needed, each once.", "Give a duty from 0 to 1 for each.")
        reading = self.laboratory.measure(
            [asked.inputs[n] for n in names], asked.channels, _exposure(asked.exposure), asked.dark, origin="v1"
        )
        return _answer(reading.to_record())

    def invert(self) -> Response:
        """Answer ``POST /v1/invert``, playing the answer back where that is asked for."""
        asked = _body(schemas.InvertRequest)
        if asked.net and asked.path:
            raise BadArgument("path: it begins at a reading, which has ambient light in it.", "Leave net out.")
        with self._asking[asked.model]:
            model = self.laboratory.model(asked.model)
            refuse_of_a_table(model, net=asked.net, played=bool(asked.playbacks))
            solution = self.laboratory.invert(model, asked.target, net=asked.net, samples=asked.samples)
            told = self.laboratory.sensitivity(model, solution, net=asked.net) if asked.sensitivity else {}
            if known := asked.path:
                told |= path(model, asked.target, known.inputs, known.outputs)
        played = self.laboratory.play_back(solution, asked.playbacks) if asked.playbacks else {}
        document = solution.to_json()
        document["warnings"] += self.laboratory.strangers(asked.model)
        return _answer(document | told | played)

    def many(self) -> Response:
        """Answer ``POST /v1/invert/many``."""
        asked = _body(schemas.ManyRequest)
        targets = many.rectangular(asked.names, asked.targets)
        with self._asking[asked.model]:
            model = self.laboratory.model(asked.model)
            refuse_of_a_table(model, net=asked.net, played=False)
            found = self.laboratory.invert_many(model, asked.names, targets, net=asked.net, samples=asked.samples)
        return _answer(many.document(found) | {"warnings": self.laboratory.strangers(asked.model)})

    def aim(self) -> Response:
        """Answer ``POST /v1/aim`` with a job, whose result is the answer; without a fitted model at once an error."""
        asked = _body(schemas.AimRequest)
        model, task = self.laboratory.model(asked.model), Aim(asked.target, asked.shots, asked.anyway, asked.seed)

        def work(report: Callable[[float], None]) -> dict[str, Any]:
            with self._asking[asked.model]:
                return take_aim(self.laboratory, model, task, lambda done, _shot: report(done / task.shots))

        job = self.jobs.submit("aim", asked.model_dump(), work)
        return _answer(job.to_json(), 202, {"Location": f"/v1/jobs/{job.id}"})

    def predict(self) -> Response:
        """Answer ``POST /v1/predict``."""
        asked = _body(schemas.PredictRequest)
        with self._asking[asked.model]:
            return _answer(predict(self.laboratory.model(asked.model), asked.inputs))

    def sample(self) -> Response:
        """Answer ``POST /v1/sample``."""
        asked = _body(schemas.SampleRequest)
        with self._asking[asked.model]:
            return _answer(sample(self.laboratory.model(asked.model), asked.n, asked.given, asked.seed))

    def fit(self) -> Response:
        """Answer ``POST /v1/fit`` with a job; bad data is refused at once."""
        asked = _body(schemas.FitRequest)
        data, device = self.laboratory.own_dataset()
        params = {"models": asked.models, "seed": asked.seed, "log": str(self.laboratory.log_path)}
        options = method_options(asked.forest.preset) if asked.forest else None
        job = self.jobs.submit(
            "fit",
            params,
            lambda report: fit_and_save(self.laboratory, data, device, asked.models, asked.seed, report, options),
        )
        return _answer(job.to_json(), 202, {"Location": f"/v1/jobs/{job.id}"})

    def job(self, id: str) -> Response:  # noqa: A002 - the name in the address
        """Answer ``GET /v1/jobs/{id}``."""
        return _answer(self.jobs.get(id).to_json())

    def models(self) -> Response:
        """Answer ``GET /v1/models``."""
        return _answer({"models": self.laboratory.store.entries(), "methods": list(registry.METHODS)})

    def log(self) -> Response:
        """Answer ``GET /v1/log``."""
        limit = _limit(request.args.get("limit", "100"))
        span = {name: _time(name) for name in ("since", "until")}
        path = self.laboratory.log_path
        return _answer({"total": log_queries.count(path), "readings": log_queries.newest(path, limit, **span)})

    def status(self) -> Response:
        """Answer ``GET /v1/status``."""
        lab = self.laboratory
        path = lab.log_path
        state: dict[str, Any] = {"version": version("retrolux"), "device": lab.config.device}
        state |= {"instrument": lab.instrument.status()}
        state |= {"log": {"path": str(path), "bytes": path.stat().st_size if path.is_file() else 0}}
        state |= {"models": list(lab.store.methods()), "jobs": self.jobs.active()}
        return _answer(state | {"uptime": time.monotonic() - lab.began})

    def healthz(self) -> Response:
        """Answer ``GET /healthz``; an instrument or a log that cannot be opened is a problem document."""
        self.laboratory.recorder.check()
        return _answer({"status": "ok"})


def create_app(laboratory: Laboratory, jobs: Jobs) -> Flask:
    """Return the WSGI application of a laboratory."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    front = Front(laboratory, jobs)
    for op in OPERATIONS:
        name = op.path.rstrip("/").rsplit("/", 1)[-1].strip("{}")
        view: Callable[..., Response] = getattr(front, "job" if name == "id" else name)
        path = op.path.replace("{", "<").replace("}", ">")
        app.add_url_rule(path, op.path, view, methods=[op.method])
    for rule in app.url_map.iter_rules("/api"):
        (rule.methods or set()).discard("HEAD")  # or a HEAD would measure
    document = describe(OPERATIONS, version("retrolux"))
    app.add_url_rule("/openapi.json", "openapi", lambda: _answer(document))
    problems.register(app)
    return app


def _body(form: type[Body]) -> Body:
    if request.mimetype != "application/json":  # another site's page may send plain text here without being asked
        raise NotJson(f"The body is {request.mimetype or 'of no type'}.", "Send it as Content-Type: application/json.")
    return form.model_validate_json(request.get_data())


def _limit(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= 10_000:
        raise BadRequest(f"limit is {text[:20]!r}.", "Give a whole number from 1 to 10000.")
    return int(text)


def _time(name: str) -> float | None:
    text = request.args.get(name)
    if text is None:
        return None
    with contextlib.suppress(ValueError):
        if math.isfinite(when := float(text)):
            return when
    raise BadRequest(f"{name} is {text[:20]!r}.", "Give seconds since the epoch.")


def _answer(document: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    fresh = {"Cache-Control": "no-store"} | (headers or {})
    return Response(
        json.dumps(document, sort_keys=False, allow_nan=False), status, fresh, content_type="application/json"
    )


def _exposure(asked: schemas.ExposureRequest | Literal["auto"] | None) -> Exposure | Automatic | None:
    if isinstance(asked, schemas.ExposureRequest):
        return Exposure(**asked.model_dump())
    return None if asked is None else AUTO
