"""Errors as documents: for clients (RFC 9457), and from one process to another and back."""

import re
from typing import Any

from retrolux.device.errors import DeviceError
from retrolux.models.errors import ModelError
from retrolux.server.errors import ServerError

RetroluxError = DeviceError | ModelError | ServerError
BASES = DeviceError, ModelError, ServerError


def problem(error: RetroluxError) -> dict[str, Any]:
    """Return the problem document of an error, by its four fields."""
    return {
        "type": error.type,
        "title": re.sub(r"(?<!^)(?=[A-Z])", " ", type(error).__name__).capitalize(),
        "status": error.status,
        "detail": error.cause,
        "remedy": error.remedy,
    }


def passed(error: Exception) -> dict[str, Any]:
    """Return what :func:`raised` makes the error of again, in another process."""
    if isinstance(error, BASES):
        return {"type": error.type, "cause": error.cause, "remedy": error.remedy}
    return {"type": None, "cause": f"{type(error).__name__}: {error}"}


def raised(document: dict[str, Any]) -> Exception:
    """Return the error of :func:`passed`; one that was not foreseen is a RuntimeError that tells what it was."""
    kinds = {kind.type: kind for base in BASES for kind in (base, *_below(base))}
    kind = kinds.get(document["type"])
    return RuntimeError(document["cause"]) if kind is None else kind(document["cause"], document["remedy"])


def _below(base: type[RetroluxError]) -> list[type[RetroluxError]]:
    return [each for kind in base.__subclasses__() for each in (kind, *_below(kind))]
