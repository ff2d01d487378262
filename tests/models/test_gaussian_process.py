"""The Gaussian process that evaluations set beside the methods."""

import numpy as np
import pytest
from scipy import stats

from retrolux.models import registry
from retrolux.models.gaussian_process import MOST, Process
from tests.models.conftest import PAPER, TARGETS, light, truth


def test_it_recovers_inputs_of_readings_it_has_not_seen():
    model = registry.create("gp", targets=TARGETS).fit(light(100, 1))
    unseen = light(100, 2)
    unseen = unseen.take(~unseen.saturated[:, :3].any(axis=1))
    found = model.recover(TARGETS, unseen.select(TARGETS).outputs)
    assert np.sqrt(((found.mean - unseen.inputs) ** 2).mean()) < 0.01
    assert 0.8 < ((found.low <= unseen.inputs) & (unseen.inputs <= found.high)).mean() < 0.98
    answer = model.invert(PAPER)
    assert truth(list(answer.inputs.values()))[:3] == pytest.approx(list(PAPER.values()), rel=0.02)


def test_it_bends_where_the_readings_do():
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1, (150, 1))
    y = np.sin(6 * x) + 0.05 * rng.standard_normal((150, 1))
    process = Process.learn(x, y, 0)
    grid = np.linspace(0.05, 0.95, 19)[:, None]
    found = process.posterior(grid, samples=0, seed=0)
    assert found.mean == pytest.approx(np.sin(6 * grid), abs=0.06)
    assert found.std == pytest.approx(0.05, rel=0.35)
    assert (found.high - found.low) / 2 == pytest.approx(stats.norm.ppf(0.95) * found.std)
    drawn = process.draw(np.repeat(grid[:1], 4000, axis=0), seed=1)
    assert drawn.std() == pytest.approx(found.std[0, 0], rel=0.05)


def test_it_is_saved_and_read(tmp_path):
    model = registry.create("gp", targets=TARGETS).fit(light(60, 1))
    model.save(tmp_path / "gp")
    assert registry.load(tmp_path / "gp").invert(PAPER) == model.invert(PAPER)


def test_many_readings_are_thinned():
    model = registry.create("gp", targets=TARGETS).fit(light(MOST + 60, 1))
    assert max(len(fit.given) for fit in model._fits.values()) == MOST
