"""A server's readings on a disk that fails: ``fiu-run -x python -m tests.e2e.faulty_disk STATE ROUNDS``.

libfiu (https://blitiri.com.ar/p/libfiu/) stands between the process and the C library and fails its calls. Faults are
switched on while a request is answered. What came of them is printed as JSON.
"""

import ctypes
import errno
import json
import random
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient

from retrolux.device.log import read_records
from retrolux.device.series import closed_files
from retrolux.server.config import Config, Log
from retrolux.server.http import create_app
from retrolux.server.jobs import Jobs
from retrolux.server.laboratory import Laboratory

FAULTS = {
    "sync fails": [("posix/io/sync/fdatasync", errno.EIO)],
    "disk full": [("posix/io/rw/write", errno.ENOSPC)],
    "read-only": [("posix/io/rw/write", errno.EROFS)],
    "write fails": [("posix/io/rw/write", errno.EIO)],
    "write fails, cannot be taken back": [("posix/io/rw/write", errno.EIO), ("posix/io/rw/ftruncate", errno.EIO)],
    "short writes": [("posix/io/rw/write/reduce", 0)],
    "short writes, then full": [("posix/io/rw/write/reduce", 0), ("posix/io/rw/write", errno.ENOSPC)],
    "folder's sync fails": [("posix/io/sync/fsync", errno.EIO)],
    "no file can be renamed": [("posix/io/dir/rename", errno.EIO)],
    "no file can be opened": [("posix/io/oc/open", errno.EMFILE)],
}


@cache
def _libfiu() -> ctypes.CDLL:
    library = ctypes.CDLL("libfiu.so.0")
    library.fiu_enable_random.argtypes = [
        ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_float,
    ]  # fmt: skip
    return library


def ask(client: FlaskClient, faults: list[tuple[str, int]], share: float) -> Any:
    """Measure while calls fail, each with this probability."""
    for name, number in faults:
        assert _libfiu().fiu_enable_random(name.encode(), 1, number or None, 0, share) == 0
    try:
        return client.post("/v1/measure", json={"inputs": {"R": 0.5, "G": 0.25, "B": 0.125}})
    finally:
        for name, _ in faults:
            _libfiu().fiu_disable(name.encode())


def tried(lab: Laboratory, client: FlaskClient, faults: list[tuple[str, int]], rng: random.Random) -> dict[str, Any]:
    """Measure with these faults, then without."""
    answer = ask(client, faults, rng.choice([0.1, 0.5, 1.0]))
    dark = all(pin.duty_cycle == 0 for pin in lab.instrument._light._outputs)
    after = ask(client, [], 0)
    said = answer.get_json()
    return {
        "status": answer.status_code,
        "said": said,
        "dark": dark,
        "after": after.status_code,
        "good": after.get_json(),
    }


def main(state: str, rounds: str) -> None:
    """Try each kind of fault so many times, each on a log of its own."""
    rng, found = random.Random(1), {}
    for kind, faults in FAULTS.items():
        config = Config(state=Path(state) / kind.replace(" ", "-"), log=Log(rotate_bytes=3000))
        with Laboratory(config) as lab:
            jobs = Jobs(lab.journal)
            client = create_app(lab, jobs).test_client()
            assert ask(client, [], 0).status_code == 200
            all_tried = [tried(lab, client, faults, rng) for _ in range(int(rounds))]
            jobs.close()
        ids = [r["id"] for r in read_records(lab.log_path)]
        told = [one["said"]["id"] for one in all_tried if one["status"] == 200] + [
            one["good"]["id"] for one in all_tried
        ]
        refused = [one["said"] for one in all_tried if one["status"] != 200]
        found[kind] = {
            "statuses": dict(Counter(one["status"] for one in all_tried)),
            "after": dict(Counter(one["after"] for one in all_tried)),
            "lit": sum(not one["dark"] for one in all_tried),
            "lost": len(set(told) - set(ids)),
            "twice": len(ids) - len(set(ids)),
            "more": len(ids) - len(told) - 1,
            "types": sorted({one["type"] for one in refused}),
            "remedies": sorted({one["remedy"] for one in refused}),
            "files": len(closed_files(lab.log_path)) + 1,
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
