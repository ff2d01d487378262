"""The bring-up: on the emulator each step agrees, and on a chip that is otherwise it says so."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from retrolux.device import passes
from retrolux.device.bench import Bench
from retrolux.device.bringup import Outcome, Step, Verdict
from retrolux.device.bringup_readings import STEPS
from retrolux.device.clock import FakeClock
from retrolux.device.errors import BadInput, InstrumentClosed
from retrolux.device.measurement import CHANNELS
from retrolux.device.settings import InstrumentSettings
from retrolux.device.sim import Parts, Scene, chip, make_parts, open_sim
from retrolux.device.sim.ambient import Given
from retrolux.device.sim.pwm import PwmPin
from retrolux.device.sim.unit import make_unit
from tests.device.conftest import EPOCH

BY_NAME = {step.name: step for step in STEPS}
AGREE_AT_ONCE = [name for name in BY_NAME if name not in {"sync", "cap", "dip"}]


class Observer:
    """Sees which of the emulated pins is on, or tells a story of its own."""

    def __init__(self, *story: str) -> None:
        self.answers = iter(story or "rgb" * 9)
        self.questions: list[str] = []

    def ask(self, question: str) -> str:
        self.questions.append(question)
        return next(self.answers)


def take(name: str, scene: Scene | None = None, number: int = 0, person: Observer | None = None) -> Outcome:
    scene = scene or Scene()
    parts = make_parts(number, FakeClock(EPOCH), scene)
    with open_sim(number, scene.light, parts) as bench:
        return taken(BY_NAME[name], bench, parts, person)


def taken(step: Step, bench: Bench, parts: Parts, person: Observer | None = None) -> Outcome:
    outcome = step.taken(bench, person or Observer())
    assert [pin.fraction for pin in parts.pins] == [0, 0, 0]
    json.dumps(step.to_json(outcome), allow_nan=False)
    return outcome


@pytest.fixture
def bench(parts: Parts) -> Iterator[Bench]:
    with open_sim(0, InstrumentSettings(), parts) as opened:
        yield opened


@pytest.mark.parametrize("number", [0, 4, 9])
@pytest.mark.parametrize("name", AGREE_AT_ONCE)
def test_the_emulator_agrees_with_itself(name: str, number: int) -> None:
    assert take(name, number=number).verdict is Verdict.AGREES


@pytest.mark.parametrize("backend", ["sysfs", "pca9685"])
@pytest.mark.parametrize("name", ["full duty", "pulses", "overload", "latch"])
def test_other_lights_do_too(name: str, backend: str) -> None:
    scene = Scene(light=InstrumentSettings(pwm_backend=backend))
    assert take(name, scene, number=0).verdict is Verdict.AGREES


def test_readings_are_as_before_after_every_step() -> None:
    """No step leaves registers behind that alter a reading."""
    parts = make_parts(0, FakeClock(EPOCH), Scene(ambient=Given([0.0, 1.0], np.full((2, 10), 500.0))))
    with open_sim(0, InstrumentSettings(), parts) as bench:
        before = bench.measure((1, 0, 0)).outputs
        for step in STEPS:
            taken(step, bench, parts)
            after = bench.measure((1, 0, 0)).outputs
            assert all(after[c] == pytest.approx(before[c], rel=0.05, abs=30) for c in CHANNELS), step.name
        assert bench.sensor.recovery.succeeded["first attempt"] == bench.sensor.recovery.succeeded.total()


class TestAChipThatIsOtherwise:
    def test_data_valid_that_outlives_a_read(self, parts: Parts, bench: Bench) -> None:
        parts.chip.valid_clears_on_read = False
        found = taken(BY_NAME["valid"], bench, parts)
        assert found.verdict is Verdict.DIFFERS
        assert found.seen.startswith("Data-valid is cleared by a new start.")
        assert found.numbers["outlives"] == {"STATUS2": True, "DATA": True, "ASTATUS": True, "a new start": False}

    def test_data_registers_that_show_the_newest_frame(
        self, parts: Parts, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        read = parts.chip.read

        def newest(register: int) -> int:
            if 0x95 <= register < 0xA1:
                parts.chip._advance()
                return parts.chip._frame[register - 0x94]
            return read(register)

        monkeypatch.setattr(parts.chip, "read", newest)
        found = taken(BY_NAME["latch"], bench, parts)
        assert (found.verdict, found.numbers["before"]) == (Verdict.DIFFERS, found.numbers["after"])

    def test_a_mark_that_is_lost(self, parts: Parts, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        read = parts.chip.read
        monkeypatch.setattr(parts.chip, "read", lambda register: 0 if register == 0x84 else read(register))
        found = taken(BY_NAME["mark"], bench, parts)
        assert found.verdict is Verdict.FAILED
        assert "the mark that it was given" in found.seen

    def test_a_longer_autozero(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(chip, "AUTOZERO", 0.022)
        found = take("autozero")
        assert found.verdict is Verdict.DIFFERS
        assert found.numbers["autozero_seconds"] == pytest.approx(0.022, abs=0.001)

    @pytest.mark.parametrize(("clock", "verdict"), [(1.03, Verdict.AGREES), (1.08, Verdict.DIFFERS)])
    def test_a_sensors_clock(self, clock: float, verdict: Verdict) -> None:
        found = take("autozero", Scene(unit=replace(make_unit(0), clock=clock)))
        assert found.verdict is verdict
        assert found.numbers["clock"] == pytest.approx(clock, abs=0.003)

    @pytest.mark.parametrize("overload", [0.9, 3.2])
    def test_an_overload_at_other_light(self, monkeypatch: pytest.MonkeyPatch, overload: float) -> None:
        monkeypatch.setattr(chip, "OVERLOAD", overload)
        found = take("overload")
        assert found.verdict is Verdict.DIFFERS
        points = found.numbers["counts_per_step_flag_shown"]
        assert all(flag == (step > overload) for step, flag, _ in points)
        assert max(step for step, flag, _ in points if not flag) > 0.7 * overload  # it was nearly found

    def test_a_map_that_is_wrong(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(passes._HALVES, "590nm", ((0x04, 0), (0x0E, 0)))  # half of it is 680 nm's
        found = take("six")
        assert found.verdict is Verdict.DIFFERS
        assert "590 nm" in found.seen
        assert "515 nm" not in found.seen

    def test_a_gain_step_that_is_far_off(self) -> None:
        unit = make_unit(0)
        found = take(
            "gains", Scene(unit=replace(unit, gains={g: r * (1.2 if g == 256 else 1) for g, r in unit.gains.items()}))
        )
        assert found.verdict is Verdict.DIFFERS
        assert "the farthest from nominal is 256, by +2" in found.seen

    def test_pulses_that_lose_more(self) -> None:
        unit = make_unit(0)
        late = replace(unit, pulses=replace(unit.pulses, ended_late=np.full(3, 4e-4)))
        found = take("full duty", Scene(unit=late))
        assert found.verdict is Verdict.DIFFERS
        assert min(found.numbers["steps"]) > 0.02

    def test_pulses_of_another_frequency(self, parts: Parts) -> None:
        with open_sim(0, InstrumentSettings(), parts) as bench:
            for pin in parts.pins:
                assert isinstance(pin, PwmPin)
                pin.frequency = 95.3
            found = taken(BY_NAME["pulses"], bench, parts)
        assert found.verdict is Verdict.DIFFERS
        assert found.numbers["ratio"] == pytest.approx(0.953, abs=0.002)


class TestWhatThePersonDoes:
    def test_colours_that_are_seen_otherwise(self) -> None:
        person = Observer("green", "x", "r", "b")
        found = take("colours", person=person)
        assert found.verdict is Verdict.DIFFERS
        assert found.numbers["answers"] == {"red": "g", "green": "r", "blue": "b"}
        assert len(person.questions) == 4  # what is no answer is asked again

    @pytest.mark.parametrize(
        ("level", "verdict"), [(0.0, Verdict.AGREES), (7.0, Verdict.DIFFERS), (2000.0, Verdict.UNCLEAR)]
    )
    def test_a_cap(self, level: float, verdict: Verdict) -> None:
        """Counts at gain 128 and 281 ms; at gain 512 and 98 ms they are 1.4 times as many."""
        dark = Given([0.0, 1.0], np.full((2, 10), level))
        assert take("cap", Scene(ambient=dark)).verdict is verdict

    def test_a_dip_that_was_one(self, parts: Parts, bench: Bench) -> None:
        parts.chip.power_loss()
        assert taken(BY_NAME["dip"], bench, parts).verdict is Verdict.AGREES
        again = taken(BY_NAME["dip"], bench, parts)  # the mark is set anew at once
        assert again.verdict is Verdict.UNCLEAR

    def test_a_wire_that_was_not_put_back(self, parts: Parts, bench: Bench) -> None:
        parts.bus.present = False
        found = taken(BY_NAME["dip"], bench, parts)
        assert found.verdict is Verdict.FAILED
        assert "No sensor answers at address 0x39" in found.seen

    def test_a_wire_from_a_colours_pin(self) -> None:
        assert take("sync").verdict is Verdict.SKIPPED
        scene = Scene(light=InstrumentSettings(sync="green"))
        found = take("sync", scene)
        assert found.verdict is Verdict.AGREES
        assert "25.000 periods" in found.seen
        assert take("pulses", scene).verdict is Verdict.UNCLEAR
        assert take("full duty", scene).verdict is Verdict.AGREES

    @pytest.mark.parametrize("name", ["latch", "overload", "six", "full duty"])
    def test_too_little_light_decides_nothing(self, name: str) -> None:
        assert take(name, Scene(fault="sensor blinded")).verdict is Verdict.UNCLEAR


class TestALightThatIsHeld:
    def test_it_is_dark_afterwards_whatever_happens(self, parts: Parts, bench: Bench) -> None:
        def fail() -> None:
            with bench.held((1.0, 0.5, 0.0)):
                assert [pin.fraction for pin in parts.pins] == pytest.approx([1, 0.5, 0], abs=1e-4)
                raise RuntimeError

        with pytest.raises(RuntimeError):
            fail()
        assert [pin.fraction for pin in parts.pins] == [0, 0, 0]

    @pytest.mark.parametrize("act", [lambda bench: bench.held((2.0, 0, 0))])
    def test_bad_duties_are_refused_before_anything_moves(
        self, parts: Parts, bench: Bench, act: Callable[[Bench], None]
    ) -> None:
        moved = [pin.changes for pin in parts.pins]
        with pytest.raises(BadInput), act(bench):
            pass
        assert [pin.changes for pin in parts.pins] == moved

    def test_a_closed_instrument_is_refused(self, bench: Bench) -> None:
        bench.close()
        with pytest.raises(InstrumentClosed), bench.held((1.0, 0, 0)):
            pass


def test_steps_have_names_of_their_own_and_say_what_to_do() -> None:
    assert len(BY_NAME) == len(STEPS)
    assert all(step.title and step.todo.endswith(".") and step.assumed for step in STEPS)
