"""The figures of a validation, from logs whose truth is known."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from retrolux.device.measurement import CHANNELS
from retrolux.models import registry
from retrolux.models.dataset import Dataset
from retrolux.models.errors import BadData
from retrolux.models.evaluation import evaluate
from retrolux.models.model import Model
from retrolux.server.errors import BadReport
from retrolux.server.protocol import PROTOCOL, Step
from retrolux.server.validation import SessionReadings, figures
from retrolux.server.validation_verdict import to_look_at

AMBIENT = np.linspace(100, 1000, 10)
SLOPES = np.array([np.full(10, 300.0), np.full(10, 500.0), np.full(10, 400.0)])
SLOPES[0, [5, 6]], SLOPES[1, [3, 4]], SLOPES[2, [1, 2]] = (15000, 29000), (66000, 10000), (30000, 9000)
PAPER = ("445nm", "515nm", "630nm")
ANSWER = (0.5, 0.2, 0.5)


def records(noise: float = 20.0, seed: int = 0, slopes: np.ndarray = SLOPES) -> list[dict[str, Any]]:
    """The protocol measured by an instrument that is a straight line with noise, one reading each second."""
    rng = np.random.default_rng(seed)
    steps = PROTOCOL.opening() + PROTOCOL.playing(["linear"])
    return [
        record(step, AMBIENT + np.array(step.inputs or ANSWER) @ slopes + noise * rng.normal(size=10)) for step in steps
    ]


def record(step: Step, counts: np.ndarray) -> dict[str, Any]:
    tags = dict(step.tags)
    if step.inputs is None:
        tags |= {"target": PROTOCOL.target(tags["target_number"]), "feasible": tags["target_number"] != 7}
    out = dict(zip(CHANNELS, np.clip(counts, 0, 65535).round().astype(int).tolist(), strict=True))
    told = {"in": list(step.inputs or ANSWER), "out": out, "time": 1.7e9 + step.i, "elapsed": 0.6, "device": "test"}
    return told | {"session": 0, "part": step.part, "i": step.i} | tags


def found_in(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    readings = SessionReadings.of(rows, None)

    def fitted(method: str) -> Model:
        return registry.create(method).fit(readings.learnt(), seed=PROTOCOL.seed)

    return figures(readings, ["linear"], PROTOCOL.seed, fitted)


ROWS = records()


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return found_in(ROWS)


def column(channel: str, part: str, **tags: Any) -> np.ndarray:
    rows = [r for r in ROWS if r["part"] == part and all(r[k] == v for k, v in tags.items())]
    return np.array([r["out"][channel] for r in rows], float)


def test_repeats_are_taken_in_their_blocks(found: dict[str, Any]) -> None:
    blocks = np.array([column("515nm", "repeat", block=b) for b in range(5)])
    assert blocks.shape == (5, 10)
    own = found["repeats"]["515nm"]
    assert own["within"] == pytest.approx(np.sqrt(blocks.var(axis=1, ddof=1).mean()))
    assert own["mean"]["value"] == pytest.approx(blocks.mean())
    assert set(found["repeats"]) == set(CHANNELS)


def test_dark_level_is_the_ambient(found: dict[str, Any]) -> None:
    for channel, ambient in zip(CHANNELS, AMBIENT, strict=True):
        dark = found["dark"][channel]
        assert dark["mean"]["value"] == pytest.approx(column(channel, "dark").mean())
        assert abs(dark["mean"]["value"] - ambient) < 4 * dark["mean"]["se"]
        assert dark["mean"]["n"] == 12


def test_drift_follows_the_references(found: dict[str, Any]) -> None:
    times = np.array([r["time"] for r in ROWS if r["part"] == "reference"])
    slope = np.polyfit(times - times[0], column("630nm", "reference"), 1)[0]
    assert found["drift"]["630nm"]["counts_per_hour"]["value"] == pytest.approx(3600 * slope)


def test_a_drift_that_is_there_is_found_and_told() -> None:
    rows = [r | {"out": {c: v + round(3 * r["i"]) for c, v in r["out"].items()}} for r in ROWS]
    drifting = found_in(rows)
    slope = drifting["drift"]["630nm"]["counts_per_hour"]
    assert abs(slope["value"] - 3 * 3600) < 4 * slope["se"]
    assert any("drifted" in line for line in concerns(drifting))


def test_sweeps_find_each_colours_line_and_leave_saturated_readings_out(found: dict[str, Any]) -> None:
    sweeps = found["sweeps"]
    assert abs(sweeps["R 630nm"]["slope"]["value"] - 29000) < 4 * sweeps["R 630nm"]["slope"]["se"]
    assert abs(sweeps["B 445nm"]["step"]["value"]) < 4 * sweeps["B 445nm"]["step"]["se"]
    green = sweeps["G 515nm"]
    assert (green["saturated"], green["n"], green["step"]) == (3, 12, None)  # 66000 counts are beyond the sensor
    assert sweeps["G 555nm"]["step"] is not None


def test_response_is_the_instruments_own(found: dict[str, Any]) -> None:
    for channel in ("415nm", "445nm", "590nm"):
        k = CHANNELS.index(channel)
        own = found["response"][channel]
        for name, truth in zip("RGB", SLOPES[:, k], strict=True):
            assert abs(own["slopes"][name]["value"] - truth) < 4 * own["slopes"][name]["se"]
        assert own["scatter"] == pytest.approx(20, rel=0.25)
        assert own["n"] == 100


def test_held_out_readings_are_scored_as_evaluate_does(found: dict[str, Any]) -> None:
    rows = [r for r in ROWS if r["part"] == "hypercube"]
    train, test = (Dataset.from_records([r for r in rows if r["held_out"] is held]) for held in (False, True))
    score = evaluate(train, test, ["linear"], seed=PROTOCOL.seed)
    own = found["held_out"]["linear"]
    assert own["n_held_out"] == score.n_test
    assert {n: f["value"] for n, f in own["rmse"].items()} == pytest.approx(dict(score.models["linear"].rmse), rel=1e-3)
    assert {n: f["value"] for n, f in own["coverage90"].items()} == pytest.approx(
        dict(score.models["linear"].coverage90)
    )


def test_playback_compares_with_what_was_asked(found: dict[str, Any]) -> None:
    answers = found["playback"]["answers"]
    assert [a["target_number"] for a in answers] == list(range(8))
    first = answers[0]
    measured = column("515nm", "playback", target_number=0)
    assert first["error"]["515nm"]["counts"]["value"] == pytest.approx(measured.mean() - 16384)
    assert first["error"]["515nm"]["percent"] == pytest.approx(100 * (measured.mean() / 16384 - 1))
    assert first["n"] == len(measured) == 3
    percents = [e["percent"] for a in answers[:7] for e in a["error"].values()]
    linear = found["playback"]["methods"]["linear"]
    assert linear["rms_percent"]["value"] == pytest.approx(np.sqrt(np.mean(np.square(percents))))
    errors = [
        column(c, "playback", target_number=t).std(ddof=1) / PROTOCOL.target(t)[c] for t in range(7) for c in PAPER
    ]
    assert linear["noise_percent"] == pytest.approx(100 * np.sqrt(np.mean(np.square(errors)) / 3), rel=1e-3)
    counts = [e["counts"]["value"] for a in answers[:7] for e in a["error"].values()]
    assert linear["rms_counts"]["value"] == pytest.approx(np.linalg.norm(counts) / np.sqrt(21))
    assert linear["largest_percent"] == pytest.approx(np.abs(percents).max())
    assert (linear["attainable"], linear["targets"]) == (7, 8)


def test_a_target_out_of_reach_is_told(found: dict[str, Any]) -> None:
    (told,) = [line for line in concerns(found) if "not attainable" in line]
    assert "target 8 (28672, 40960, 20480)" in told


def test_saturation_and_time(found: dict[str, Any]) -> None:
    saturated = sum(r["out"]["515nm"] == 65535 for r in ROWS)
    assert found["saturated"]["readings"]["515nm"] == saturated > 3
    assert found["saturated"]["n"] == len(ROWS)
    assert found["time"]["seconds_per_reading"]["value"] == pytest.approx(0.6)
    assert found["time"]["minutes"] == pytest.approx((ROWS[-1]["i"] + 0.6) / 60)


def test_a_dead_colour_is_told_and_breaks_nothing() -> None:
    slopes = SLOPES.copy()
    slopes[1] = 0
    dead = found_in(records(noise=0, slopes=slopes))
    assert any(line.startswith("G is not seen at 515 nm") for line in concerns(dead))
    json.dumps(dead, allow_nan=False)


@pytest.mark.parametrize("made", [1, 5, 40, 150])
def test_what_was_interrupted_has_figures_as_far_as_it_went(made: int) -> None:
    part = found_in(ROWS[:made])
    json.dumps(part, allow_nan=False)
    assert part["saturated"]["n"] == made
    if made == 1:
        assert part["repeats"] == part["sweeps"] == {}
        assert "problem" in part["held_out"]["linear"]
    assert any("missing" in line for line in concerns(part, readings=made))


def test_a_method_that_cannot_be_fitted_is_a_remark() -> None:
    def fitted(_method: str) -> Model:
        raise BadData("It cannot.", "Do otherwise.")

    failing = figures(SessionReadings.of(ROWS, None), ["linear"], 0, fitted)
    assert failing["held_out"]["linear"] == {"problem": "It cannot. Do otherwise."}
    assert "linear: It cannot. Do otherwise." in concerns(failing)


def test_gain_and_time_are_brought_to_the_reference() -> None:
    """The same light at half the gain: half the counts, the same figures."""
    half = [r | {"gain": 64, "out": {c: v // 2 for c, v in r["out"].items()}} for r in ROWS]
    own = found_in(half)["dark"]["clear"]["mean"]["value"]
    assert own == pytest.approx(column("clear", "dark").mean(), abs=2)


def test_a_log_with_a_channel_missing_here_and_there_is_refused() -> None:
    with pytest.raises(BadReport):
        SessionReadings.of([*ROWS[:-1], ROWS[-1] | {"out": {"515nm": 5}}], None)


def concerns(own: dict[str, Any], readings: int = len(ROWS)) -> list[str]:
    session = {
        "number": 0,
        "readings": readings,
        "planned": len(ROWS),
        "remarks": [],
        "recoveries": None,
        "figures": own,
    }
    return to_look_at({"sessions": [session]})
