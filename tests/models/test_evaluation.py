"""The evaluation, on readings made up and on real ones."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from retrolux.models.dataset import Dataset
from retrolux.models.errors import BadData, UnknownColumn
from retrolux.models.evaluation import evaluate
from retrolux.models.linear import LinearModel
from retrolux.models.registry import METHODS
from retrolux.models.scale import Scale
from tests.models.conftest import TARGETS, light

LAST_DAYS = ("2025-11-03", "2025-11-04")


def test_the_scores_are_what_the_definitions_say():
    train, test = light(80, 1), light(60, 2)
    used = [d.take(~d.saturated[:, :3].any(axis=1)) for d in (train, test)]
    result = evaluate(train, test, ("linear",)).to_json()
    assert result["n_train"] == len(used[0])
    assert result["n_test"] == len(used[1])
    assert result["left_out"] == {"train": 80 - len(used[0]), "test": 60 - len(used[1])}
    found = LinearModel().fit(used[0]).recover(TARGETS, used[1].select(TARGETS).outputs)
    miss = found.mean - used[1].inputs
    score = result["models"]["linear"]
    assert list(score["rmse"].values()) == pytest.approx(np.sqrt((miss**2).mean(axis=0)))
    variation = ((used[1].inputs - used[1].inputs.mean(axis=0)) ** 2).sum(axis=0)
    assert list(score["r2"].values()) == pytest.approx(1 - (miss**2).sum(axis=0) / variation)
    inside = (found.low <= used[1].inputs) & (used[1].inputs <= found.high)
    assert list(score["coverage90"].values()) == pytest.approx(inside.mean(axis=0))
    assert score["fit_seconds"] > 0
    assert score["invert_ms"] > 0


def test_a_reading_that_is_saturated_in_all_that_is_told_is_left_out():
    train, test = light(80, 1), light(60, 2)
    flags = test.saturated.copy()
    flags[:7, test.columns(("680nm",))] = True
    result = evaluate(train, replace(test, saturated=flags), ("linear",), condition="680nm", targets=("445nm",))
    seen = ~flags[:, test.columns(("680nm",))[0]] & ~flags[:, test.columns(("445nm",))[0]]
    assert result.n_test == int(seen.sum())


def test_tables_of_different_ends_are_not_compared():
    data = light(60, 1)
    other = replace(data, scale=Scale(np.zeros(3), np.full(3, 2.0)))
    with pytest.raises(BadData, match="different inputs"):
        evaluate(data, other, ("linear",))


def test_the_form_is_the_one_others_script_against():
    result = evaluate(light(60, 1), light(30, 2), ("linear", "pls"), condition="all").to_json()
    assert json.loads(json.dumps(result)) == result
    assert set(result) == {"n_train", "n_test", "left_out", "models"}
    assert set(result["models"]) == {"linear", "pls"}
    score = result["models"]["pls"]
    assert set(score) == {
        *(
            "rmse",
            "r2",
            "coverage90",
            "coverage90_together",
            "width",
            "crps",
            "pit",
            "rmse_between",
            "rmse_at_ends",
            "rmse_new",
            "rmse_range",
        ),
        *("coverage_range", "coverage_by_duty", "fit_seconds", "invert_ms"),
    }
    assert set(score["rmse"]) == {"R", "G", "B"}


@pytest.mark.parametrize("method", ["linear", "pls", "gmm"])
def test_a_saturated_channel_is_left_out_of_the_reading_not_the_reading(method):
    train, test = light(100, 1), light(60, 2)
    clear = test.saturated[:, 4]
    assert 5 < clear.sum() < 55
    everything = evaluate(train, test, (method,), condition="all")
    assert everything.n_test == (~test.saturated[:, :3].any(axis=1)).sum()
    assert max(everything.models[method].rmse.values()) < 0.01


def test_progress_runs_over_all_methods():
    seen = []
    evaluate(light(60, 1), light(30, 2), ("linear", "pls"), progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1


def test_what_cannot_be_compared_is_refused():
    data = light(60, 1)
    with pytest.raises(UnknownColumn, match="999nm"):
        evaluate(data, data, ("linear",), targets=("999nm",))
    with pytest.raises(BadData, match="condition"):
        evaluate(data, data, ("linear",), condition="some")
    with pytest.raises(BadData, match="No reading is left"):
        evaluate(data, data.take(data.saturated[:, 1]), ("linear",))
    other = Dataset(data.inputs[:, :2], data.outputs, data.saturated, ("R", "G"), data.output_names)
    with pytest.raises(BadData, match="different inputs"):
        evaluate(data, other, ("linear",))


@pytest.fixture(scope="module")
def real(real_data):
    """Real readings up to 2025-11-02, and those of the two days after."""
    path = real_data / "claude-light-2025.jsonl"
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    days = [datetime.fromtimestamp(r["time"], UTC).date().isoformat() for r in records]
    train = [r for r, day in zip(records, days, strict=True) if day < LAST_DAYS[0]]
    test = [r for r, day in zip(records, days, strict=True) if day in LAST_DAYS]
    return Dataset.from_records(train), Dataset.from_records(test)


# with three channels the sun decides, and two days have one sun each
@pytest.mark.slow
@pytest.mark.parametrize(("condition", "limit", "least"), [("all", 0.004, 0.8), ("targets", 0.04, 0.6)])
def test_real_readings_of_days_not_learnt_from(real, condition, limit, least, capsys):
    result = evaluate(*real, METHODS, condition=condition)
    with capsys.disabled():
        print(f"\nreal readings, {result.n_train} to learn from, {result.n_test} recovered, condition {condition}:")
        for method, score in result.models.items():
            figures = "  ".join(f"{n} {score.rmse[n]:.4f} ({score.coverage90[n]:.0%})" for n in score.rmse)
            print(f"  {method:7} RMSE (coverage)  {figures}  fit {score.fit_seconds:.1f} s")
    for score in result.models.values():
        assert max(score.rmse.values()) <= limit
        assert min(score.coverage90.values()) >= least
