"""Every error as an RFC 9457 problem document."""

from typing import Any

from flask import Flask, Response, g, json
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from retrolux.device.errors import DeviceError
from retrolux.models.errors import ModelError
from retrolux.server.errors import BadRequest, NotFound, NotReady, ServerError
from retrolux.server.passing import RetroluxError, problem

MEDIA_TYPE = "application/problem+json"


def register(app: Flask) -> None:
    """Answer every error of this application with its problem document."""
    app.register_error_handler(DeviceError, _answer)
    app.register_error_handler(ModelError, _answer)
    app.register_error_handler(ServerError, _answer)
    app.register_error_handler(ValidationError, lambda error: _answer(from_validation(error)))
    app.register_error_handler(HTTPException, _from_http)
    app.register_error_handler(Exception, _unexpected(app))


def from_validation(error: ValidationError) -> BadRequest:
    """Return the first thing that is wrong with a request, in words."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "the body"
    given = "" if isinstance(first["input"], (dict, list, bytes)) else f", not {first['input']!r}"
    refused = BadRequest(f"{where}: {first['msg']}{given}.", "See /openapi.json for the form of the request.")
    if first["type"] not in {"json_invalid", "extra_forbidden", "missing"}:
        refused.status = 422  # type: ignore[misc]  # understood, but it cannot be
    return refused


def _answer(error: RetroluxError) -> Response:
    more = {"checks": [f.to_json() for f in error.findings]} if isinstance(error, NotReady) else {}
    return _respond(problem(error) | more)


def _respond(document: dict[str, Any]) -> Response:
    g.problem = document
    headers = {"Cache-Control": "no-store"}
    return Response(json.dumps(document), document["status"], headers, content_type=MEDIA_TYPE)


def _from_http(error: HTTPException) -> Response:
    if error.code == NotFound.status:
        return _answer(NotFound("There is nothing at this address.", "See /openapi.json for what there is."))
    status = error.code or 500
    document = {"type": "about:blank", "title": error.name, "status": status, "detail": error.description or ""}
    response = _respond(document | {"remedy": "See /openapi.json for the form of the request."})
    if status == 405 and (allowed := getattr(error, "valid_methods", None)):
        response.headers["Allow"] = ", ".join(sorted(allowed))
    return response


def _unexpected(app: Flask) -> Any:  # noqa: ANN401 - Flask's own handler type
    def handler(error: Exception) -> Response:
        app.logger.exception("unexpected error", exc_info=error)
        return _answer(
            ServerError("Something went wrong that was not foreseen.", "The server's log has the details; report them.")
        )

    return handler
