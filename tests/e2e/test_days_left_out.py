"""Intervals on real days that were not learnt from: each autumn day left out in turn, all of them pooled."""

import json
from datetime import UTC, datetime

import numpy as np
import pytest

from retrolux.models import registry
from retrolux.models.aiming import aim
from retrolux.models.dataset import Dataset
from retrolux.models.evaluation import evaluate

AUTUMN = "2025-10-01"
LEAST, MOST = 0.87, 0.93
TOGETHER = 0.96
WIDEST = 1.25 * 2 * 1.645
"""Mean width of an interval, in root mean squares of the error."""

LONG = ("bayes", "forest")
"""Methods whose eight fits take minutes: `pytest -m study tests/e2e/test_days_left_out.py`."""


@pytest.fixture(scope="module")
def days(real_data):
    """Pairs of what to learn from and what to be asked of, one an autumn day."""
    path = real_data / "claude-light-2025.jsonl"
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    day = np.array([datetime.fromtimestamp(r["time"], UTC).date().isoformat() for r in records])
    return [
        tuple(
            Dataset.from_records([r for r, out in zip(records, day == d, strict=True) if out == left])
            for left in (0, 1)
        )
        for d in np.unique(day[day >= AUTUMN])
    ]


def recovered(method, train, test):
    """All channels but those saturated in a reading tell which inputs made it."""
    found = evaluate(train, test, (method,), condition="all")
    return found.models[method], found.n_test


def aimed(method, train, test):
    """Each reading's own targets, in the ambient light that those before it tell of."""
    found = aim(train, test, (method,))
    return found.models[method], found.n_test


def _figures(score):
    """Coverage, mean width and mean squared error of each input, in a row."""
    rmse = np.array(list(score.rmse.values()))
    return np.hstack([list(score.coverage90.values()), np.array(list(score.width.values())) * 3.29 * rmse, rmse**2])


@pytest.mark.parametrize("mode", [recovered, aimed])
@pytest.mark.parametrize(
    "method",
    [pytest.param(m, marks=pytest.mark.study if m in LONG else pytest.mark.slow) for m in registry.available()],
)
def test_nine_of_ten_hold_on_days_not_learnt_from(days, method, mode, capsys):
    parts = [mode(method, *day) for day in days]
    share = np.array([n for _, n in parts]) / sum(n for _, n in parts)
    held, width, error = (share @ [_figures(s) for s, _ in parts]).reshape(3, -1)
    together, rmse = float(share @ [s.coverage90_together for s, _ in parts]), np.sqrt(error)
    with capsys.disabled():
        print(f"\n{mode.__name__:9} {method:7} {sum(n for _, n in parts)} readings of {len(parts)} days:")
        print(f"  intervals hold {held.round(3)}, together {together:.3f}")
        print(f"  RMSE {rmse.round(4)}, width / RMSE {(width / rmse).round(2)}")
    assert ((held.round(2) >= LEAST) & (held.round(2) <= MOST)).all()
    assert LEAST <= together <= TOGETHER
    assert (width <= WIDEST * rmse).all()
