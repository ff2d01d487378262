"""The HTTP interface: a thin front of the laboratory."""

import contextlib
import math
import re
import time
from collections.abc import Callable
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, TypeVar

from flask import Flask, Response, json, request
from pydantic import BaseModel

from retrolux.device import log_queries, series
from retrolux.device.automatic import AUTO, Automatic
from retrolux.device.log import latest_records
from retrolux.device.measurement import INPUTS, UNSYNCHRONISED, Exposure
from retrolux.device.vitals import vitals
from retrolux.models import registry
from retrolux.server import claude_light, observing, problems, schemas, strangers
from retrolux.server.errors import BadArgument, BadRequest, NotJson, NotZip
from retrolux.server.jobs import Jobs, Reporting
from retrolux.server.metrics import MEDIA_TYPE, Metrics
from retrolux.server.minds import Corrections, Mind, Own
from retrolux.server.openapi import Operation, describe
from retrolux.server.playback import play_back
from retrolux.server.readiness import Readiness
from retrolux.server.readings import load_own
from retrolux.server.receiving import LARGEST_MODEL, Receiver
from retrolux.server.refits import Refits
from retrolux.server.resuming import wanted_of
from retrolux.server.shooting import Aim, shoot
from retrolux.server.station import Station
from retrolux.server.store import ModelStore
from retrolux.server.tables import refuse_table

Body = TypeVar("Body", bound=BaseModel)
LARGEST_BODY = 1_000_000  # bytes; ten thousand targets of three channels are half as many
LARGEST_LOG = 4_000_000  # bytes, ten thousand readings: a larger one is looked at when its fit begins

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

_PUSHED = (
    {"name": "device", "in": "query", "schema": {"type": "string"}, "description": "whose readings it was fitted to"},
    {
        "name": "anyway",
        "in": "query",
        "schema": {"type": "boolean", "default": False},
        "description": "take it also where that is another instrument than this one",
    },
    {
        "name": "If-Match",
        "in": "header",
        "schema": {"type": "string"},
        "description": "data_hash of the model that is to be replaced, in quotes; refused where it is another",
    },
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
    Operation("GET", "/v1/jobs", "Jobs of this server, and what was interrupted", schemas.JobsAnswer),
    Operation("GET", "/v1/jobs/{id}", "How a job stands", schemas.Job),
    Operation("DELETE", "/v1/jobs/{id}", "Cancel a job", schemas.Job),
    Operation("GET", "/v1/models", "Fitted models", schemas.ModelsAnswer),
    Operation(
        "PUT",
        "/v1/models/{method}",
        "Take in a model that was fitted elsewhere, as `retrolux push` sends it",
        schemas.PushAnswer,
        query=_PUSHED,
        binary="application/zip",
    ),
    Operation("GET", "/v1/log", "Newest readings", schemas.LogAnswer, query=(_LIMIT, *_SPAN)),
    Operation("GET", "/v1/status", "What the server is and does", schemas.StatusAnswer),
    Operation("GET", "/healthz", "Alive: the process answers", schemas.HealthAnswer),
    Operation("GET", "/readyz", "Whether a reading could be made and kept", schemas.ReadyAnswer),
    Operation("GET", "/metrics", "Counts, times and states, as Prometheus reads them", None),
)


class Front:
    """Turns requests into the station's words and those of models, and the answers into JSON.

    Parameters
    ----------
    laboratory : Station
        Instrument and log.
    jobs : Jobs
        Where fits and aims are queued.
    mind : Mind
        Answers questions to models.
    refits : Refits
        Has models fitted again that say they should be.
    counted : Metrics
        What was counted and timed.
    """

    def __init__(self, laboratory: Station, jobs: Jobs, mind: Mind, refits: Refits, counted: Metrics) -> None:
        self.laboratory = laboratory
        self.jobs = jobs
        self.mind = mind
        self.refits = refits
        self.store = ModelStore(laboratory.models_path)
        self.readiness = Readiness(laboratory)
        self.counted = counted

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
        question = asked.model_dump(exclude={"playbacks"}) | {"played": bool(asked.playbacks)}
        found = self._asked("invert", question)
        if not asked.playbacks:
            return _sent(found)
        document = json.loads(found)
        return _answer(document | play_back(self.laboratory, document["inputs"], document["target"], asked.playbacks))

    def _asked(self, question: str, asked: dict[str, Any]) -> bytes:
        """Return a model's answer; where it says that it should be fitted again, that is queued."""
        method = asked["model"]
        found = self.mind.ask(question, asked)
        if (known := self.mind.known(method)) and (reason := known["stale"]):
            self.refits.wanted(method, reason)
        return found

    def many(self) -> Response:
        """Answer ``POST /v1/invert/many``."""
        return _sent(self._asked("many", _body(schemas.ManyRequest).model_dump()))

    def aim(self) -> Response:
        """Answer ``POST /v1/aim`` with a job, whose result is the answer; without a fitted model at once an error."""
        asked = _body(schemas.AimRequest)
        self.mind.ask("load", {"model": asked.model})
        task = Aim(asked.target, asked.shots, asked.anyway, asked.seed)

        def work(report: Reporting) -> dict[str, Any]:
            corrections = Corrections(self.mind, asked.model, task, report.check)
            with self.mind.used(), self.laboratory.activity.doing(f"measuring 1 of {task.shots}") as say:

                def made(done: int, _error: object) -> None:
                    say(f"measuring {min(done + 1, task.shots)} of {task.shots}")
                    report(done / task.shots)

                return shoot(self.laboratory, corrections, task.shots, made)

        job = self.jobs.submit("aim", asked.model_dump(), work)
        return _answer(job.to_json(), 202, {"Location": f"/v1/jobs/{job.id}"})

    def predict(self) -> Response:
        """Answer ``POST /v1/predict``."""
        return _sent(self._asked("predict", _body(schemas.PredictRequest).model_dump()))

    def sample(self) -> Response:
        """Answer ``POST /v1/sample``."""
        return _sent(self._asked("sample", _body(schemas.SampleRequest).model_dump()))

    def fit(self) -> Response:
        """Answer ``POST /v1/fit`` with a job; bad data is refused at once, of a large log by the job."""
        asked = _body(schemas.FitRequest)
        self._refuse_bad_log()
        params = {"models": asked.models, "seed": asked.seed, "log": str(self.laboratory.log_path)}
        params |= {"forest": asked.forest.preset if asked.forest else None}
        job = self.jobs.submit("fit", params, partial(self.mind.fit, wanted_of(params)))
        return _answer(job.to_json(), 202, {"Location": f"/v1/jobs/{job.id}"})

    def _refuse_bad_log(self) -> None:
        lab = self.laboratory
        refuse_table(lab.log_path)
        if series.size(lab.log_path) <= LARGEST_LOG:
            load_own(lab.log_path, lab.config.device, gain_ratios=lab.gain_ratios)

    def listed(self) -> Response:
        """Answer ``GET /v1/jobs``."""
        return _answer({"jobs": [state.to_json() for state in self.jobs.every()]})

    def job(self, id: str) -> Response:  # noqa: A002 - the name in the address
        """Answer ``GET /v1/jobs/{id}``."""
        return _answer(self.jobs.get(id).to_json())

    def cancel(self, id: str) -> Response:  # noqa: A002 - as above
        """Answer ``DELETE /v1/jobs/{id}``; a job that has ended is left as it is."""
        return _answer(self.jobs.cancel(id).to_json())

    def models(self) -> Response:
        """Answer ``GET /v1/models``."""
        entries = [entry | self._learnt(entry["method"]) for entry in self.store.entries()]
        return _answer({"models": entries, "methods": list(registry.METHODS)})

    def _learnt(self, method: str) -> dict[str, Any]:
        """Return what the model that was asked has learnt since it was saved; nothing once another took its place."""
        known = self.mind.known(method)
        if known is None or known["version"] != list(self.store.stamp(method) or ()):
            return {"stale": None}
        return {name: known[name] for name in ("n_rows", "until", "data_hash", "stale")}

    def push(self, method: str) -> Response:
        """Answer ``PUT /v1/models/{method}``; nothing is replaced before the model has been tried."""
        if request.mimetype != "application/zip":
            raise NotZip(
                f"The body is {request.mimetype or 'of no type'}.", "Send it as Content-Type: application/zip."
            )
        request.max_content_length = LARGEST_MODEL
        anyway = request.args.get("anyway", "false")
        if anyway not in {"true", "false"}:
            raise BadRequest(f"anyway is {anyway[:20]!r}.", "Write true or false.")
        match = request.headers.get("If-Match", "").strip('"') or None
        receiver = Receiver(self.store, self.mind, self.laboratory.config.device, INPUTS)
        device = request.args.get("device", "unknown")[:200]
        return _answer(receiver.take(method, request.get_data(), device, anyway=anyway == "true", instead_of=match))

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
        state |= {"log": {"path": str(path), "bytes": series.size(path), "unsynchronised": _unsynchronised(path)}}
        state |= {"machine": vitals().to_json() | {"synchronised": lab.synchronised()}}
        state |= {"models": list(self.store.methods()), "jobs": self.jobs.active()}
        return _answer(state | {"uptime": time.monotonic() - lab.began})

    def healthz(self) -> Response:
        """Answer ``GET /healthz``: that this process does; nothing is asked of instrument or disk."""
        return _answer({"status": "ok"})

    def readyz(self) -> Response:
        """Answer ``GET /readyz``; sensor, disk or clock that would spoil a reading are a problem document."""
        return _answer({"status": "ready", "checks": [f.to_json() for f in self.readiness.check()]})

    def metrics(self) -> Response:
        """Answer ``GET /metrics``."""
        return Response(self.counted.text(), headers={"Cache-Control": "no-store"}, content_type=MEDIA_TYPE)


def create_app(
    laboratory: Station,
    jobs: Jobs,
    mind: Mind | None = None,
    clock: Callable[[], float] = time.monotonic,
    metrics: Metrics | None = None,
) -> Flask:
    """Return the WSGI application of a station; without a mind beside it, this process answers for models, too.

    By the clock, in seconds, it is told when a model was last fitted again of itself.
    """
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    mind = mind or Own(laboratory)
    metrics = metrics or Metrics(laboratory, jobs)
    front = Front(laboratory, jobs, mind, Refits(laboratory.log_path, jobs, mind, clock), metrics)
    for op in OPERATIONS:
        view: Callable[..., Response] = getattr(front, _view(op))
        path = op.path.replace("{", "<").replace("}", ">")
        app.add_url_rule(path, f"{op.method} {op.path}", view, methods=[op.method])
    for rule in app.url_map.iter_rules("GET /api"):
        (rule.methods or set()).discard("HEAD")  # or a HEAD would measure
    app.add_url_rule("/openapi.json", "openapi", lambda: _answer(_description()))
    observing.register(app, metrics)  # first: who is refused is counted, too
    strangers.register(app, [laboratory.config.serve.host, *laboratory.config.serve.names])
    problems.register(app)
    return app


def _view(op: Operation) -> str:
    """Return the name of what answers: of the address, but for a job's, which has its identifier there."""
    name = op.path.rsplit("/", 1)[-1]
    others = {("GET", "jobs"): "listed", ("GET", "{id}"): "job", ("DELETE", "{id}"): "cancel"}
    return (others | {("PUT", "{method}"): "push"}).get((op.method, name), name)


@cache  # made when it is first asked for
def _description() -> dict[str, Any]:
    return describe(OPERATIONS, version("retrolux"))


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
    return _sent(json.dumps(document, sort_keys=False, allow_nan=False).encode(), status, headers)


def _sent(document: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    fresh = {"Cache-Control": "no-store"} | (headers or {})
    return Response(document, status, fresh, content_type="application/json")


def _unsynchronised(log: Path) -> int:
    """Return how many of a log's hundred newest readings were dated by a clock that was not set."""
    return sum(record.get("clock") == UNSYNCHRONISED for record in latest_records(log, 100))


def _exposure(asked: schemas.ExposureRequest | Literal["auto"] | None) -> Exposure | Automatic | None:
    if isinstance(asked, schemas.ExposureRequest):
        return Exposure(**asked.model_dump())
    return None if asked is None else AUTO
