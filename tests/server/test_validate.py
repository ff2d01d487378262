"""``retrolux validate``: measured, interrupted, refused, repeated, reported."""

import fcntl
import json
import os
import shutil
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from retrolux.device.clock import FakeClock
from retrolux.device.errors import DeviceError, InstrumentBusy
from retrolux.device.factory import open_instrument
from retrolux.device.log import read_records
from retrolux.device.sim import make_parts
from retrolux.models import registry
from retrolux.models.errors import BadData, MissingLibrary
from retrolux.server import conditions
from retrolux.server.cli import validating
from retrolux.server.config import Config
from retrolux.server.errors import BadReport
from retrolux.server.laboratory import Laboratory
from retrolux.server.protocol import Protocol
from retrolux.server.validation_report import make_report, read_report, write_report
from retrolux.server.validation_run import LOG, Validation
from tests.device.loopback import claude_light, retrolux, serving
from tests.device.raspberry_pi import become_raspberry_pi
from tests.server.conftest import Outcome

Cli = Callable[..., Outcome]
SHORT = Protocol(
    version="short",
    hypercube=24,
    blocks=2,
    block_length=3,
    duties=(0.0, 0.5, 0.9),
    full_duty=1,
    dark=2,
    targets=((16384, 16384, 16384), (4096, 8192, 60000)),
    playbacks=2,
)
LINEAR = ("linear",)
COUNT = SHORT.count(LINEAR)


def short(folder: Path, device: str = "sim", **more: Any) -> Validation:
    lab = Laboratory(Config(state=folder.parent / "state", device=device))
    return Validation(lab, folder, SHORT, LINEAR, **more)


class _InterruptedError(Exception):
    """What an interruption raises here."""


def interrupted_after(count: int) -> Callable[[int, int, str], None]:
    def report(done: int, _total: int, what: str) -> None:
        if what == "measuring" and done == count:
            raise _InterruptedError

    return report


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete short validation of the simulator; read it, do not write it."""
    folder = tmp_path_factory.mktemp("validation") / "out"
    run = short(folder)
    run.run()
    write_report(folder, run.models)
    return folder


class TestRun:
    def test_measures_the_whole_protocol_in_its_order(self, complete: Path) -> None:
        records = read_records(complete / LOG)
        steps = SHORT.opening() + SHORT.playing(LINEAR)
        assert [r["i"] for r in records] == [s.i for s in steps]
        assert [r["part"] for r in records] == [s.part for s in steps]
        for step, record in zip(steps, records, strict=True):
            assert step.inputs is None or record["in"] == list(step.inputs)
            assert record["session"] == 0

    def test_leaves_the_laboratorys_own_log_alone(self, complete: Path) -> None:
        assert not (complete.parent / "state").exists()
        assert sorted(p.name for p in complete.iterdir()) == [
            "conditions.json",
            "readings.jsonl",
            "report.json",
            "report.md",
        ]

    def test_an_answer_is_played_back_as_often_as_planned_at_the_same_inputs(self, complete: Path) -> None:
        played = [r for r in read_records(complete / LOG) if r["part"] == "playback"]
        by_target = {t: {tuple(r["in"]) for r in played if r["target_number"] == t} for t in (0, 1)}
        assert [len(inputs) for inputs in by_target.values()] == [1, 1]
        assert len(played) == 4
        assert {r["target_number"]: r["feasible"] for r in played} == {0: True, 1: False}
        assert played[0]["target"] == SHORT.target(played[0]["target_number"])

    @pytest.mark.parametrize("stop", [1, COUNT // 2, COUNT - 1])
    def test_goes_on_where_it_was_interrupted(self, tmp_path: Path, stop: int) -> None:
        folder = tmp_path / "out"
        with pytest.raises(_InterruptedError):
            short(folder, report=interrupted_after(stop)).run()
        before = (folder / LOG).read_bytes()
        assert len(read_records(folder / LOG)) == stop
        short(folder).run()
        records = read_records(folder / LOG)
        assert (folder / LOG).read_bytes().startswith(before)
        assert sorted(r["i"] for r in records) == sorted({r["i"] for r in records})
        assert len(records) == COUNT
        times = [r["time"] for r in records]
        assert times == sorted(times)
        document = make_report(folder)
        assert document["complete"]
        assert document["sessions"][0]["resumed"] == 1
        assert len({r["out"]["515nm"] for r in records}) > COUNT / 2  # the simulator's noise did not begin anew

    def test_a_report_of_an_interrupted_one_says_so(self, tmp_path: Path) -> None:
        with pytest.raises(_InterruptedError):
            short(tmp_path / "out", report=interrupted_after(30)).run()
        document = make_report(tmp_path / "out")
        assert not document["complete"]
        assert document["verdict"]["summary"][0] == f"Not complete: 30 of {COUNT} readings in 1 session."

    def test_sessions_begin_as_far_apart_as_asked(self, tmp_path: Path) -> None:
        run = short(tmp_path / "out")
        run.run(sessions=3, hours_apart=30)
        firsts = [next(r for r in read_records(tmp_path / "out" / LOG) if r["session"] == n)["time"] for n in range(3)]
        assert [round((t - firsts[0]) / 3600, 2) for t in firsts] == [0, 30, 60]
        document = write_report(tmp_path / "out", run.models)
        assert [s["readings"] for s in document["sessions"]] == [COUNT] * 3
        assert [b["sessions"] for b in document["between_sessions"]] == [[0, 1], [0, 2]]
        assert "## Session 3 against session 1" in (tmp_path / "out" / "report.md").read_text()

    def test_interrupted_between_sessions_it_keeps_its_plan(self, tmp_path: Path) -> None:
        with pytest.raises(_InterruptedError):
            short(tmp_path / "out", report=lambda _d, _t, what: _raise() if "waiting" in what else None).run(2, 48)
        assert len(read_records(tmp_path / "out" / LOG)) == COUNT
        short(tmp_path / "out").run()
        records = read_records(tmp_path / "out" / LOG)
        assert len(records) == 2 * COUNT
        assert records[COUNT]["time"] - records[0]["time"] == pytest.approx(48 * 3600, abs=1)

    def test_a_session_is_added_when_asked(self, tmp_path: Path) -> None:
        short(tmp_path / "out").run()
        with pytest.raises(BadReport, match="complete"):
            short(tmp_path / "out").run()
        assert len(read_records(tmp_path / "out" / LOG)) == COUNT
        short(tmp_path / "out").run(again=True)
        first, second = (
            [r for r in read_records(tmp_path / "out" / LOG) if r["session"] == n and r["part"] == "repeat"]
            for n in (0, 1)
        )
        assert len(first) == len(second)
        assert [r["out"] for r in first] != [r["out"] for r in second]

    def test_a_method_that_fails_leaves_a_remark_and_no_playback(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fails(*_: object, **__: object) -> None:
            raise BadData("It cannot be.", "Do otherwise.")

        monkeypatch.setattr(Laboratory, "fit", fails)
        short(tmp_path / "out").run()
        assert not any(r["part"] == "playback" for r in read_records(tmp_path / "out" / LOG))
        document = make_report(tmp_path / "out")
        assert "linear: It cannot be. Do otherwise." in document["verdict"]["to_look_at"]


def _raise() -> None:
    raise _InterruptedError


class TestRefusals:
    @pytest.fixture
    def begun(self, tmp_path: Path) -> Path:
        with pytest.raises(_InterruptedError):
            short(tmp_path / "out", report=interrupted_after(5)).run()
        return tmp_path / "out"

    def refused(self, run: Validation, match: str) -> None:
        before = {p.name: p.read_bytes() for p in run.folder.iterdir()}
        with pytest.raises(BadReport, match=match):
            run.run()
        assert {p.name: p.read_bytes() for p in run.folder.iterdir()} == before

    def test_another_device(self, begun: Path) -> None:
        self.refused(short(begun, "sim:3"), "of sim, not of sim:3")

    def test_another_protocol(self, begun: Path) -> None:
        self.refused(Validation(Laboratory(Config(state=begun)), begun, methods=LINEAR), "protocol short")

    def test_another_order_of_the_same_version(self, begun: Path) -> None:
        stored = json.loads((begun / "conditions.json").read_text())
        stored["protocol"]["order"] = "0" * 16
        (begun / "conditions.json").write_text(json.dumps(stored))
        self.refused(short(begun), "another order")

    def test_other_settings_within_a_session(self, begun: Path) -> None:
        lab = Laboratory(Config.model_validate({"state": begun.parent / "state", "sensor": {"gain": 64}}))
        self.refused(Validation(lab, begun, SHORT, LINEAR), "other settings")

    def test_readings_of_something_else(self, tmp_path: Path) -> None:
        (tmp_path / LOG).write_text('{"in": [0, 0, 0], "out": {"515nm": 5}}\n')
        self.refused(short(tmp_path), "without")

    def test_a_folder_in_use(self, begun: Path) -> None:
        handle = os.open(begun, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            with pytest.raises(InstrumentBusy):
                short(begun).run()
        finally:
            os.close(handle)

    @pytest.mark.parametrize("text", ["{", "[]", "{}", '{"schema": 99}', '{"schema": 1}'])
    def test_conditions_that_are_none(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "conditions.json").write_text(text)
        self.refused(short(tmp_path), "conditions.json")

    def test_no_instrument_leaves_no_session(self, tmp_path: Path) -> None:
        with pytest.raises(DeviceError):
            short(tmp_path / "out", "pi").run()
        assert not list((tmp_path / "out").iterdir())


class TestReport:
    def test_is_the_same_from_the_log_alone(self, complete: Path) -> None:
        before = {name: (complete / name).read_text() for name in ("report.json", "report.md")}
        write_report(complete)
        assert {name: (complete / name).read_text() for name in before} == before

    def test_a_method_that_is_not_installed_where_it_is_read_is_told(
        self, tmp_path: Path, complete: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shutil.copytree(complete, tmp_path, dirs_exist_ok=True)

        def missing(method: str) -> None:
            raise MissingLibrary(f"{method} is not here.", "Install it.")

        monkeypatch.setattr(registry, "create", missing)
        document = make_report(tmp_path)
        assert "linear: linear is not here. Install it." in document["verdict"]["to_look_at"]
        before = read_report(complete)["sessions"][0]["figures"]
        assert document["sessions"][0]["figures"]["playback"] == before["playback"]

    def test_names_a_simulated_instrument_first(self, complete: Path) -> None:
        first, *_ = (complete / "report.md").read_text().splitlines()
        assert first.startswith("# Validation of SIMULATED instrument sim, 20")
        assert read_report(complete)["simulated"] is True

    def test_says_under_which_conditions(self, complete: Path) -> None:
        (session,) = read_report(complete)["sessions"]
        assert session["versions"]["numpy"]
        assert session["settings"]["exposure"] == {"gain": 128, "atime": 100, "astep": 999}
        assert session["started"].endswith("Z")
        assert session["ended"] > session["started"]
        assert session["methods"] == ["linear"]

    def test_tells_nothing_of_machine_person_or_folder(self, complete: Path) -> None:
        private = {socket.gethostname(), str(Path.home()), str(complete.parent), "/tmp", os.environ.get("HOME", "")}
        for path in complete.iterdir():
            text = path.read_text()
            assert not [word for word in private if len(word) > 3 and word in text]

    def test_the_page_has_a_table_for_each_part(self, complete: Path) -> None:
        page = (complete / "report.md").read_text()
        headings = [line[3:] for line in page.splitlines() if line.startswith("## ")]
        assert headings[0] == "Conditions"
        assert len(headings) == 10
        for line in page.splitlines():
            assert not line.startswith("|") or line.count("|") > 2
        assert "not attainable" in page

    @pytest.mark.parametrize("name", ["readings.jsonl", "conditions.json"])
    def test_a_folder_that_is_none_is_refused(self, tmp_path: Path, complete: Path, name: str) -> None:
        (tmp_path / name).write_text((complete / name).read_text())
        with pytest.raises((BadReport, OSError, ValueError)):
            make_report(tmp_path)

    def test_readings_of_two_instruments_are_refused(self, tmp_path: Path, complete: Path) -> None:
        for name in ("readings.jsonl", "conditions.json"):
            (tmp_path / name).write_text((complete / name).read_text())
        with (tmp_path / LOG).open("a") as log:
            log.write(json.dumps(read_records(complete / LOG)[0] | {"device": "sim:3"}) + "\n")
        with pytest.raises(BadReport, match="sim, sim:3"):
            make_report(tmp_path)


class TestRemote:
    @pytest.fixture(autouse=True)
    def _no_proxy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("no_proxy", "127.0.0.1")

    @pytest.mark.parametrize(("behaviour", "behind"), [(retrolux, " (sim)"), (claude_light, "")])
    def test_an_address_stands_nowhere(self, tmp_path: Path, behaviour: Any, behind: str) -> None:
        with open_instrument("sim") as bench, serving(behaviour(bench)) as (url, _):
            run = short(tmp_path / "out", url)
            run.run()
            document = write_report(tmp_path / "out", run.models)
            with pytest.raises(BadReport, match="complete"):
                short(tmp_path / "out", url).run()
        assert document["device"] == conditions.label(url) + behind
        assert document["simulated"] is bool(behind)
        assert document["complete"]
        assert document["sessions"][0]["settings"] is None
        assert not any("127.0.0.1" in p.read_text() for p in (tmp_path / "out").iterdir())
        assert not [t for t in threading.enumerate() if t is not threading.main_thread() and not t.daemon]

    def test_a_label_tells_addresses_apart_and_keeps_no_password(self) -> None:
        plain = conditions.label("http://host:8000")
        assert plain == conditions.label("http://user:secret@host:8000/api") != conditions.label("http://host:8001")
        assert "host" not in plain
        assert conditions.label("http://host:8000 (pi)") == f"{plain} (pi)"
        assert [conditions.is_simulated(f"{plain}{d}") for d in (" (sim:3)", " (pi)", "")] == [True, False, False]


def test_the_hardware_path_is_validated_like_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the fakes of a Raspberry Pi's libraries, at another exposure than the usual one."""
    raspberry = become_raspberry_pi(make_parts(2, FakeClock()), monkeypatch, tmp_path)
    sensor = {"gain": 128, "atime": 0, "astep": 3599}
    lab = Laboratory(Config.model_validate({"state": tmp_path / "state", "device": "pi", "sensor": sensor}))
    run = Validation(lab, tmp_path / "out", SHORT, LINEAR)
    run.run()
    document = write_report(tmp_path / "out", run.models)
    assert document["device"] == "pi"
    assert document["simulated"] is False
    assert document["complete"]
    (session,) = document["sessions"]
    assert session["settings"]["exposure"] == {"gain": 128, "atime": 0, "astep": 3599}
    assert session["light"]["backend"]
    assert raspberry.held == set()
    assert (tmp_path / "out" / "report.md").read_text().startswith("# Validation of pi, 20")


class TestCommand:
    @pytest.fixture(autouse=True)
    def _short(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(validating, "PROTOCOL", SHORT)
        monkeypatch.setattr(validating, "available", lambda: LINEAR)

    def test_says_how_much_it_will_do_and_writes_a_dated_folder(self, cli: Cli, home: Path) -> None:
        done = cli("validate", "--device", "sim:3")
        assert done.code == 0
        assert f"{COUNT} readings a session, about 1 min" in done.err
        (folder,) = home.glob("validation-20??-??-??-sim-3")
        assert done.out.splitlines()[0].startswith("Validation of SIMULATED instrument sim:3")
        assert str(folder.name) in done.out
        assert not (home / "state" / "retrolux" / "rgb.jsonl").exists()

    def test_json_is_the_report(self, cli: Cli, home: Path) -> None:
        done = cli("validate", "-o", "out", "--json")
        assert done.json == json.loads((home / "out" / "report.json").read_text())
        assert cli("validate", "--report", "out", "--json").json == done.json

    def test_sessions_and_again(self, cli: Cli, home: Path) -> None:
        done = cli("validate", "-o", "out", "--sessions", 2, "--hours-apart", 24)
        assert "Session 2 against session 1: Of the instrument: 0 of" in done.out
        assert cli("validate", "-o", "out").code == 1
        assert cli("validate", "-o", "out", "--again").code == 0
        assert len(json.loads((home / "out" / "report.json").read_text())["sessions"]) == 3

    def test_interrupted_it_says_that_it_goes_on(self, cli: Cli, home: Path) -> None:
        with pytest.raises(_InterruptedError):
            Validation(Laboratory(Config()), home / "out", SHORT, LINEAR, interrupted_after(9)).run()
        done = cli("validate", "-o", "out")
        assert done.code == 0
        assert "going on with the interrupted session" in done.err
        assert "Complete" in done.out

    def test_two_folders_side_by_side(self, cli: Cli) -> None:
        cli("validate", "-o", "a")
        cli("validate", "-o", "b", "--device", "sim:3")
        same = cli("validate", "--compare", "a", "a", "--json").json
        assert same["exceeding"] == {"instrument": 0, "surroundings": 0}
        other = cli("validate", "--compare", "a", "b")
        assert "B: sim:3, simulated" in other.out
        assert "response 590nm slopes R" in other.out

    @pytest.mark.parametrize(
        "arguments",
        [
            ("--report", "a", "--compare", "a", "a"),
            ("--report", "a", "--again"),
            ("--compare", "a", "b", "--device", "sim"),
            ("--sessions", "0"),
            ("--hours-apart", "nan"),
        ],
    )
    def test_what_does_not_go_together_is_a_usage_error(self, cli: Cli, home: Path, arguments: tuple[str, ...]) -> None:
        assert cli("validate", *arguments).code == 2
        assert not list(home.glob("validation*"))

    def test_no_report_there_is_one_line(self, cli: Cli) -> None:
        for arguments in (("--report", "nowhere"), ("--compare", "nowhere", "nowhere")):
            done = cli("validate", *arguments)
            assert done.code == 1
            assert len(done.err.splitlines()) == 1
