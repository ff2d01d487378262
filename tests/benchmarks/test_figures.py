"""What the benchmarks say of their figures: part of the default tests, for a table that flatters is worse than none."""

import json

import pytest

from tests.benchmarks import asked
from tests.benchmarks.__main__ import command, environment
from tests.benchmarks.asked import Asked
from tests.benchmarks.children import Child
from tests.benchmarks.figures import Figure, amount, by_columns, markdown, table

SPEED = "forest-fit-80"
READMES = "README.md", "tests/benchmarks/README.md", "models/README.md"


def figure(**values):
    return Figure(**{"key": SPEED, "what": "a fit", "ours": 2.0, "unit": "s", "peer": 50.0, "beside": "it"} | values)


def test_a_ratio_is_the_peers_over_ours():
    assert figure().ratio == pytest.approx(25)
    assert figure().met is True
    assert figure(ours=4.0).met is False
    assert figure(peer=None).met is False
    assert figure(key="nobody asked").met is None
    assert figure(unit="%").ratio is None


def test_a_limit_is_of_ours_alone():
    assert figure(key="start-idle", ours=79.0, unit="MB").met is True
    assert figure(key="start-idle", ours=81.0, unit="MB").met is False
    assert figure(key="start-idle", ours=None, unit="MB").met is False


def test_the_gate_looks_at_ratios_alone(monkeypatch):
    monkeypatch.setitem(asked.GATE, SPEED, 8.0)
    assert figure(ours=6.0).holds
    assert not figure(ours=6.5).holds
    assert not figure(peer=None).holds
    assert figure(key="start-idle", ours=1e9).holds == ("start-idle" not in asked.GATE)


def test_what_is_asked_has_one_limit():
    assert all((a.most is None) != (a.ratio is None) for a in asked.ASKED.values())
    assert Asked(most=1.0).met(1.0, None)


def test_the_table_says_what_is_not_met():
    lines = table([figure(), figure(ours=5.0, remark="slowly")]).splitlines()
    assert lines[2] == "| a fit | 2 s | 50 s, it | 25 | ≥ 20 × | yes |"
    assert lines[3] == "| a fit (slowly) | 5 s | 50 s, it | 10 | ≥ 20 × | **no** |"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(2e-5, "s", "20 µs"), (0.0123, "s", "12.3 ms"), (1234.5, "MB", "1,234 MB"), (105, "", "105"), (None, "s", "–")],
)
def test_amounts_have_three_digits_and_a_unit(value, unit, text):
    assert amount(value, unit) == text


def test_the_readmes_tables_are_made_of_the_runs_json():
    columns = [figure(key=f"columns-pls-an answer-{n}", ours=1.0, peer=None) for n in (3, 10)]
    rows = [figure(), figure(ours=5.0, what="slow"), figure(key="nobody asked", what="more"), *columns]
    said = markdown({"figures": json.loads(json.dumps([f.to_json() for f in rows])), "circumstances": "Here."})
    first, second, third = (said.split(f"<!-- {name} -->")[1].split("<!--")[0] for name in READMES)
    assert "more" not in first
    assert "Not met: slow." in first
    assert "| more | 2 s |" in second
    assert third.splitlines()[-1] == "| pls, an answer | 1 s | 1 s |"


def test_a_cell_that_took_too_long_says_so():
    rows = {("pls", "fit"): {3: figure(), 10: figure(ours=None, peer=None, remark="over 60 s")}}
    assert by_columns(rows).splitlines()[-1] == "| pls, fit | 2 s (50 s) | over 60 s |"


def test_the_command_runs_in_one_process_with_a_users_threads(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    assert "OPENBLAS_CORETYPE" not in environment()
    assert environment()["OPENBLAS_NUM_THREADS"] == environment()["OMP_NUM_THREADS"]
    run = command(["--gate"])
    assert run[run.index("-m", 3) + 1] == "gate"
    assert "--gate" not in run
    assert "no:xdist" in run


def test_memory_is_the_childs_own(tmp_path):
    child = Child(tmp_path, {})
    kept = bytearray(300_000_000)  # a parent larger than its child
    told, megabytes = child.told("told = len(bytearray(50_000_000))")
    assert told == 50_000_000
    assert 50 < megabytes < 200 < len(kept) / 1e6
