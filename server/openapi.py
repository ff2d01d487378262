"""The OpenAPI 3.1 description, generated from the same table and models that serve the requests."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from retrolux.server import schemas


@dataclass(frozen=True)
class Operation:
    """One address of the interface: how it is called, what it takes and what it answers.

    Attributes
    ----------
    method, path : str
        HTTP method, and path with ``{parameters}``.
    summary : str
        One sentence for a reader.
    answer : type of BaseModel or None
        Form of the answer; the status is ``status``. None where it is no JSON but ``text``, a media type.
    body : type of BaseModel, optional
        Form of the request's JSON body.
    query : tuple of dict
        OpenAPI parameter objects.
    binary : str, optional
        Media type of a body that is no JSON.
    """

    method: str
    path: str
    summary: str
    answer: type[BaseModel] | None
    body: type[BaseModel] | None = None
    query: tuple[dict[str, Any], ...] = ()
    status: int = 200
    binary: str | None = None
    text: str = "text/plain"


def describe(operations: Sequence[Operation], version: str) -> dict[str, Any]:
    """Return the OpenAPI document of these operations."""
    models = {m for op in operations for m in (op.answer, op.body) if m is not None} | {schemas.Problem}
    ordered = sorted(models, key=lambda m: m.__name__)
    refs, definitions = models_json_schema(
        [(m, "validation") for m in ordered], ref_template="#/components/schemas/{model}"
    )
    paths: dict[str, dict[str, Any]] = {}
    for op in operations:
        paths.setdefault(op.path, {})[op.method.lower()] = _operation(op, {m: refs[m, "validation"] for m in ordered})
    return {
        "openapi": "3.1.0",
        "info": {"title": "Retrolux", "version": version, "summary": "Which inputs give these outputs?"},
        "paths": paths,
        "components": {"schemas": definitions.get("$defs", {})},
    }


def _operation(op: Operation, refs: dict[type[BaseModel], Any]) -> dict[str, Any]:
    document: dict[str, Any] = {"summary": op.summary, "operationId": _name(op)}
    parameters = [_path_parameter(p[1:-1]) for p in op.path.split("/") if p.startswith("{")] + list(op.query)
    if parameters:
        document["parameters"] = parameters
    if op.body is not None:
        document["requestBody"] = {"required": True, "content": _json(refs[op.body])}
    if op.binary is not None:
        document["requestBody"] = {"required": True, "content": {op.binary: {}}}
    document["responses"] = {
        str(op.status): {"description": "the answer", "content": _answered(op, refs)},
        "default": {
            "description": "a problem (RFC 9457)",
            "content": {"application/problem+json": {"schema": refs[schemas.Problem]}},
        },
    }
    return document


def _answered(op: Operation, refs: dict[type[BaseModel], Any]) -> dict[str, Any]:
    return {op.text: {"schema": {"type": "string"}}} if op.answer is None else _json(refs[op.answer])


def _name(op: Operation) -> str:
    return op.method.lower() + "_" + op.path.strip("/").replace("/", "_").replace("{", "").replace("}", "")


def _path_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
