"""Models on disk: plain arrays, XGBoost's own format and a manifest that is replaced last. Never pickle."""

import hashlib
import io
import json
import math
import os
import re
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrolux.models.errors import ModelUnreadable

FORMAT = 1
"""Version of the folder's layout; another one is refused."""

MANIFEST = "manifest.json"
_REMEDY = "Fit the model again."
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_HEAD = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '(?P<kind>[<|][biufU][0-9]{1,4})', 'fortran_order': (?P<turned>True|False), "
    rb"'shape': \((?P<shape>[0-9, ]{0,100})\), \} *\n",
    re.DOTALL,
)
"""The header that NumPy writes of an array of numbers or text (its format 1.0)."""
LARGEST_MANIFEST = 5_000_000  # bytes


def pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return arrays in NumPy's npz format."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def unpack(content: bytes) -> dict[str, NDArray[Any]]:
    """Return the arrays of :func:`pack`; no header is believed before it is compared with what follows it.

    Raises
    ------
    ModelUnreadable
        Where they are compressed, claim another size than they have, or are of Python's objects.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if any(member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1 for member in members):
                raise ValueError("they are compressed")  # nobody here does: they may be much larger than they look
            if sum(member.file_size for member in members) > len(content):
                raise ValueError("they claim to be larger than they are")
            return {member.filename.removesuffix(".npy"): _array(archive.read(member)) for member in members}
    except Exception as error:  # whatever zipfile and NumPy meet in what may be anything
        raise ModelUnreadable(f"A saved model's arrays cannot be read: {error}."[:300], _REMEDY) from error


def _array(content: bytes) -> NDArray[Any]:
    """Return the array of an npy file. Raises ValueError for a form that :func:`pack` does not make."""
    head = _HEAD.match(content)
    if head is None:
        raise ValueError("one is of another form than ours")
    kind, turned, sizes = np.dtype(head["kind"].decode()), head["turned"] == b"True", head["shape"]
    shape = tuple(int(size) for size in sizes.split(b",") if size.strip())
    if kind.itemsize * math.prod(shape) != len(content) - head.end():
        raise ValueError("one has another size than it claims")
    flat = np.frombuffer(content, kind, offset=head.end()).copy()
    return flat.reshape(shape, order="F" if turned else "C")


def write(folder: Path, manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
    """Write a model, replacing an earlier one whole.

    Files bear their checksum in their names, so new ones stand beside old ones until the manifest, which is replaced
    in one step, names them: whoever reads finds one model or the other, also after a power cut.

    Parameters
    ----------
    folder : Path
        Made when it is absent.
    manifest : mapping
        Plain JSON; ``format`` and ``files`` (name, checksum) are added.
    files : mapping of str to bytes
    """
    folder.mkdir(parents=True, exist_ok=True)
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    for name, content in files.items():
        _replace(folder / _stored(name, sums[name]), content)
    listed = {"format": FORMAT, **manifest, "files": sums}
    _replace(folder / MANIFEST, json.dumps(listed, indent=1).encode())
    current = {MANIFEST} | {_stored(name, digest) for name, digest in sums.items()}
    for path in folder.iterdir():
        if path.is_file() and path.name not in current:
            path.unlink()


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return a saved model's manifest. Raises ModelUnreadable."""
    try:
        with (folder / MANIFEST).open("rb") as file:
            content = file.read(LARGEST_MANIFEST + 1)
        if len(content) > LARGEST_MANIFEST:
            raise ValueError("it is too large")
        manifest = json.loads(content)
    except FileNotFoundError as error:
        raise ModelUnreadable(f"There is no saved model in {folder}.", "Fit one first.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ModelUnreadable(f"The manifest in {folder} cannot be read: {error}.", _REMEDY) from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise ModelUnreadable(f"The manifest in {folder} is incomplete.", _REMEDY)
    if manifest.get("format") != FORMAT:
        raise ModelUnreadable(
            f"The model in {folder} has format {manifest.get('format')!r}; this version reads {FORMAT}.", _REMEDY
        )
    if strange := [name for name in manifest["files"] if not _NAME.fullmatch(name)]:
        raise ModelUnreadable(f"The manifest in {folder} has {strange[0][:100]!r}, no plain file name.", _REMEDY)
    return manifest


def read(folder: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return a saved model's manifest and files, their checksums compared. Raises ModelUnreadable."""
    manifest = read_manifest(folder)
    return manifest, {name: _checked(folder, name, digest) for name, digest in manifest["files"].items()}


def _checked(folder: Path, name: str, digest: str) -> bytes:
    path = folder / _stored(name, str(digest))
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelUnreadable(f"The saved model lacks {path.name} in {folder}.", _REMEDY) from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise ModelUnreadable(f"{path.name} in {folder} is damaged: its checksum differs.", _REMEDY)
    return content


def _stored(name: str, digest: str) -> str:
    stem, dot, suffix = name.partition(".")
    return f"{stem}-{digest[:16]}{dot}{suffix}"


def _replace(path: Path, content: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).replace(path)
