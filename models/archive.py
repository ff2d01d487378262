"""A saved model as one file, to be sent: a zip of its manifest and its files. Never pickle."""

import hashlib
import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

from retrolux.models.errors import BadArchive
from retrolux.models.storage import FORMAT, MANIFEST

Files = dict[str, bytes]

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_READABLE = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_REMEDY = "Send it again with `retrolux push`."


def pack(manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> bytes:
    """Return a model's manifest and files as a zip; the same model gives the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {MANIFEST: json.dumps(manifest).encode(), **files}.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def unpack(content: bytes, largest: int) -> tuple[dict[str, Any], Files]:
    """Return the manifest and files of :func:`pack`. Nothing is written, and nothing but bytes and JSON is made.

    Parameters
    ----------
    content : bytes
        From whoever sent it: nothing in it is believed.
    largest : int
        Bytes that all members may have together, unpacked.

    Raises
    ------
    BadArchive
        When it is no zip, is damaged or too large, has a name twice or one that is not in its manifest, lacks one that
        is, a checksum differs, or the manifest is of another format than this version's.
    """
    members = _members(content, largest)
    if MANIFEST not in members:
        raise BadArchive(f"The archive has no {MANIFEST}.", _REMEDY)
    manifest = _manifest(members.pop(MANIFEST))
    sums = manifest["files"]
    if members.keys() != sums.keys():
        odd = min(members.keys() ^ sums.keys())
        raise BadArchive(f"{odd!r} is in the archive or in its manifest, and not in both.", _REMEDY)
    for name, member in members.items():
        if hashlib.sha256(member).hexdigest() != sums[name]:
            raise BadArchive(f"{name} is damaged: its checksum differs from the manifest's.", _REMEDY)
    return manifest, members


def _members(content: bytes, largest: int) -> Files:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            listed = archive.infolist()
            _refuse(listed, largest)
            return {member.filename: _content(archive, member) for member in listed}
    except BadArchive:
        raise
    except (
        zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, LookupError, OverflowError,
        NotImplementedError, RuntimeError,
    ) as error:  # fmt: skip # whatever zipfile meets in a damaged one
        raise BadArchive(f"The body is no zip that can be read: {error}.", _REMEDY) from error


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Return a member's bytes, of which no more are unpacked than it claims: all at once they may be gigabytes."""
    with archive.open(member) as file:
        return file.read(member.file_size + 1)


def _refuse(listed: list[zipfile.ZipInfo], largest: int) -> None:
    """Raise BadArchive for members that are not to be unpacked."""
    names = [member.filename for member in listed]
    if len(set(names)) != len(names):
        raise BadArchive("A name occurs twice in the archive.", _REMEDY)
    if strange := [name for name in names if not _NAME.fullmatch(name)]:
        raise BadArchive(f"{strange[0][:100]!r} is no plain file name.", _REMEDY)
    if any(member.compress_type not in _READABLE or member.flag_bits & 1 for member in listed):
        raise BadArchive("A member is encrypted, or compressed otherwise than by deflate.", _REMEDY)
    if (size := sum(member.file_size for member in listed)) > largest:
        raise BadArchive(f"Unpacked it has {size} bytes, more than {largest}.", "Send a smaller model.")


def _manifest(content: bytes) -> dict[str, Any]:
    try:
        manifest = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BadArchive(f"The manifest is no JSON: {error}.", _REMEDY) from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise BadArchive("The manifest is incomplete.", _REMEDY)
    if manifest.get("format") != FORMAT:
        raise BadArchive(
            f"The model has format {manifest.get('format')!r}, and this version reads {FORMAT}.",
            "Use the same version of retrolux on both sides, and fit the model again.",
        )
    if not all(isinstance(digest, str) and _DIGEST.fullmatch(digest) for digest in manifest["files"].values()):
        raise BadArchive("The manifest has a checksum that is none.", _REMEDY)
    return manifest
