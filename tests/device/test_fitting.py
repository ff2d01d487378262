"""The fit of the simulator: it finds the numbers of an instrument that it does not know, and ours are what it finds."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrolux.device.clock import FakeClock
from retrolux.device.designs import design
from retrolux.device.log import read_records
from retrolux.device.measurement import CHANNELS
from retrolux.device.settings import InstrumentSettings
from retrolux.device.sim import EFFECTS, Scene, make_parts, open_sim
from retrolux.device.sim.budget import scatter, table
from retrolux.device.sim.fit_noise import beat_covariance
from retrolux.device.sim.fitting import _before, fit
from retrolux.device.sim.unit import fitted, make_unit

NIGHT = 1_762_142_400.0  # 2025-11-03 04:00 UTC


def sitting(number: int, seed: int, epoch: float, n: int = 40) -> list[dict[str, Any]]:
    parts = make_parts(number, FakeClock(epoch), Scene(epoch=epoch))
    settings = design("lhs", n, seed)
    settings[: n // 4] = [
        tuple(round(v) if k == i % 3 else v for k, v in enumerate(s)) for i, s in enumerate(settings)
    ][: n // 4]
    with open_sim(number, InstrumentSettings(), parts) as instrument:
        return [instrument.measure(s).to_record() for s in settings]


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """The fit to a unit whose numbers are those of the package varied, by three nights and six days."""
    rows = []
    for day in range(9):
        hour = 0 if day < 3 else 11 + day  # 04:00, or 15:00 to 19:00 UTC
        rows += sitting(5, day, NIGHT + 86400 * day + 3600 * hour)
    bursts = []
    parts = make_parts(5, FakeClock(NIGHT), Scene(epoch=NIGHT))
    with open_sim(5, InstrumentSettings(), parts) as instrument:
        for i in range(90):
            if i == 30:
                parts.clock.sleep(12 * 3600)
            bursts += [
                instrument.measure((0, (i % 3) / 2, 0), ["515nm"]).to_record() | {"time": parts.clock.time()}
                for _ in range(5)
            ]
            parts.clock.sleep(61)
    return fit(rows, bursts)


def test_it_finds_the_light_of_an_unknown_unit(found: dict[str, Any]) -> None:
    truth = make_unit(5)
    scale = truth.clock
    for channel, colour in (("445nm", "B"), ("480nm", "G"), ("515nm", "G"), ("590nm", "R"), ("630nm", "R")):
        true = truth.leds.counts[CHANNELS.index(channel), "RGB".index(colour)] * scale
        assert found["channels"][channel][colour] == pytest.approx(true, rel=0.006), (channel, colour)


def test_it_finds_what_the_pulses_lose(found: dict[str, Any]) -> None:
    """What a pulse loses just below full duty, to 40 µs: this unit's beat is three times that of the fitted one."""
    truth = make_unit(5).pulses
    for k, colour in enumerate("RGB"):
        lost = found["pwm"]["ended_late"][colour] - found["pwm"]["begun_late"][colour]
        assert lost == pytest.approx(truth.ended_late[k] - truth.begun_late[k], abs=40e-6), colour


def test_it_finds_shot_noise_and_steadiness(found: dict[str, Any]) -> None:
    assert found["leds"]["supply"] == pytest.approx(make_unit(5).leds.supply, rel=0.6)
    assert found["sensor"]["shot"] < 4 * make_unit(5).shot


def test_two_outputs_alike_beat_alike() -> None:
    """At half duty and 28.08 periods the beat is 87 of 63 452 counts."""
    same = beat_covariance(np.array([0.5, 0.5]), 28.08)
    assert 63452 * np.sqrt(same[0, 0]) == pytest.approx(87, rel=0.03)
    assert same[0, 1] == pytest.approx(same[0, 0])


@pytest.mark.slow
def test_the_numbers_of_the_package_are_what_the_command_finds(real_data: Path) -> None:
    rows = _before(read_records(real_data / "claude-light-2025.jsonl"), date(2025, 11, 2), None)
    assert len(rows) == 624
    again = fit(rows, read_records(real_data / "claude-light-green-bursts-2024.jsonl"))
    ours = {name: part for name, part in fitted().items() if name != "provenance"}
    assert json.loads(json.dumps(again)).keys() == ours.keys()
    for c in CHANNELS:
        for colour in "RGB":
            assert again["channels"][c][colour] == pytest.approx(ours["channels"][c][colour], rel=1e-3, abs=1)
    assert again["pwm"]["jitter"] == pytest.approx(ours["pwm"]["jitter"], rel=0.02)


def test_days_can_be_left_out() -> None:
    rows = [{"time": 1_762_000_000.0 + 86400 * i} for i in range(4)]  # 2025-11-01 to 04
    assert [r["time"] for r in _before(rows, date(2025, 11, 2), None)] == [r["time"] for r in rows[:2]]
    assert len(_before(rows, None, date(2025, 11, 3))) == 3
    assert len(_before(rows, None, None)) == 4


# The noise budget


def test_without_any_effect_a_reading_repeats_exactly() -> None:
    assert scatter(EFFECTS, repeats=10, bursts=5).max() < 1


def test_the_bursts_scatter_as_the_real_ones() -> None:
    """Within a factor of 1.5 of 103 at half and 15 at full duty, and 0 to 8 counts in the dark."""
    *_, half, full, dark = scatter(repeats=5, bursts=60)
    assert 103 / 1.5 < half < 103 * 1.5
    assert 15 / 1.5 < full < 15 * 1.5
    assert dark <= 8


def test_the_beat_alone_at_half_duty() -> None:
    """About 87 counts at the nominal clock (median of bursts of five: 0.92 of the standard deviation)."""
    alone = scatter([e for e in EFFECTS if e != "beat"], repeats=5, bursts=150)
    assert alone[3] == pytest.approx(87, rel=0.15)


def test_the_budget_names_each_effect() -> None:
    text = table(repeats=3, bursts=2)
    assert all(f"without {effect}" in text for effect in EFFECTS)
    assert "| real | 70.8 |" in text
