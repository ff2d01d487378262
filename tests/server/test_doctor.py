"""``retrolux doctor``: what a person reads, what a program reads, and what it leaves alone."""

from collections.abc import Callable
from pathlib import Path

import click
import pytest

from retrolux.device.doctor import CHECKS
from retrolux.device.findings import Finding, State
from retrolux.device.sim.defects import DEFECTS
from retrolux.server.calibrations import Calibrations
from retrolux.server.cli.doctoring import page
from retrolux.server.cli.printing import wrapped
from tests.server.conftest import Outcome

Cli = Callable[..., Outcome]
HOST = ("clock", "synchronised", "disk", "undervoltage")


def plain(found: list[Finding]) -> list[str]:
    return [click.unstyle(line) for line in page(found)]


def configure(home: Path, fault: str) -> None:
    (home / "retrolux.toml").write_text(f'[simulator]\nfault = "{fault}"\n')


def test_a_healthy_instrument(cli: Cli, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    done = cli("doctor")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[-1].startswith("Nothing is wrong.")
    assert all(len(line) <= 80 for line in lines if str(home) not in line)  # a path stays in one piece
    assert sum(line.startswith("✓") for line in lines) >= len(CHECKS)
    assert "✗" not in done.out
    assert "What to do" not in done.out
    assert "\x1b" not in done.out  # colours are for terminals


def test_json_is_one_document_with_everything(cli: Cli) -> None:
    done = cli("doctor", "--device", "sim:3", "--json")
    assert done.code == 0
    assert (done.json["device"], done.json["healthy"], done.json["faults"]) == ("sim:3", True, [])
    assert [f["name"] for f in done.json["findings"]] == [*CHECKS, *HOST]
    red = next(f for f in done.json["findings"] if f["name"] == "red")
    assert set(red) == {"name", "state", "seen", "remedy", "fault", "numbers"}
    assert red["numbers"]["counts"]["630nm"] > 10_000


@pytest.mark.parametrize("fault", DEFECTS)
def test_each_simulated_fault_is_named_and_ends_with_one(cli: Cli, home: Path, fault: str) -> None:
    configure(home, fault)
    done = cli("doctor")
    assert done.code == 1
    assert done.out.splitlines()[-1].startswith(f"Wrong: {fault}.")
    assert "✗" in done.out
    assert "BAD: " in done.out
    assert "What to do:" in done.out


def test_a_swap_is_told_once_with_its_remedy(cli: Cli, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    configure(home, "red and green swapped")
    done = cli("doctor")
    assert "✗ red            BAD: Asked for red, green lights" in done.out
    assert done.out.count("Exchange their wires") == 1
    assert "  red, green: Exchange their wires" in done.out


def test_nothing_is_logged(cli: Cli, home: Path) -> None:
    assert cli("doctor").code == 0
    assert not list((home / "state").rglob("*.jsonl"))


def test_an_instrument_that_cannot_be_opened_is_a_finding_and_the_machine_is_tested(cli: Cli, home: Path) -> None:
    done = cli("doctor", "--device", "pi", "--json")
    assert done.code == 1
    states = {f["name"]: f["state"] for f in done.json["findings"]}
    assert states["sensor"] == "bad"
    assert states["red"] == "skipped"
    assert states["disk"] == "good"
    assert "Traceback" not in done.err


def test_a_spoilt_calibration_is_one_too(cli: Cli, home: Path) -> None:
    path = home / "state" / "retrolux" / "calibration.json"
    path.parent.mkdir(parents=True)
    path.write_text("[]")
    done = cli("doctor")
    assert done.code == 1
    assert "calibration.json" in done.out
    assert "Delete it" in done.out


def test_an_instrument_that_is_not_there(cli: Cli) -> None:
    done = cli("doctor", "--device", "http://127.0.0.1:9")
    assert done.code == 1
    assert done.out.splitlines()[-1] == "Wrong: other side unreachable."


@pytest.mark.parametrize("arguments", [("--device", "simm"), ("--device", "sim", "--config", "gremlins.toml")])
def test_what_is_asked_wrongly_is_refused(cli: Cli, home: Path, arguments: tuple[str, ...]) -> None:
    (home / "gremlins.toml").write_text('[simulator]\nfault = "gremlins"\n')
    done = cli("doctor", *arguments)
    assert done.code == 2
    assert done.out == ""


def test_the_window_that_tuning_found_is_tested(cli: Cli, home: Path) -> None:
    kept = {"exposure": {"gain": 128, "atime": 99, "astep": 898}, "ratio": 1.0, "beats": True}
    Calibrations(home / "state" / "retrolux" / "calibration.json").store("sim", kept)
    findings = {f["name"]: f for f in cli("doctor", "--json").json["findings"]}
    assert findings["saturation"]["numbers"]["seconds"] == pytest.approx(0.2499, abs=1e-4)
    assert findings["noise"]["numbers"]["beat_percent"] < 0.3
    assert "retrolux tune" not in findings["noise"]["seen"]


def test_many_checks_that_were_skipped_for_one_reason_are_one_line() -> None:
    found = [Finding(name, State.SKIPPED, "No.") for name in "abc"] + [Finding("d", State.SKIPPED, "Neither.")] * 2
    lines = plain(found)
    assert lines[0] == "– 3 checks       not tried: No."
    assert lines[1].startswith("– d ")
    assert lines[-1] == "Nothing is wrong. 5 could not be tried."


def test_what_is_odd_is_said_and_no_failure() -> None:
    lines = plain([Finding("noise", State.ODD, "Noisy.", "Look."), Finding("a", State.BAD, "B.", "C.", "d")])
    assert lines[0].startswith("! noise          Odd: Noisy.")
    assert lines[-1] == "Wrong: d. 1 to look at: noise."


def test_a_number_is_not_torn_from_its_unit() -> None:
    for width in range(12, 40):
        for line in wrapped("It is 12 nm or 13 % of 14 ms, or of 15 GB, and so on", width):
            assert line[0] != "%"
            assert line.split()[0] not in {"nm", "ms", "GB"}
