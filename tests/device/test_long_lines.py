"""A log's line that never ends: refused by file and line, with bounded memory."""

import subprocess
import sys
from pathlib import Path

import pytest

from retrolux.device import log_queries
from retrolux.device.errors import LogUnreadable, LogUnwritable
from retrolux.device.jsonl import JsonLines
from retrolux.device.log import latest_records, read_records
from retrolux.device.tearing import LONGEST

LINE = b'{"in": [0, 0, 0], "out": {"515nm": 7}}\n'
GIGABYTE = 10**9
READ = """
import contextlib, resource, sys
from pathlib import Path
from retrolux.device import log_queries
from retrolux.device.errors import DeviceError
from retrolux.device.log import MeasurementLog, latest_records, read_records
from retrolux.server.readings import load_own
path = Path(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for read in (read_records, log_queries.count, lambda p: log_queries.newest(p, 5), log_queries.devices, MeasurementLog,
             lambda p: load_own(p, "sim")):
    try:
        read(path)
    except DeviceError as error:
        print(error.cause)
latest_records(path, 5)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize("begun", [b"", b'{"in": [0', b"[[[["])
def test_a_gigabyte_without_a_newline_takes_no_gigabyte(tmp_path: Path, begun: bytes) -> None:
    path = tmp_path / "rgb.jsonl"
    with path.open("wb") as file:
        file.write(3 * LINE + begun)
        file.truncate(GIGABYTE)  # zeros that take no disk
    ran = subprocess.run([sys.executable, "-c", READ, str(path)], capture_output=True, text=True, check=True)
    *said, megabytes = ran.stdout.splitlines()
    assert len(said) == 6
    assert all(str(path) in words for words in said)
    assert f"{path}, line 4 is longer than {LONGEST} bytes" in said[0]
    assert int(megabytes) < 200
    assert path.stat().st_size == GIGABYTE  # left as it is


def test_a_line_over_the_limit_is_neither_written_nor_read(tmp_path: Path) -> None:
    path = tmp_path / "rgb.jsonl"
    with JsonLines(path) as lines:
        lines.append({"in": [0, 0, 0], "out": {"515nm": 7}})
        with pytest.raises(ValueError, match="longer than"):
            lines.append({"in": [0, 0, 0], "out": {"515nm": 7}, "x": "x" * LONGEST})
    assert len(read_records(path)) == 1
    path.write_bytes(LINE + LINE[:-2] + b', "x": "' + b"x" * LONGEST + b'"}\n' + LINE)
    for read in (read_records, log_queries.count, lambda p: log_queries.newest(p, 5)):
        with pytest.raises(LogUnreadable, match="line 2 is longer"):
            read(path)
    assert len(latest_records(path, 5)) <= 2


@pytest.mark.parametrize("line", [b"[" * 100_000, b'{"in": ' + b"9" * 100_000 + b"}", b'{"in": [1e999]}', b"{}"])
def test_a_line_made_to_harm_is_refused_by_its_number(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "rgb.jsonl"
    path.write_bytes(LINE + line + b"\n" + LINE)
    for read in (read_records, lambda p: log_queries.newest(p, 5)):
        with pytest.raises(LogUnreadable, match="line 2"):
            read(path)


def test_what_is_no_log_is_not_written_to(tmp_path: Path) -> None:
    path = tmp_path / "rgb.jsonl"
    path.write_bytes(b"x" * (LONGEST + 10))
    with pytest.raises(LogUnwritable):
        JsonLines(path)
