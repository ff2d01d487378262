"""The one address of Claude-Light that its clients use, answered exactly as Claude-Light does."""

import math
from collections.abc import Mapping
from typing import Any

from retrolux.device.measurement import INPUTS, Measurement
from retrolux.server.errors import BadRequest


def duties(query: Mapping[str, str]) -> list[float]:
    """Return R, G, B of a query: a missing or empty value is 0, and numbers are clamped to [0, 1].

    Raises
    ------
    BadRequest
        When a value is no finite number.
    """
    return [min(max(_number(name, query.get(name) or "0"), 0.0), 1.0) for name in INPUTS]


def answer(reading: Measurement) -> dict[str, Any]:
    """Return Claude-Light's form of a reading: ``{"in": [R, G, B], "out": {channel: counts}}``."""
    return {"in": list(reading.inputs), "out": dict(reading.outputs)}


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadRequest(f"{name} is {text!r}, which is no finite number.", "Give a duty from 0 to 1.")
    return value
