"""Each request, as it is answered: counted, timed, and a line of the log."""

import logging
import time

from flask import Flask, Response, g, request

from retrolux.server.metrics import Metrics

_logger = logging.getLogger(__name__)

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})  # others are one: a label is for ever
POLLED = frozenset({"/healthz", "/readyz", "/metrics"})
"""What is asked every few seconds for years: not worth a line each time; that readiness changes is one of its own."""


def register(app: Flask, metrics: Metrics) -> None:
    """Have each answer of this application counted and logged."""

    def began() -> None:
        g.began = time.perf_counter()

    def answered(response: Response) -> Response:
        seconds = time.perf_counter() - g.began
        method = request.method if request.method in METHODS else "other"
        route = "none" if request.url_rule is None else request.url_rule.rule
        metrics.answered(method, route, response.status_code, seconds, _refused())
        _log(response, method, route, seconds)
        return response

    app.before_request(began)
    app.after_request(answered)


def _refused() -> str | None:
    refused: str | None = g.get("problem", {}).get("type")
    return refused


def _log(response: Response, method: str, route: str, seconds: float) -> None:
    level = logging.DEBUG if route in POLLED else logging.INFO
    if not _logger.isEnabledFor(level):
        return
    # the path alone: what stands behind its question mark, and in headers and bodies, is nobody else's matter
    fields = {"method": method, "path": request.path, "status": response.status_code, "seconds": round(seconds, 4)}
    fields |= {"client": request.remote_addr, "job": _job(response), "error": _refused()}
    _logger.log(level, "request", extra={"fields": {k: v for k, v in fields.items() if v is not None}})


def _job(response: Response) -> str | None:
    asked: str | None = (request.view_args or {}).get("id")
    return asked or response.headers.get("Location", "").rpartition("/v1/jobs/")[2] or None
