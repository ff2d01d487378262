"""Saved models and archives made to do harm: each is refused in words, within memory."""

import io
import struct
import subprocess
import sys
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from retrolux.models import archive, registry, storage
from retrolux.models.errors import BadArchive, ModelUnreadable
from tests.fuzzing.targets import whole


def npz(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        for name, content in members.items():
            zipped.writestr(name, content)
    return buffer.getvalue()


def npy(descr: object, shape: object, content: bytes = b"", turned: object = False) -> bytes:
    head = f"{{'descr': {descr!r}, 'fortran_order': {turned!r}, 'shape': {shape!r}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + content


HOSTILE = {
    "a petabyte claimed": npy("<f8", (10**15,)),
    "a gigabyte claimed": npy("<f8", (10**9, 8), bytes(80)),
    "more than a number holds": npy("<f8", (10**30, 10**30)),
    "no bytes each, many": npy("|V0", (10**18,)),
    "text of no length": npy("<U0", (10**18,)),
    "Python's objects": npy("|O", (1,), b"cos\nsystem\n(S'true'\ntR."),
    "a record": npy([("a", "<f8")], (1,), bytes(8)),
    "a negative size": npy("<f8", (-1,), bytes(8)),
    "an expression": npy("<f8", ("__import__('os')",)),
    "a million brackets": b"\x93NUMPY\x02\x00" + struct.pack("<I", 10**6) + b"(" * 10**6,
    "no array": b"nothing",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_arrays_that_are_not_what_they_claim_are_refused(name: str) -> None:
    with pytest.raises(ModelUnreadable) as refused:
        storage.unpack(npz({"a.npy": HOSTILE[name]}))
    assert refused.value.remedy
    assert len(refused.value.cause) <= 300


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((3, 0)), np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.array(True), np.array(["R", "G"]),
        np.arange(4, dtype=np.int32), np.array(7.5), np.zeros((2, 3), bool),
    ],
)  # fmt: skip
def test_arrays_of_every_kind_come_back_as_they_were(array: np.ndarray) -> None:
    found = storage.unpack(storage.pack({"a": array}))["a"]
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert np.array_equal(found, array)


def test_entries_that_share_their_bytes_are_refused() -> None:
    """Thousands of names for the same megabyte would be gigabytes."""
    content = npy("<f8", (125_000,), bytes(1_000_000))
    whole_file = npz({"a.npy": content})
    directory = whole_file.index(b"PK\x01\x02")
    end = whole_file.index(b"PK\x05\x06")
    entry = whole_file[directory:end]
    many = [entry.replace(b"a.npy", f"{chr(97 + i)}.npy".encode()) for i in range(20)]
    tail = bytearray(whole_file[end:])
    tail[8:16] = struct.pack("<HHL", 20, 20, sum(map(len, many)))
    with pytest.raises(ModelUnreadable, match="cannot be read"):
        storage.unpack(whole_file[:directory] + b"".join(many) + bytes(tail))


LYING = """
import resource, sys
from retrolux.models import archive
from retrolux.models.errors import BadArchive
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    archive.unpack(sys.stdin.buffer.read(), 20_000_000)
except BadArchive as error:
    print(error.cause)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_a_member_that_unpacks_to_more_than_it_claims_takes_no_memory() -> None:
    content = bytes(500_000_000)
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = deflate.compress(content) + deflate.flush()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("manifest.json", content[:10])
    name, claimed = b"manifest.json", 10
    head = struct.pack("<HHHHHLLLHH", 20, 0, 8, 0, 33, 0, len(packed), claimed, len(name), 0)
    local = b"PK\x03\x04" + head + name + packed
    entry = b"PK\x01\x02" + struct.pack("<H", 20) + head + struct.pack("<HHHLL", 0, 0, 0, 0, 0) + name
    end = b"PK\x05\x06" + struct.pack("<HHHHLLH", 0, 0, 1, 1, len(entry), len(local), 0)
    ran = subprocess.run([sys.executable, "-c", LYING], input=local + entry + end, capture_output=True, check=True)
    said, megabytes = ran.stdout.decode().splitlines()
    assert said
    assert int(megabytes) < 200


@pytest.mark.parametrize(
    "manifest",
    [
        b"[" * 1_000_000,
        b'{"a":' * 100_000,
        b'{"format": 1' + b"0" * 100_000 + b', "files": {}}',
        b'{"format": NaN, "files": {}}',
        b'{"format": 1, "files": {"../../rgb.jsonl": "0"}}',
        b'{"format": 1, "files": {"/etc/passwd": "0"}}',
        b" " * 6_000_000,
        b"\xff\xfe",
    ],
)
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, manifest: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(manifest)
    with pytest.raises(ModelUnreadable):
        registry.load(tmp_path)
    with pytest.raises(BadArchive):
        archive.unpack(npz({"manifest.json": manifest}), 20_000_000)


@pytest.mark.parametrize("name", sorted(whole()[1]))
@pytest.mark.parametrize("array", [np.zeros(()), np.full((3, 3), np.nan), np.array(["a"]), np.zeros((0, 0), np.int8)])
def test_arrays_of_another_form_are_refused_or_answer(tmp_path: Path, name: str, array: np.ndarray) -> None:
    manifest, files = whole()
    for key in storage.unpack(files[name]):
        spoilt = files | {name: storage.pack(storage.unpack(files[name]) | {key: array})}
        storage.write(tmp_path, manifest, spoilt)
        with suppress(ModelUnreadable):
            registry.load(tmp_path)
