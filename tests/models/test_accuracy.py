"""Units like the real one, readings unseen: the answer's error and the interval's coverage."""

import numpy as np
import pytest

from retrolux.models import registry
from tests.models.conftest import PAPER, TARGETS, light, make, truth


def test_nearly_every_unit_is_answered_within_the_promise(method):
    units, limit = (3, 0.05) if method == "forest" else (20, 0.015)
    good = 0
    for unit in range(units):
        answer = make(method).fit(light(100, unit, noise=0.01, drift=0.002), seed=unit).invert(PAPER)
        good += np.abs(truth(list(answer.inputs.values()))[:3] / 16384 - 1).max() <= limit
    assert good >= 0.95 * units


def test_the_interval_covers_nine_of_ten_unseen_readings(method):
    held = []
    for unit in range(2 if method == "forest" else 5):
        model = registry.create(method, targets=TARGETS).fit(light(100, unit), seed=unit)
        unseen = light(100, 100 + unit)
        unseen = unseen.take(~unseen.saturated[:, :3].any(axis=1))
        found = model.recover(TARGETS, unseen.select(TARGETS).outputs, samples=300)
        held.append(((found.low <= unseen.inputs) & (unseen.inputs <= found.high)).mean())
    assert 0.8 <= np.mean(held) <= 0.97


@pytest.mark.parametrize("corner", [(0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.9, 1.0)])
def test_the_ends_of_the_range_are_reached(method, corner):
    model = make(method).fit(light(100, 5))
    target = dict(zip(TARGETS, truth(corner)[:3].tolist(), strict=True))
    answer = model.invert(target)
    assert list(answer.inputs.values()) == pytest.approx(corner, abs=0.03)
    assert answer.feasible
