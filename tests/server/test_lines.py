"""What the journal gets: one line an event, with its priority and fields."""

import io
import json
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from retrolux.device.errors import SensorMissing
from retrolux.server.jobs import Jobs
from retrolux.server.laboratory import Laboratory
from retrolux.server.lines import LONGEST, Logfmt, is_journal, log_to_the_journal

PAIR = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|[^ "]*)(?: |$)')


def parsed(line: str) -> dict[str, str]:
    """Read a line by a grammar of the test's own; all of it must be pairs."""
    found = re.fullmatch(r"<([0-7])>(.*)", line)
    assert found is not None
    pairs, at = {"": found[1]}, 0
    while at < len(found[2]):
        pair = PAIR.match(found[2], at)
        assert pair is not None
        pairs[pair[1]] = json.loads(pair[2]) if pair[2].startswith('"') else pair[2]
        at = pair.end()
    return pairs


def record(message: str, level: int = logging.INFO, fields: dict[str, object] | None = None) -> logging.LogRecord:
    made = logging.LogRecord("retrolux.test", level, __file__, 1, message, (), None)
    made.fields = fields or {}
    return made


class Kept(logging.Handler):
    """What was logged, as lines."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = list[dict[str, str]]()
        self.setFormatter(Logfmt())

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(parsed(self.format(record)))

    def of(self, event: str) -> list[dict[str, str]]:
        return [line for line in self.lines if line["event"] == event]


@pytest.fixture
def kept() -> Iterator[Kept]:
    logger, kept = logging.getLogger("retrolux"), Kept()
    logger.addHandler(kept)
    logger.setLevel(logging.INFO)
    yield kept
    logger.removeHandler(kept)
    logger.setLevel(logging.NOTSET)


@given(st.text())
def test_whatever_a_value_is_it_is_one_line_and_comes_back(text: str) -> None:
    line = Logfmt().format(record("request", fields={"path": text, "status": 200}))
    assert len(line.splitlines()) == 1
    assert line.isascii()
    assert parsed(line) == {"": "6", "event": "request", "path": text, "status": "200"}


@pytest.mark.parametrize(
    ("level", "priority"),
    [(logging.CRITICAL, "2"), (logging.ERROR, "3"), (logging.WARNING, "4"), (logging.INFO, "6"), (logging.DEBUG, "7")],
)
def test_its_priority_is_the_journal_s(level: int, priority: str) -> None:
    assert parsed(Logfmt().format(record("a b", level))) == {
        "": priority,
        "event": "message",
        "logger": "retrolux.test",
        "message": "a b",
    }


def test_an_error_has_its_traceback_on_the_same_line_its_end_at_least(kept: Kept) -> None:
    try:
        raise ZeroDivisionError("x" * 2 * LONGEST)
    except ZeroDivisionError:
        logging.getLogger("retrolux.test").exception("it broke")
    (line,) = kept.lines
    assert (line[""], line["error"], line["message"]) == ("3", "ZeroDivisionError", "it broke")
    assert line["traceback"].startswith("…")
    assert len(line["traceback"]) == LONGEST + 1


class TestWhetherItIsTheJournal:
    def test_by_device_and_inode_of_the_stream(self, tmp_path: Path) -> None:
        with (tmp_path / "stream").open("w") as stream:
            found = os.fstat(stream.fileno())
            said = f"{found.st_dev}:{found.st_ino}"
            assert is_journal({"JOURNAL_STREAM": said}, stream)
            assert not is_journal({"JOURNAL_STREAM": f"{said}1"}, stream)
            assert not is_journal({}, stream)

    def test_elsewhere_nothing_changes(self) -> None:
        before = list(logging.getLogger().handlers)
        assert not log_to_the_journal({"JOURNAL_STREAM": "1:2"}, io.StringIO())
        assert logging.getLogger().handlers == before


def test_each_request_is_a_line_without_what_was_asked(kept: Kept, client: FlaskClient) -> None:
    client.get("/api?R=0.5&token=secret", headers={"Authorization": "secret"})
    client.get("/nothing%0A<3>forged")
    (measured, refused) = kept.of("request")
    seconds = measured.pop("seconds")
    assert float(seconds) > 0
    fields = {"event": "request", "method": "GET", "path": "/api", "status": "200", "client": "127.0.0.1"}
    assert measured == {"": "6"} | fields
    assert (refused["status"], refused["error"], refused["path"]) == (
        "404",
        "/problems/not-found",
        "/nothing\n<3>forged",
    )
    assert "secret" not in str(kept.lines)


def test_what_is_polled_is_none(kept: Kept, client: FlaskClient) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        assert client.get(path).status_code == 200
    assert kept.of("request") == []


def test_a_job_is_named_by_the_request_and_when_it_ends(kept: Kept, jobs: Jobs, client: FlaskClient) -> None:
    job = jobs.submit("aim", {}, lambda _: (_ for _ in ()).throw(SensorMissing("Gone.", "Look.")))
    jobs.wait()
    client.get(f"/v1/jobs/{job.id}")
    (ended,), (asked,) = kept.of("job-ended"), kept.of("request")
    assert (ended["job"], ended["kind"], ended["state"]) == (job.id, "aim", "failed")
    assert (ended["error"], ended["detail"]) == ("/problems/sensor-missing", "Gone.")
    assert asked["job"] == job.id


def test_a_fault_is_told_once_until_it_is_over(kept: Kept, client: FlaskClient, laboratory: Laboratory) -> None:
    bus = laboratory.instrument._sensor._bus._bus
    for present, times in ((True, 1), (False, 3), (True, 2)):
        bus.present = present
        for _ in range(times):
            client.get("/api")
    (fault,), (over,) = kept.of("fault"), kept.of("recovered")
    assert (fault[""], fault["error"], over["error"]) == ("4", "/problems/sensor-missing", "/problems/sensor-missing")
    assert "No sensor answers" in fault["detail"]


def test_readiness_is_told_when_it_changes(kept: Kept, client: FlaskClient, laboratory: Laboratory) -> None:
    bus = laboratory.instrument._sensor._bus._bus
    for present in (True, False, False, True, True):
        bus.present = present
        assert client.get("/readyz").status_code == (200 if present else 503)
    assert [(line[""], line["check"]) for line in kept.of("not-ready")] == [("4", "sensor")]
    assert [line["check"] for line in kept.of("ready")] == ["sensor"]
