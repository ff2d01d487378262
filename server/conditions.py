"""Under which conditions a validation was made: what its log does not say and others need to know.

Nothing in it names a machine, a person or a folder.
"""

import hashlib
import json
import os
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from retrolux.server.errors import BadReport
from retrolux.server.laboratory import Laboratory

LIBRARIES = (
    "retrolux",
    "numpy",
    "scipy",
    "scikit-learn",
    "gmr",
    "ForestDiffusion",
    "xgboost",
    "adafruit-circuitpython-as7341",
    "Adafruit-Blinka",
)
HOST_MODEL = Path("/proc/device-tree/model")
NAME = "conditions.json"
SCHEMA = 1
KEYS = {"device", "protocol", "plan", "sessions"}
SESSION_KEYS = {"settings", "tuning", "gain_ratios", "methods", "host", "versions", "light"}
SESSION_KEYS |= {"remarks", "recoveries", "resumed", "started", "ended"}


def label(device: str) -> str:
    """Return a device's name as a report has it: an address becomes a few digits that tell it from others.

    Examples
    --------
    >>> label("sim:3")
    'sim:3'
    >>> label("http://host:8000 (pi)")
    'http-868aa03c (pi)'
    """
    address, space, behind = device.partition(" ")
    if "://" in address:
        bare = re.sub("//[^/]*@", "//", address).rstrip("/").removesuffix("/api")  # as an instrument names itself
        address = f"http-{hashlib.sha256(bare.encode()).hexdigest()[:8]}"
    return address + space + behind


def is_simulated(name: str) -> bool:
    """Return whether a label is that of a simulator, or of a Retrolux that has one."""
    own = name.partition(" (")[2].rstrip(")") or name
    return own == "sim" or own.startswith("sim:")


def utc(seconds: float) -> str:
    """Return a time, seconds since the epoch, as ISO 8601 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def present(lab: Laboratory, methods: Sequence[str]) -> dict[str, Any]:
    """Return the conditions of a session that begins now."""
    remote = "://" in lab.config.device
    return {
        "settings": None if remote else _plain(asdict(lab.settings)),
        "tuning": lab.calibrations.of(lab.config.device),
        "gain_ratios": {f"{gain:g}": ratio for gain, ratio in (lab.gain_ratios or {}).items()} or None,
        "methods": list(methods),
        "host": {"model": _host_model(), "machine": platform.machine(), "kernel": platform.release()},
        "versions": {"python": platform.python_version()} | {n: v for n in LIBRARIES if (v := _version(n))},
    }


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as JSON has them, without files and what is not set."""
    kept = {k: v for k, v in settings.items() if v is not None and not isinstance(v, os.PathLike)}
    document: dict[str, Any] = json.loads(json.dumps(kept))
    return document


def _host_model() -> str | None:
    try:
        return HOST_MODEL.read_text(encoding="utf-8").strip("\0\n ") or None
    except (OSError, UnicodeDecodeError):
        return None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def read(folder: Path) -> dict[str, Any] | None:
    """Return a folder's conditions; None where there are none. Raises BadReport."""
    path = folder / NAME
    if not path.exists():
        return None
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        schema = document["schema"]
        whole = set(document) >= KEYS and all(set(s) >= SESSION_KEYS for s in document["sessions"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadReport(f"{path} is no validation's: {error!r}.", "Name another folder.") from error
    if schema != SCHEMA or not whole:
        raise BadReport(f"{path} is not of schema {SCHEMA}, or lacks some of it.", "Use the Retrolux that wrote it.")
    return document


def write(folder: Path, name: str, text: str) -> None:
    """Replace a file of the folder as a whole, on disk when this returns. Raises OSError."""
    draft = folder / f"{name}.new"
    with draft.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / name)
