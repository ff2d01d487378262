"""The command line, as a person or a script meets it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from retrolux.device.log import read_records
from retrolux.device.measurement import CHANNELS
from retrolux.server.cli import COMMANDS
from tests.server.conftest import Outcome

Cli = Callable[..., Outcome]
ASKED = ("445nm=16384", "515nm=16384", "630nm=16384")


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line]


class TestHelp:
    def test_every_command_has_help(self, cli: Cli) -> None:
        overview = cli("--help")
        for command in COMMANDS:
            assert command in overview.out
            assert cli(command, "--help").code == 0

    def test_an_unknown_command_or_option_is_a_usage_error(self, cli: Cli) -> None:
        assert cli("meassure").code == 2
        assert cli("collect", "--colour", "red").code == 2


class TestMeasure:
    def test_prints_all_channels_and_logs(self, cli: Cli, home: Path) -> None:
        done = cli("measure", "0.1", "0.2", "0.3")
        assert done.code == 0
        assert all(channel in done.out for channel in CHANNELS)
        assert "device: sim" in done.err
        (record,) = read_records(home / "state" / "retrolux" / "rgb.jsonl")
        assert record["in"] == [0.1, 0.2, 0.3]

    def test_json_is_the_record(self, cli: Cli, home: Path) -> None:
        done = cli("measure", "0.1", "0.2", "0.3", "--json", "-o", "mine.jsonl", "--device", "sim:3")
        (record,) = read_records(home / "mine.jsonl")
        assert done.json == record
        assert record["device"] == "sim:3"

    def test_what_the_light_could_not_do_is_said_and_recorded(self, cli: Cli, home: Path) -> None:
        (home / "coarse.toml").write_text('[light]\nbackend = "gpiozero"\n')
        done = cli("measure", "0.293", "0.5", "1", "--config", "coarse.toml")
        assert "set to the nearest that this light has: R 0.29, G 0.5, B 1\n" in done.err
        (record,) = read_records(home / "state" / "retrolux" / "rgb.jsonl")
        assert (record["in"], record["duty"]) == ([0.293, 0.5, 1.0], [0.29, 0.5, 1.0])
        assert "nearest" not in cli("measure", "0.293", "0.5", "1").err

    def test_chosen_channels(self, cli: Cli) -> None:
        assert list(cli("measure", "0", "1", "0", "--json", "--channel", "515nm").json["out"]) == ["515nm"]

    @pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1.2", "-1", "abc", ""])
    def test_a_bad_duty_is_one_clear_line_and_nothing_is_logged(self, cli: Cli, home: Path, value: str) -> None:
        done = cli("measure", value, "0", "0")
        assert (done.code, done.out) == (2, "")
        (said,) = [line for line in lines(done.err) if not line.startswith("device:")]
        assert said.startswith("retrolux: R is")
        log = home / "state" / "retrolux" / "rgb.jsonl"
        assert not log.exists() or not read_records(log)

    def test_an_unknown_channel_or_device_is_named(self, cli: Cli) -> None:
        assert "700nm" in cli("measure", "0", "0", "0", "--channel", "700nm").err
        unknown = cli("measure", "0", "0", "0", "--device", "simulator")
        assert unknown.code == 2
        assert "simulator" in unknown.err

    def test_asked_for_hardware_that_is_not_there_it_says_what_to_check(self, cli: Cli) -> None:
        done = cli("measure", "0", "0", "0", "--device", "pi")
        assert done.code == 1
        assert done.out == ""


class TestCollect:
    def test_collects_a_design(self, cli: Cli, home: Path) -> None:
        done = cli("collect", "-n", "8", "-o", "rgb.jsonl", "--json")
        assert done.code == 0
        assert done.json["readings"] == 8
        assert len(read_records(home / "rgb.jsonl")) == 8

    @pytest.mark.parametrize("design", ["lhs", "sobol", "grid", "box-behnken"])
    def test_every_design(self, cli: Cli, home: Path, design: str) -> None:
        assert cli("collect", "-n", "16", "--design", design, "-o", "rgb.jsonl").code == 0
        assert len(read_records(home / "rgb.jsonl")) >= 16

    def test_a_folder_that_is_not_there_is_made(self, cli: Cli, home: Path) -> None:
        assert cli("collect", "-n", "2", "-o", "new/rgb.jsonl").code == 0
        assert (home / "new" / "rgb.jsonl").is_file()

    def test_a_collection_never_mixes_instruments_in_a_log(self, cli: Cli, home: Path) -> None:
        assert cli("collect", "-n", "2", "-o", "rgb.jsonl", "--device", "sim:3").code == 0
        before = (home / "rgb.jsonl").read_bytes()
        for command in (("collect", "-n", "2"), ("demo", "-n", "20")):
            done = cli(*command, "-o", "rgb.jsonl")
            assert done.code == 1
            assert "sim:3" in done.err
        assert (home / "rgb.jsonl").read_bytes() == before

    def test_a_folder_that_cannot_be_made_is_one_clear_line(self, cli: Cli, home: Path) -> None:
        (home / "file").write_text("in the way")
        done = cli("collect", "-n", "2", "-o", "file/rgb.jsonl")
        assert done.code == 1
        (said,) = [line for line in lines(done.err) if not line.startswith("device:")]
        assert said.startswith("retrolux: ")
        assert "file" in said

    def test_a_log_that_is_a_folder_is_refused(self, cli: Cli, home: Path) -> None:
        (home / "rgb.jsonl").mkdir()
        done = cli("collect", "-n", "2", "-o", "rgb.jsonl")
        assert done.code == 1
        assert "rgb.jsonl" in done.err


class TestModels:
    def test_fit_then_ask(self, cli: Cli, readings: Path) -> None:
        models = ("--model", "linear", "--model", "gmm")
        assert cli("fit", readings, *models, "--json").json["models"] == ["linear", "gmm"]
        answer = cli("invert", *ASKED, "--model", "linear", "--json").json
        assert answer["inputs"]["R"] == pytest.approx(0.49, abs=0.05)
        net = (*ASKED, "--model", "linear", "--net", "--json")
        assert cli("invert", *net).json == cli("invert", *net, "--data", readings).json
        assert "of the fit's readings" in cli("invert", *ASKED, "--model", "linear").err

    def test_a_target_is_met_in_the_ambient_light_of_now_or_in_none(self, cli: Cli, home: Path) -> None:
        """Measured right after the readings, the light's own counts and those of the room add up to the target."""
        cli("collect", "-n", "60", "-o", "mine.jsonl")
        asked = (*ASKED, "--data", "mine.jsonl", "--model", "linear", "--json")
        now, net = cli("invert", *asked), cli("invert", *asked, "--net")
        assert set(net.json["ambient"].values()) == {0}
        assert 800 < now.json["ambient"]["515nm"] < 3000
        assert all(net.json["inputs"][c] > now.json["inputs"][c] + 0.005 for c in "RGB")
        assert net.json["predicted"]["515nm"] == pytest.approx(16384, abs=50)
        assert "of the latest readings" in cli("invert", *asked[:-1]).err
        assert "ambient light" not in cli("invert", *asked[:-1], "--net").err

    def test_a_log_without_times_does_not_tell_the_light_from_the_room(self, cli: Cli, home: Path) -> None:
        cli("collect", "-n", "30", "-o", "mine.jsonl")
        rows = [json.loads(line) for line in (home / "mine.jsonl").read_text().splitlines()]
        (home / "old.jsonl").write_text("\n".join(json.dumps({k: r[k] for k in ("in", "out")}) for r in rows))
        assert cli("invert", *ASKED, "--data", "old.jsonl", "--model", "linear").code == 0
        refused = cli("invert", *ASKED, "--data", "old.jsonl", "--model", "linear", "--net")
        assert refused.code == 1
        assert "readings with times" in refused.err

    def test_nothing_on_disk_is_a_pickle(self, cli: Cli, home: Path, readings: Path) -> None:
        cli("fit", readings, "--model", "linear", "--model", "pls", "--model", "gmm")
        kinds = {path.suffix for path in (home / "state").rglob("*") if path.is_file()}
        assert kinds <= {".json", ".jsonl", ".npz", ".ubj"}

    def test_an_answer_is_verified_on_the_instrument(self, cli: Cli, home: Path, readings: Path) -> None:
        done = cli("invert", *ASKED, "--data", readings, "--verify", "--playbacks", "4", "--json")
        assert abs(done.json["error_percent"]["515nm"]) < 2
        assert len(read_records(home / "state" / "retrolux" / "rgb.jsonl")) == 4

    def test_the_table_shows_the_answer(self, cli: Cli, readings: Path) -> None:
        done = cli("invert", *ASKED, "--data", readings, "--model", "linear")
        assert done.code == 0
        assert "±" in done.out
        assert "16384" in done.out

    def test_predict_and_sample(self, cli: Cli, readings: Path) -> None:
        answer = cli("predict", "0", "0.25", "0", "--data", readings, "--model", "linear", "--json").json
        assert answer["predicted"]["515nm"] == pytest.approx(1212 + 63452 / 4, rel=0.1)
        drawn = cli("sample", "--data", readings, "-n", "20", "515nm=16384")
        assert len(lines(drawn.out)) == 21
        assert lines(drawn.out)[0].startswith("R,G,B,")

    @pytest.mark.parametrize(
        "target",
        [(), ("515nm",), ("515nm=",), ("515nm=nan",), ("515nm=inf",), ("515nm=abc",), ("700nm=1",), ("=1",),
         ("515nm=1", "515nm=2")],
    )  # fmt: skip
    def test_a_bad_target_is_one_clear_line(self, cli: Cli, readings: Path, target: tuple[str, ...]) -> None:
        done = cli("invert", *target, "--data", readings, "--model", "linear")
        assert (done.code, done.out) == (2, "")
        assert len(lines(done.err)) == 1

    def test_without_a_model_the_remedy_is_named(self, cli: Cli) -> None:
        done = cli("invert", *ASKED)
        assert done.code == 1
        assert "retrolux fit" in done.err

    def test_a_sample_is_not_drawn_for_inputs_out_of_bounds(self, cli: Cli, readings: Path) -> None:
        done = cli("sample", "R=2", "--data", readings, "-n", "2")
        assert (done.code, done.out) == (2, "")
        assert "outside 0 to 1" in done.err

    @pytest.mark.parametrize("given", [("0.1",), ("0.1", "0.2", "0.3", "0.4"), ("nan", "0", "0"), ("0", "0", "1.2")])
    def test_bad_inputs_are_refused(self, cli: Cli, readings: Path, given: tuple[str, ...]) -> None:
        assert cli("predict", *given, "--data", readings, "--model", "linear").code == 2


class TestLogs:
    def test_a_half_written_log_is_read_to_its_last_whole_line(self, cli: Cli, home: Path, readings: Path) -> None:
        whole = readings.read_bytes()
        torn = home / "torn.jsonl"
        torn.write_bytes(whole[:-20])
        done = cli("fit", torn, "--model", "linear", "--json")
        assert done.code == 0
        assert done.json["n_rows"] == len(whole.splitlines()) - 1

    @pytest.mark.parametrize(
        "content", [b"\x00\x01\x02\n{}\n", b"not json\n{}\n", b'{"in": [0, 0, NaN]}\n{}\n', b"[1]\n[2]\n"]
    )
    def test_an_unreadable_log_names_its_line(self, cli: Cli, home: Path, content: bytes) -> None:
        (home / "bad.jsonl").write_bytes(content)
        done = cli("fit", "bad.jsonl", "--model", "linear")
        assert (done.code, done.out) == (1, "")
        assert "bad.jsonl" in done.err
        assert len(lines(done.err)) == 1

    @pytest.mark.parametrize("content", [b"", b'{"in": [0.1, 0.2, 0.3], "out": {"515nm": 3}, "time": 1}\n'])
    def test_a_log_of_no_or_one_reading_is_refused(self, cli: Cli, home: Path, content: bytes) -> None:
        (home / "short.jsonl").write_bytes(content)
        for method in ("linear", "pls", "gmm"):
            done = cli("fit", "short.jsonl", "--model", method)
            assert done.code == 1
            assert len(lines(done.err)) == 1

    def test_a_log_that_is_not_there_is_named(self, cli: Cli) -> None:
        done = cli("fit", "none.jsonl")
        assert done.code == 1
        assert "none.jsonl" in done.err

    def test_a_log_of_two_instruments_is_refused_unless_one_is_chosen(
        self, cli: Cli, readings: Path, home: Path
    ) -> None:
        records = read_records(readings)
        mixed = home / "mixed.jsonl"
        mixed.write_text("".join(json.dumps(r | {"device": d}) + "\n" for d in ("sim", "pi") for r in records))
        refused = cli("fit", mixed, "--model", "linear")
        assert refused.code == 1
        assert "pi, sim" in refused.err
        assert cli("fit", mixed, "--model", "linear", "--only", "pi").code == 0

    def test_a_log_of_two_exposures_is_refused_unless_calibrated(self, cli: Cli, readings: Path, home: Path) -> None:
        records = read_records(readings)
        mixed = home / "mixed.jsonl"
        changed = [r | {"gain": 64 if i % 2 else 128} for i, r in enumerate(records)]
        mixed.write_text("".join(json.dumps(r) + "\n" for r in changed))
        assert cli("fit", mixed, "--model", "linear").code == 1
        (home / "retrolux.toml").write_text('[calibration]\ngain_ratios = { "64" = 0.503 }\n')
        assert cli("fit", mixed, "--model", "linear").code == 0


class TestEvaluate:
    def test_prints_the_promised_form(self, cli: Cli, readings: Path) -> None:
        done = cli("evaluate", "--train", readings, "--test", readings, "--models", "linear,gmm", "--json").json
        assert list(done) == ["n_train", "n_test", "left_out", "models"]
        assert list(done["left_out"]) == ["train", "test"]
        assert list(done["models"]) == ["linear", "gmm"]
        assert {"rmse", "r2", "coverage90", "width", "fit_seconds", "invert_ms"} <= set(done["models"]["linear"])
        assert done["models"]["linear"]["rmse"]["G"] < 0.02

    def test_prints_a_table(self, cli: Cli, readings: Path) -> None:
        done = cli("evaluate", "--train", readings, "--test", readings, "--models", "pls", "--condition", "all")
        assert done.code == 0
        assert "RMSE" in done.out
        assert "left out" in done.err

    def test_aims_at_what_comes_next(self, cli: Cli, home: Path) -> None:
        cli("collect", "-n", "40", "-o", "a.jsonl")
        arguments = ("--train", "a.jsonl", "--test", "a.jsonl", "--models", "linear,bayes", "--aim")
        done = cli("evaluate", *arguments, "--json").json
        assert (done["n_train"], done["n_test"] + done["left_out"], done["n_reference"]) == (40, 39, 1)
        assert all(score["rmse"]["B"] < 0.01 for score in done["models"].values())
        assert "that begin a sitting" in cli("evaluate", *arguments).err
        assert cli("evaluate", *arguments, "--condition", "all").code == 2

    def test_inputs_that_do_not_vary_have_no_r2(self, cli: Cli, home: Path, readings: Path) -> None:
        (home / "one.jsonl").write_text(readings.read_text().splitlines(keepends=True)[0])
        arguments = ("--train", readings, "--test", "one.jsonl", "--models", "linear")
        assert cli("evaluate", *arguments, "--json").json["models"]["linear"]["r2"] == dict.fromkeys("RGB")
        assert "–" in cli("evaluate", *arguments).out

    def test_an_unknown_method_is_named(self, cli: Cli, readings: Path) -> None:
        done = cli("evaluate", "--train", readings, "--test", readings, "--models", "tree")
        assert done.code == 2
        assert "tree" in done.err


class TestConfiguration:
    def test_the_file_in_the_folder_is_read(self, cli: Cli, home: Path) -> None:
        (home / "retrolux.toml").write_text('device = "sim:5"\nstate = "here"\n')
        assert cli("measure", "0", "0", "0", "--json").json["device"] == "sim:5"
        assert (home / "here" / "rgb.jsonl").is_file()

    def test_the_command_line_wins(self, cli: Cli, home: Path) -> None:
        (home / "retrolux.toml").write_text('device = "sim:5"\n')
        assert cli("measure", "0", "0", "0", "--json", "--device", "sim:6").json["device"] == "sim:6"

    @pytest.mark.parametrize(
        ("text", "named"),
        [("devise = 1", "devise"), ("[serve]\nport = 70000", "serve.port"), ("= broken", "retrolux.toml"),
         ("[sensor]\ngain = nan", "sensor.gain")],
    )  # fmt: skip
    def test_a_mistake_is_named(self, cli: Cli, home: Path, text: str, named: str) -> None:
        (home / "retrolux.toml").write_text(text)
        done = cli("measure", "0", "0", "0")
        assert done.code == 1
        assert named in done.err

    def test_a_file_that_was_named_must_be_there(self, cli: Cli) -> None:
        assert cli("measure", "0", "0", "0", "--config", "none.toml").code == 1
