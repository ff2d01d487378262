"""The line of ``systemctl status``."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from retrolux.server.activity import Activity
from retrolux.server.config import Config
from retrolux.server.manager import Manager
from retrolux.server.station import Station
from retrolux.server.status_line import LogFacts, StatusLine, line
from retrolux.server.watched import Watched


def record(time: float | None) -> str:
    return json.dumps({"in": [0.1, 0.2, 0.3], "out": {"515nm": 7}} | ({} if time is None else {"time": time})) + "\n"


def test_what_is_done_stands_there_as_long_as_it_lasts_and_once() -> None:
    activity = Activity()
    assert not activity.words
    with activity.doing("fitting forest") as say, activity.doing("measuring"), activity.doing("measuring"):
        assert activity.words == "fitting forest, measuring"
        say("fitting forest 40 %")
        with activity.doing("measuring 12 of 100"):
            assert activity.words == "fitting forest 40 %, measuring 12 of 100"
    assert not activity.words
    with pytest.raises(ZeroDivisionError), activity.doing("measuring"):
        raise ZeroDivisionError
    assert not activity.words


def test_of_a_log_it_tells_how_many_readings_and_when_the_last_one_was(tmp_path: Path) -> None:
    log = tmp_path / "rgb.jsonl"
    facts = LogFacts(log)
    assert facts.words() == "no reading yet"
    now = datetime.now().astimezone()
    with log.open("w") as file:
        file.write(record(1000.0) * 1233 + record(now.timestamp()))
    assert facts.words() == f"last reading {now:%H:%M}, 1,234 readings"
    then = datetime(2025, 11, 23, 12, 3).astimezone()
    log.write_text(record(then.timestamp()))
    assert facts.words() == "last reading 2025-11-23 12:03, 1 reading"
    log.write_text(record(None))
    assert facts.words() == "last reading at an unknown time, 1 reading"
    log.write_text("no reading\n")
    assert str(log) in facts.words()


def test_a_log_that_has_not_grown_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "rgb.jsonl"
    log.write_text(record(1000.0))
    facts = LogFacts(log)
    words = facts.words()
    monkeypatch.setattr(facts, "_read", lambda: pytest.fail("read again"))
    assert facts.words() == words


def test_the_line_says_what_fails_first_and_is_told_when_it_changes() -> None:
    assert line(None, "", lambda: "no reading yet") == "idle, no reading yet"
    assert line(None, "measuring", lambda: "") == "measuring"
    assert line("sensor unplugged: gone.", "fitting", lambda: "") == "sensor unplugged: gone.; fitting"
    words, told = iter(["a", "a", "b"]), list[str]()
    look = StatusLine(lambda: next(words), told.append)
    for _ in range(3):
        look.look()
    assert told == ["a", "b"]


def test_a_station_that_measures_says_so(tmp_path: Path) -> None:
    with Station(Config(state=tmp_path)) as station:
        watched, seen = Watched(station, Manager()), list[str]()
        station.recorder.instrument.heartbeat.heard = lambda: seen.append(watched._words())
        station.measure((0, 0, 0))
        assert set(seen) == {"measuring"}
        assert watched._words().startswith("idle, last reading")
        assert watched._words().endswith("1 reading")
