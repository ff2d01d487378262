"""``retrolux tune``, and what measuring makes of it afterwards."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from retrolux.device.log import read_records
from retrolux.device.measurement import REFERENCE, Exposure
from retrolux.server.calibrations import Calibrations
from retrolux.server.errors import BadConfiguration
from tests.server.conftest import Outcome

Cli = Callable[..., Outcome]


@pytest.fixture
def stored(home: Path) -> Path:
    return home / "state" / "retrolux" / "calibration.json"


def test_tuning_is_kept_and_used(cli: Cli, stored: Path) -> None:
    done = cli("tune", "--device", "sim:1", "--json")
    assert done.code == 0
    assert done.json["noise"]["after"] < done.json["noise"]["before"] / 3
    kept = json.loads(stored.read_text())["sim:1"]
    assert kept["exposure"] == done.json["exposure"]
    tuned = cli("measure", "0", "0.5", "0", "--device", "sim:1", "--json", "-o", "a.jsonl").json
    assert {name: tuned[name] for name in ("gain", "atime", "astep")} == kept["exposure"]
    other = cli("measure", "0", "0.5", "0", "--device", "sim:2", "--json", "-o", "b.jsonl").json
    assert (other["gain"], other["atime"], other["astep"]) == (128, 100, 999)


def test_the_table_says_what_it_won(cli: Cli) -> None:
    done = cli("tune", "--device", "sim:2")
    assert "as it was, 280.8 ms" in done.out
    assert "off their nominal number" in done.out
    assert "gain relative to 128" in done.out
    assert "calibration.json" in done.err


def test_a_configured_exposure_is_never_overruled(cli: Cli, home: Path, stored: Path) -> None:
    Calibrations(stored).store("sim", {"exposure": {"gain": 128, "atime": 99, "astep": 898}})
    (home / "retrolux.toml").write_text("[sensor]\ngain = 64\n")
    assert cli("measure", "0", "0.5", "0", "--json").json["gain"] == 64


def test_readings_from_before_and_after_tuning_are_fitted_together(cli: Cli, home: Path) -> None:
    assert cli("collect", "-n", "20", "-o", "log.jsonl", "--seed", "1").code == 0
    assert cli("tune").code == 0
    assert cli("collect", "-n", "20", "-o", "log.jsonl", "--seed", "2").code == 0
    assert len({r["astep"] for r in read_records(home / "log.jsonl")}) == 2
    done = cli(
        "invert", "445nm=16384", "515nm=16384", "630nm=16384", "--data", "log.jsonl", "--model", "linear", "--json"
    )
    assert done.code == 0


def test_one_reading_at_another_exposure(cli: Cli) -> None:
    record = cli("measure", "0", "0.5", "0", "--gain", "64", "--atime", "49", "--json").json
    assert (record["gain"], record["atime"], record["astep"]) == (64, 49, 999)
    refused = cli("measure", "0", "0.5", "0", "--gain", "3")
    assert refused.code == 2
    assert "no gain 3" in refused.err


@pytest.mark.parametrize(
    "text", ["no json", "[]", '{"sim": 3}', '{"sim": {"exposure": {"gain": 3}}}', '{"sim": {"exposure": 1}}']
)
def test_a_spoilt_file_is_named_with_its_remedy(cli: Cli, stored: Path, text: str) -> None:
    stored.parent.mkdir(parents=True)
    stored.write_text(text)
    done = cli("measure", "0", "0", "0")
    assert done.code != 0
    assert "calibration.json" in done.err
    assert "Delete it" in done.err


def test_gain_ratios_that_cannot_be_are_refused(tmp_path: Path) -> None:
    calibrations = Calibrations(tmp_path / "calibration.json")
    for ratios in ({"64": -1.0}, {"x": 1.0}, 3):
        calibrations.store("sim", {"gain_ratios": ratios})
        with pytest.raises(BadConfiguration):
            calibrations.gain_ratios("sim")
    calibrations.store("sim", {"gain_ratios": {"64": 0.5}, "exposure": {"gain": 128, "atime": 100, "astep": 999}})
    assert calibrations.gain_ratios("sim") == {64.0: 0.5}
    assert calibrations.exposure("sim") == REFERENCE == Exposure()
    assert calibrations.exposure("pi") is None


def test_automatic_exposure_is_shown_and_logged(cli: Cli) -> None:
    done = cli("measure", "0.5", "1", "0.02", "--auto")
    assert "gain" in done.out
    assert "saturated" not in done.out
    record = cli("measure", "0.5", "1", "0.02", "--auto", "--json").json
    assert record["gain"]["clear"] < 128
    refused = cli("measure", "0.5", "1", "0.02", "--auto", "--gain", "64")
    assert refused.code == 2
    assert "chooses gain and time itself" in refused.err


def test_readings_of_automatic_exposure_can_be_fitted_once_tuned(cli: Cli) -> None:
    for i in range(12):
        duties = [str(round((i * k) % 12 / 12, 3)) for k in (1, 5, 7)]
        assert cli("measure", *duties, "--auto", "-o", "auto.jsonl").code == 0
    ask = ("invert", "515nm=16384", "--data", "auto.jsonl", "--model", "linear", "--json")
    assert "gain" in cli(*ask).err  # nobody knows the gain steps yet
    assert cli("tune").code == 0
    assert cli(*ask).code == 0


def test_a_dark_frame_by_command_line(cli: Cli) -> None:
    done = cli("measure", "0.5", "0.5", "0.5", "--dark", "after")
    assert "ambient, measured" in done.out
    record = cli("measure", "0.5", "0.5", "0.5", "--dark", "before", "--json").json
    assert record["dark"]["515nm"] < record["out"]["515nm"] / 10
    refused = cli("measure", "0.5", "0.5", "0.5", "--dark", "before", "--auto")
    assert refused.code == 2
    assert "after it" in refused.err


def test_readings_from_edge_to_edge_are_fitted_and_played_back(cli: Cli, home: Path) -> None:
    """Their times differ from reading to reading, as far as the light's pulses do."""
    (home / "retrolux.toml").write_text('[sensor]\nsync = "green"\n')
    assert cli("collect", "-n", "20", "-o", "log.jsonl").code == 0
    done = cli("invert", "515nm=16384", "--data", "log.jsonl", "--model", "linear", "--verify", "--json")
    assert done.code == 0
    pulsed = [r for r in read_records(home / "log.jsonl") if 0.01 < r["in"][1] < 0.99]
    windows = {(r["atime"] + 1) * (r["astep"] + 1) * 2.78e-6 for r in pulsed}
    assert min(windows) == pytest.approx(0.25, rel=1e-3)
    assert max(windows) == pytest.approx(0.25, rel=1e-3)
