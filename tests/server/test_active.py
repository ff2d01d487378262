"""Active collections: chosen as they go, taken up where they stopped, and explained."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from retrolux.device.log import read_records
from retrolux.device.measurement import Exposure
from retrolux.models.dataset import Dataset
from retrolux.models.design import ActiveDesign
from retrolux.server.active import Chosen, explained
from retrolux.server.collect import Plan, collect
from retrolux.server.config import Config
from retrolux.server.laboratory import Laboratory
from tests.server.conftest import Outcome

Cli = Callable[..., Outcome]


def plan(lab: Laboratory, n: int = 14) -> Plan:
    return Plan("active", n, 0, "sim", str(lab.log_path))


def stop_after(n: int) -> Callable[[int, int], None]:
    def report(done: int, _total: int) -> None:
        if done == n:
            raise KeyboardInterrupt

    return report


@pytest.mark.parametrize("cut", [1, 5, 9, 13])
def test_wherever_it_stops_it_goes_on_with_what_its_readings_ask_for(tmp_path: Path, cut: int) -> None:
    with Laboratory(Config(state=tmp_path)) as lab, pytest.raises(KeyboardInterrupt):
        collect(plan(lab), lab.recorder, lab.journal, stop_after(cut))
    with Laboratory(Config(state=tmp_path)) as lab:  # another process, as it were
        done = collect(plan(lab), lab.recorder, lab.journal, lambda *_: None)
        records = read_records(lab.log_path)
    assert (done.resumed, done.readings) == (cut, 14)
    assert [r["i"] for r in records] == list(range(14))
    for n in (cut, 13):
        asked = ActiveDesign("RGB").choose(Dataset.from_records(records[:n]))
        assert tuple(records[n]["in"]) == asked.inputs
        assert records[n]["why"] == explained(asked)


def test_readings_of_another_run_do_not_count(laboratory: Laboratory) -> None:
    collect(plan(laboratory, 6), laboratory.recorder, laboratory.journal, lambda *_: None)
    collect(plan(laboratory, 6), laboratory.recorder, laboratory.journal, lambda *_: None)
    first, second = (read_records(laboratory.log_path)[i : i + 5] for i in (0, 6))
    assert [r["in"] for r in first] == [r["in"] for r in second]


def test_a_torn_last_line_is_chosen_and_measured_again(tmp_path: Path) -> None:
    with Laboratory(Config(state=tmp_path)) as lab, pytest.raises(KeyboardInterrupt):
        collect(plan(lab), lab.recorder, lab.journal, stop_after(8))
    lab.log_path.write_bytes(lab.log_path.read_bytes()[:-30])
    with Laboratory(Config(state=tmp_path)) as lab:
        assert collect(plan(lab), lab.recorder, lab.journal, lambda *_: None).resumed == 7


def test_it_is_told_before_each_reading_what_it_is_for(laboratory: Laboratory) -> None:
    told = []
    collect(plan(laboratory), laboratory.recorder, laboratory.journal, lambda *_: None, told.append)
    assert [c.inputs for c in told] == [tuple(r["in"]) for r in read_records(laboratory.log_path)]
    assert all(c.learns for c in told)
    assert explained(told[0]) == "a first impression"
    assert explained(told[9]).startswith(f"{told[9].learns}; inverse ± 0.00")


def test_the_ceiling_is_that_of_the_exposure() -> None:
    """At half the gain twice the light fits; at half the time, too, and the converter counts half as far."""
    assert Chosen(Exposure(), 0)._design.ceiling == 65535
    assert Chosen(Exposure(gain=64), 0)._design.ceiling == 2 * 65535
    assert Chosen(Exposure(atime=49), 0)._design.ceiling == pytest.approx(50_000 * 101 / 50)


def test_the_command_line_collects_and_says_how_good_it_is(cli: Cli, home: Path) -> None:
    done = cli("collect", "--design", "active", "-n", 12, "-o", "a.jsonl")
    assert "12 readings in a.jsonl" in done.out
    assert "by its own estimate: 0.00" in done.err
    assert len(read_records(home / "a.jsonl")) == 12
    assert cli("collect", "--design", "d-optimal", "-n", 9, "-o", "b.jsonl", "--json").json["readings"] == 9
    rows = [json.loads(line) for line in (home / "b.jsonl").read_text().splitlines()]
    assert {duty for row in rows for duty in row["in"]} == {0.0, 0.02, 0.5, 0.98}
