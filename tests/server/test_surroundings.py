"""The ambient light of now, from a log's latest readings."""

from typing import Any

import numpy as np
import pytest

from retrolux.models import registry
from retrolux.models.model import Model
from retrolux.models.state_space import StateSpace
from retrolux.server.readings import to_dataset
from retrolux.server.surroundings import FEWEST, Surroundings, ambient_now, with_dark_frames

CHANNELS = ("445nm", "515nm", "630nm", "nir")
GAINS = np.array([[40.0, 370, 30000], [390, 63000, 490], [29000, 1000, 700], [1400, 1200, 100]])
SKY = np.array([600.0, 1200, 1800, 2600])
NOW = 1_763_000_000.0


def records(n: int, strength: float, *, seed: int = 0, until: float = NOW, **extra: Any) -> list[dict[str, Any]]:
    """Readings five seconds apart, the last five seconds ago."""
    rng = np.random.default_rng(seed)
    inputs = rng.uniform(0.1, 0.8, (n, 3))
    counts = inputs @ GAINS.T * (1 + 0.002 * rng.standard_normal((n, 4))) + strength * SKY + rng.normal(0, 2, (n, 4))
    return [
        {"in": x.tolist(), "out": dict(zip(CHANNELS, y.round().tolist(), strict=True)), "time": until - 5.0 * (n - i)}
        | {"device": "sim"}
        | extra
        for i, (x, y) in enumerate(zip(inputs, counts, strict=True))
    ]


@pytest.fixture(scope="module")
def model() -> Model:
    """A model of sittings on several days, each with ambient light of its own."""
    days = [records(20, s, seed=i, until=NOW - 1e5 * (9 - i)) for i, s in enumerate((0.3, 0.6, 1.0, 1.5, 2.0, 0.8))]
    data = to_dataset([r for day in days for r in day], source="test")[0]
    return registry.create("linear").fit(data, state=StateSpace.learn(data))


def test_it_is_that_of_the_readings_just_before(model: Model) -> None:
    found = ambient_now(model, records(10, 1.2, seed=7), NOW, only="sim")
    assert found is not None
    assert found.mean == pytest.approx(1.2 * SKY, rel=0.1)
    later = ambient_now(model, records(10, 1.2, seed=7), NOW + 300, only="sim")
    assert later is not None
    assert np.trace(later.covariance) > np.trace(found.covariance)


def test_readings_of_ten_minutes_ago_or_of_another_instrument_tell_nothing(model: Model) -> None:
    assert ambient_now(model, records(10, 1.2, until=NOW - 700), NOW, only="sim") is None
    assert ambient_now(model, records(10, 1.2), NOW, only="pi") is None
    assert ambient_now(model, [], NOW, only="sim") is None
    short = [{**r, "out": {"515nm": 1000}} for r in records(10, 1.2)]
    assert ambient_now(model, short, NOW, only="sim") is None


def test_one_dark_frame_tells_more_than_one_reading(model: Model) -> None:
    (lit,) = records(1, 1.2, seed=3)
    dark = {**lit, "dark": dict(zip(CHANNELS, (1.2 * SKY).round().tolist(), strict=True))}
    assert with_dark_frames([lit]) == [lit]
    assert [r["in"] for r in with_dark_frames([dark])] == [lit["in"], [0.0, 0.0, 0.0]]
    without, with_it = (ambient_now(model, [one], NOW, only="sim") for one in (lit, dark))
    assert without is not None
    assert with_it is not None
    assert np.trace(with_it.covariance) < np.trace(without.covariance)
    wrong, less = (np.abs(found.mean - 1.2 * SKY).sum() for found in (without, with_it))
    assert less < wrong


def test_the_state_is_learnt_once_for_all_methods_and_only_where_it_can_be() -> None:
    data = to_dataset(records(30, 1.0), source="test")[0]
    surroundings = Surroundings()
    assert surroundings.state(data) is surroundings.state(data)
    assert surroundings.state(data.take(np.arange(FEWEST - 1))) is None
    untimed = to_dataset([{k: v for k, v in r.items() if k != "time"} for r in records(30, 1.0)], source="test")[0]
    assert surroundings.state(untimed) is None
