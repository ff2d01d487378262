"""Is what the forest wins over a straight line generative, or the step at full duty, the bounds, and bends?

On real readings of days not learnt from, all channels known: ``pytest -m study tests/e2e/test_generative_gain.py -s``
prints the table of models/README.md.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.ensemble import GradientBoostingRegressor

from retrolux.device.log import read_records
from retrolux.models import partial_least_squares, registry
from retrolux.models.dataset import Dataset

Array = NDArray[np.float64]
SPLIT = "2025-11-03"
BAGS = 5


@pytest.fixture(scope="module")
def real(real_data: Path) -> tuple[Dataset, Dataset]:
    """Readings whose nine narrow channels are unsaturated, before and from the split."""
    rows: list[dict[str, Any]] = [dict(r) for r in read_records(real_data / "claude-light-2025.jsonl")]
    late = [datetime.fromtimestamp(r["time"], UTC).date().isoformat() >= SPLIT for r in rows]
    both = (Dataset.from_records([r for r, x in zip(rows, late, strict=True) if x is y]) for y in (False, True))
    narrow = [data.without(["clear"]) for data in both]
    train, test = (data.take(~data.saturated.any(axis=1)) for data in narrow)
    return train, test


def line(x: Array, y: Array) -> Any:
    fitted, _ = partial_least_squares.fit_line(x, y, seed=0)
    return lambda z: fitted.intercept + z @ fitted.slopes


def with_trees(x: Array, y: Array, z: Array) -> Array:
    """Return what boosted trees make of a line's residuals: one number for each input, nothing is generated."""
    ahead = line(x, y)
    left, out = y - ahead(x), ahead(z)
    for k in range(y.shape[1]):
        trees = [
            GradientBoostingRegressor(
                n_estimators=150, max_depth=4, learning_rate=0.06, subsample=0.6, min_samples_leaf=15, random_state=seed
            ).fit(np.c_[x, ahead(x)], left[:, k])
            for seed in range(BAGS)
        ]
        out[:, k] += np.mean([t.predict(np.c_[z, ahead(z)]) for t in trees], axis=0)
    return np.asarray(out)


def rmse(found: Array, true: Array) -> Array:
    return np.asarray(np.sqrt(np.mean((np.clip(found, 0, 1) - true) ** 2, axis=0)))


@pytest.mark.study
def test_what_the_forest_wins(real: tuple[Dataset, Dataset], capsys: pytest.CaptureFixture[str]) -> None:
    train, test = real
    x, y, z = train.outputs, train.inputs, test.outputs
    between = ((y > 0) & (y < 1)).all(axis=1)
    names = train.output_names
    found = {
        "line": line(x, y)(z),
        "line of the readings between 0 and 1": line(x[between], y[between])(z),
        "line, boosted trees on its residuals": with_trees(x, y, z),
        "line, forest flow on its residuals": registry.create("forest", targets=names)
        .fit(train)
        .recover(names, z)
        .mean,
        "bayes": registry.create("bayes", targets=names).fit(train).recover(names, z).mean,
    }
    errors = {name: rmse(answer, test.inputs) for name, answer in found.items()}
    seen = {tuple(row) for row in y.tolist()}
    new = np.array([tuple(row) not in seen for row in test.inputs.tolist()])
    with capsys.disabled():
        print(f"\n{len(new)} readings, {new.sum()} of settings not learnt from")
        for name, answer in found.items():
            print(f"{name:40} {errors[name].round(4)}  new {rmse(answer[new], test.inputs[new]).round(4)}")
    assert errors["line, forest flow on its residuals"][0] < errors["line"][0]
