"""The latest readings are read once, until the log, the model or the time says otherwise."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrolux.device.log import latest_records
from retrolux.models import registry
from retrolux.models.ambient import Ambient
from retrolux.models.model import Model
from retrolux.models.state_space import StateSpace
from retrolux.server import latest
from retrolux.server.latest import Latest
from retrolux.server.readings import to_dataset
from retrolux.server.surroundings import LATEST, ambient_now
from tests.server.test_surroundings import CHANNELS, NOW, SKY, records


def fitted(method: str) -> Model:
    days = [records(20, s, seed=i, until=NOW - 1e5 * (9 - i)) for i, s in enumerate((0.3, 0.6, 1.0, 1.5, 2.0, 0.8))]
    data = to_dataset([r for day in days for r in day], source="test")[0]
    return registry.create(method).fit(data, state=StateSpace.learn(data))


@pytest.fixture(scope="module")
def model() -> Model:
    return fitted("linear")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.jsonl"
    write(path, [dark(r) if i % 3 == 0 else r for i, r in enumerate(records(30, 1.2, seed=7))])
    return path


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was done again: the log read, the ambient light followed."""
    done: list[str] = []

    def counting(name: str, real: Any) -> Any:
        return lambda *arguments, **named: (done.append(name), real(*arguments, **named))[1]

    for name in ("latest_records", "told"):
        monkeypatch.setattr(latest, name, counting(name, getattr(latest, name)))
    return done


def dark(record: dict[str, Any]) -> dict[str, Any]:
    return {**record, "dark": dict(zip(CHANNELS, (1.2 * SKY).round().tolist(), strict=True))}


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def check(found: Ambient | None, model: Model, log: Path, when: float) -> None:
    """Compare with what is found out anew."""
    anew = ambient_now(model, latest_records(log, LATEST), when, only="sim")
    assert (found is None) == (anew is None)
    if found is not None and anew is not None:
        assert found.names == anew.names
        assert found.mean.tolist() == anew.mean.tolist()
        assert found.covariance.tolist() == anew.covariance.tolist()


def test_it_is_at_every_time_what_is_found_out_anew(model: Model, log: Path) -> None:
    """Before the readings, among them, within a dark frame's millisecond, after them, and ten minutes later."""
    kept = Latest()
    last = NOW - 5.0
    for when in [*np.linspace(NOW - 800, NOW + 800, 60), last, last + 5e-4, NOW - 140, NOW - 140 + 5e-4]:
        check(kept.ambient(model, log, float(when), None), model, log, float(when))


def test_a_second_question_reads_nothing_again(model: Model, log: Path, counted: list[str]) -> None:
    kept = Latest()
    first = kept.ambient(model, log, NOW, None)
    later = kept.ambient(model, log, NOW + 60, None)
    assert counted == ["latest_records", "told"]
    assert first is not None
    assert later is not None
    assert np.trace(later.covariance) > np.trace(first.covariance)


def test_a_new_reading_counts_at_once(model: Model, log: Path, counted: list[str]) -> None:
    kept = Latest()
    kept.ambient(model, log, NOW, None)
    with log.open("a", encoding="utf-8") as file:
        file.write(json.dumps(records(1, 2.0, seed=9, until=NOW + 4)[0]) + "\n")
    check(kept.ambient(model, log, NOW + 1, None), model, log, NOW + 1)
    assert counted == ["latest_records", "told"] * 2


def test_a_log_that_was_replaced_counts_at_once(model: Model, log: Path) -> None:
    """Even by one as long, with the same time of its last change."""
    kept, before = Latest(), log.stat()
    kept.ambient(model, log, NOW, None)
    text = log.read_text(encoding="utf-8")
    other = log.with_name("other.jsonl")
    other.write_text(text.replace('"515nm": 1', '"515nm": 2'), encoding="utf-8")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(log)
    assert log.stat().st_size == before.st_size
    check(kept.ambient(model, log, NOW, None), model, log, NOW)


def test_another_model_or_other_gain_steps_are_asked_anew(model: Model, log: Path, counted: list[str]) -> None:
    kept, other = Latest(), fitted("pls")
    for one, ratios in [(model, None), (other, None), (model, {128.0: 1.0}), (model, None), (other, None)]:
        kept.ambient(one, log, NOW, ratios)
    assert counted == ["latest_records", "told", "told", "told"]


def test_no_log_tells_nothing_and_one_that_appears_does(model: Model, log: Path, tmp_path: Path) -> None:
    kept, path = Latest(), tmp_path / "none.jsonl"
    assert kept.ambient(model, path, NOW, None) is None
    path.write_bytes(log.read_bytes())
    assert kept.ambient(model, path, NOW, None) is not None


def test_no_more_is_kept_than_is_asked_for(model: Model, log: Path) -> None:
    kept = Latest()
    for when in np.linspace(NOW - 300, NOW, 40):
        kept.ambient(model, log, float(when), None)
    assert len(kept._told) <= latest.MOST
