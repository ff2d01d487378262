"""Collections that are interrupted and taken up again."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrolux.device.errors import BadInput, InstrumentBusy
from retrolux.device.log import read_records
from retrolux.server.collect import Plan, collect
from retrolux.server.config import Config
from retrolux.server.laboratory import Laboratory


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
