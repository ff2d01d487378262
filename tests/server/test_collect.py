"""Collections that are interrupted and taken up again."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrolux.device.errors import BadInput, InstrumentBusy
from retrolux.device.log import read_records
from retrolux.device.measurement import CHANNELS
from retrolux.server.collect import Plan, collect
from retrolux.server.config import Config
from retrolux.server.laboratory import Laboratory
from tests.server.conftest import Outcome

Cli = Callable[..., Outcome]


def plan(lab: Laboratory, n: int = 10, seed: int = 0) -> Plan:
    return Plan("lhs", n, seed, "sim", str(lab.log_path))


def stop_after(n: int) -> Callable[[int, int], None]:
    def report(done: int, _total: int) -> None:
        if done == n:
            raise KeyboardInterrupt

    return report


def go(lab: Laboratory, what: Plan, report: Callable[[int, int], None] = lambda *_: None) -> object:
    return collect(what, lab.recorder, lab.journal, report)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(1, 9))
def test_wherever_it_stops_each_setting_is_measured_once(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    state = tmp_path_factory.mktemp("state")
    with Laboratory(Config(state=state)) as lab, pytest.raises(KeyboardInterrupt):
        go(lab, plan(lab), stop_after(cut))
    with Laboratory(Config(state=state)) as lab:  # another process, as it were
        done = go(lab, plan(lab))
        records = read_records(lab.log_path)
        assert done.resumed == cut
        assert [tuple(r["in"]) for r in records] == plan(lab).points()
        assert [r["i"] for r in records] == list(range(10))
        assert {r["run"] for r in records} == {done.run}


def test_a_torn_last_line_is_measured_again(tmp_path: Path) -> None:
    with Laboratory(Config(state=tmp_path)) as lab:
        with pytest.raises(KeyboardInterrupt):
            go(lab, plan(lab), stop_after(5))
        log = lab.log_path
    log.write_bytes(log.read_bytes()[:-30])
    with Laboratory(Config(state=tmp_path)) as lab:
        assert go(lab, plan(lab)).resumed == 4
        assert [r["i"] for r in read_records(log)] == list(range(10))


def test_another_plan_is_another_run(laboratory: Laboratory) -> None:
    with pytest.raises(KeyboardInterrupt):
        go(laboratory, plan(laboratory), stop_after(3))
    assert go(laboratory, plan(laboratory, seed=1)).resumed == 0
    assert go(laboratory, plan(laboratory)).resumed == 3


def test_a_run_is_not_gone_on_with_at_another_exposure(laboratory: Laboratory) -> None:
    with pytest.raises(KeyboardInterrupt):
        go(laboratory, plan(laboratory), stop_after(3))
    assert go(laboratory, replace(plan(laboratory), gain=64)).resumed == 0


def test_two_collections_never_share_a_log_at_once(laboratory: Laboratory) -> None:
    def second(done: int, _total: int) -> None:
        if done == 2:
            with pytest.raises(InstrumentBusy, match="going on"):
                go(laboratory, plan(laboratory))

    assert go(laboratory, plan(laboratory), second).readings == 10
    assert len(read_records(laboratory.log_path)) == 10


def test_a_finished_run_is_not_taken_up(laboratory: Laboratory) -> None:
    go(laboratory, plan(laboratory))
    assert go(laboratory, plan(laboratory)).resumed == 0
    assert len(read_records(laboratory.log_path)) == 20


def test_a_design_that_cannot_be_starts_nothing(laboratory: Laboratory) -> None:
    with pytest.raises(BadInput):
        go(laboratory, Plan("spiral", 10, 0, "sim", str(laboratory.log_path)))
    assert list(laboratory.journal.events()) == []


# A log's settings, measured again


TIMES = (1_762_182_000.0, 1_762_182_004.5, 1_762_190_000.25)  # two of one sitting, and one hours later


@pytest.fixture
def old(tmp_path: Path) -> Path:
    rows = [
        {"in": [0.1 * i, 0.2, 0.3], "out": dict.fromkeys(CHANNELS, 900), "time": when} for i, when in enumerate(TIMES)
    ]
    log = tmp_path / "old.jsonl"
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return log


def test_a_log_is_replayed_in_its_order_and_at_its_times(cli: Cli, home: Path, old: Path) -> None:
    assert cli("collect", "--settings", old, "-o", "new.jsonl", "--json").json["readings"] == 3
    records = read_records(home / "new.jsonl")
    assert [r["in"] for r in records] == [r["in"] for r in read_records(old)]
    assert [r["time"] for r in records] == pytest.approx(TIMES, abs=0.02)  # the sensor is set up first


def test_another_seed_is_another_noise_and_the_same_seed_the_same(cli: Cli, home: Path, old: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        cli("collect", "--settings", old, "-o", f"{name}.jsonl", "--seed", seed)
    a, b, c = ([r["out"] for r in read_records(home / f"{name}.jsonl")] for name in "abc")
    assert a == b
    assert a != c


def test_the_ambient_light_is_that_of_the_log(cli: Cli, home: Path, old: Path) -> None:
    """At half past three in the night there is none, unless the log has it: 5000 counts everywhere."""
    rows = [{"in": [0, 0, 0], "out": dict.fromkeys(CHANNELS, 5000), "time": 1_762_142_400.0 + 5 * i} for i in range(5)]
    log = home / "bright.jsonl"
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    cli("collect", "--settings", log, "-o", "dark.jsonl")
    cli("collect", "--settings", log, "--ambient-from", log, "-o", "lit.jsonl")
    dark, lit = (read_records(home / f"{name}.jsonl") for name in ("dark", "lit"))
    assert max(v for r in dark for v in r["out"].values()) < 20
    assert [r["out"]["680nm"] for r in lit] == pytest.approx([5000] * 5, rel=0.01)


def test_a_replay_that_stopped_goes_on_and_keeps_the_pauses(laboratory: Laboratory, old: Path) -> None:
    what = replace(plan(laboratory), settings=str(old))
    with pytest.raises(KeyboardInterrupt):
        go(laboratory, what, stop_after(1))
    assert go(laboratory, what).resumed == 1
    first, second, third = (r["time"] for r in read_records(laboratory.log_path))
    assert third - second == pytest.approx(TIMES[2] - TIMES[1], abs=1e-3)
    assert second > first


@pytest.mark.parametrize("row", ['{"in": [0, 0, 0], "out": {}}', ""])
def test_a_log_that_cannot_be_replayed_is_refused(cli: Cli, home: Path, row: str) -> None:
    (home / "bad.jsonl").write_text(row + "\n" if row else "")
    done = cli("collect", "--settings", "bad.jsonl", "-o", "new.jsonl")
    assert done.code != 0
    assert "bad.jsonl" in done.err
    assert not (home / "new.jsonl").exists()


def test_no_other_instrument_has_another_ambient_light(cli: Cli, old: Path) -> None:
    done = cli("collect", "--settings", old, "--ambient-from", old, "--device", "pi")
    assert done.code == 2
    assert "ambient light of pi is what it is" in done.err
