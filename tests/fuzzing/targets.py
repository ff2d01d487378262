"""What reads files of unknown origin, each as a function of bytes that ends well or in an error of ours."""

import contextlib
import json
from collections.abc import Callable
from functools import cache
from io import BytesIO
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np

from retrolux.device.errors import LogUnreadable
from retrolux.device.jsonl import lines_of, objects
from retrolux.device.log import checked
from retrolux.device.tearing import is_torn
from retrolux.models import archive, registry, storage
from retrolux.models.dataset import Dataset
from retrolux.models.errors import ModelError
from retrolux.models.linear import LinearModel
from retrolux.models.packing import restored
from retrolux.server.config import load_config
from retrolux.server.errors import BadConfiguration

PLACE = Path("fuzzed")
LOG = b'{"in": [0.1, 0.2, 0.3], "out": {"515nm": 7}, "time": 1.5, "saturated": ["nir"], "gain": {"515nm": 64}}\n'
CONFIG = b"""device = "sim:1"
log = { path = "a.jsonl", rotate_bytes = 5 }
[sensor]
gain = 64
[light]
channels = [0, 1, 2]
[serve]
names = ["a"]
[calibration]
gain_ratios = { "64" = 0.5 }
"""


def log(data: bytes) -> None:
    """Read a log."""
    is_torn(data)
    with contextlib.suppress(LogUnreadable):
        for number, record in objects(PLACE, lines_of(BytesIO(data))):
            checked(PLACE, number, record)


def config(data: bytes) -> None:
    """Read a configuration."""
    place = _folder() / "retrolux.toml"
    place.write_bytes(data)
    with contextlib.suppress(BadConfiguration):
        load_config(place)


def model(data: bytes) -> None:
    """Read a model: as an archive, as arrays, as the manifest and as one array of a whole one."""
    with contextlib.suppress(ModelError):
        archive.unpack(data, 1_000_000)
    with contextlib.suppress(ModelError):
        storage.unpack(data)
    manifest, files = whole()
    with contextlib.suppress(ModelError, KeyError, TypeError, ValueError):  # as LinearModel.load tells them
        restored(LinearModel, manifest | _object(data), dict(files))
    name = sorted(files)[len(data) % len(files)]
    with contextlib.suppress(ModelError, KeyError, TypeError, ValueError):
        restored(LinearModel, manifest, files | {name: _changed(files[name], data)})


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {"options": None}
    return found if isinstance(found, dict) else {}


def _changed(content: bytes, data: bytes) -> bytes:
    """Return arrays one of which has these bytes, in one of three kinds."""
    arrays = storage.unpack(content)
    name = sorted(arrays)[len(data) % len(arrays)]
    kind = ("<f8", "<i8", "|u1")[len(data) % 3]
    return storage.pack(arrays | {name: np.frombuffer(data[: len(data) // 8 * 8], kind)})


@cache
def whole() -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return a small model's manifest, as JSON has it, and its files."""
    x = np.random.default_rng(0).random((20, 3))
    data = Dataset(x, 9000 * x @ np.ones((3, 2)) + 100, np.zeros((20, 2), bool), ("R", "G", "B"), ("515nm", "nir"))
    manifest, files = registry.create("linear").fit(data).packed()
    return json.loads(json.dumps(manifest)), files


@cache
def _folder() -> Path:
    memory = Path("/dev/shm")
    return Path(mkdtemp(prefix="retrolux-fuzz-", dir=memory if memory.is_dir() else None))


def seeds(name: str) -> list[bytes]:
    """Return examples to begin with."""
    manifest, files = whole()
    packed = archive.pack({"format": storage.FORMAT, **manifest, "files": {}}, {})
    models = [packed, json.dumps(manifest).encode(), *files.values()]
    return {"log": [LOG, 2 * LOG, LOG[:40]], "config": [CONFIG], "model": models}[name]


TARGETS: dict[str, Callable[[bytes], None]] = {"log": log, "config": config, "model": model}
