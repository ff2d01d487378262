"""Aiming: the next reading's inputs from its target counts and the readings before it."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from retrolux.models import registry
from retrolux.models.aiming import aim
from retrolux.models.ambient import Ambient
from retrolux.models.dataset import Dataset
from retrolux.models.errors import BadData, NotFitted, UnknownColumn
from retrolux.models.state_space import StateSpace
from tests.models.conftest import make

NAMES = ("445nm", "515nm", "630nm", "nir")
GAINS = np.array([[40.0, 370, 30000], [390, 63000, 490], [29000, 1000, 700], [1400, 1200, 100]])
SKY = np.array([600.0, 1200, 1800, 2600])
TARGETS = NAMES[:3]


def room(sittings, seed, *, each=25, drift=0.02, noise=0.002):
    """Readings of a light in a room whose ambient light wanders, ``each`` in a sitting."""
    rng = np.random.default_rng(seed)
    n = sittings * each
    strength = np.exp(np.repeat(rng.normal(0, 0.5, sittings), each))
    strength *= np.exp(np.concatenate([np.cumsum(rng.normal(0, drift, each)) for _ in range(sittings)]))
    inputs = rng.uniform(0.05, 0.95, (n, 3))
    clean = inputs @ GAINS.T
    raw = (
        clean * (1 + noise * rng.standard_normal(clean.shape)) + strength[:, None] * SKY + rng.normal(0, 2, clean.shape)
    )
    times = np.repeat(10_000.0 * np.arange(sittings), each) + 5.0 * np.tile(np.arange(each), sittings)
    return Dataset(inputs, np.minimum(raw, 65535), raw >= 65535, ("R", "G", "B"), NAMES, times + 1e9 * seed)


def test_knowing_the_readings_before_takes_the_rooms_light_away():
    found = aim(room(12, 1), room(4, 2), ("linear", "pls", "gmm", "bayes"))
    assert (found.n_train, found.n_test + found.left_out, found.n_reference) == (300, 96, 4)
    for method, score in found.models.items():
        reference = found.reference[method]
        assert reference is not None
        assert score.rmse["R"] < 0.003
        assert reference.rmse["R"] > 3 * score.rmse["R"]
        assert 0.8 <= score.coverage90["R"] <= 1.0


def test_only_readings_before_are_used():
    """What follows a reading may be anything at all: its aim stays the same."""
    train, test = room(8, 1), room(1, 2)
    test = test.take(~test.saturated[:, :3].any(axis=1))
    whole = aim(train, test, ("linear",)).models["linear"]
    n = 12
    told = replace(test, outputs=np.vstack([test.outputs[:n], test.outputs[n:] + 5000.0]))
    odd = aim(train, told.take(np.arange(n)), ("linear",)).models["linear"]
    same = aim(train, test.take(np.arange(n)), ("linear",)).models["linear"]
    assert odd.rmse == same.rmse
    assert whole.rmse != same.rmse


def test_the_order_of_the_rows_does_not_matter():
    train, test = room(6, 1), room(2, 2)
    mixed = np.random.default_rng(0).permutation(len(test))
    a, b = (aim(train, t, ("linear",)).to_json() for t in (test, test.take(mixed)))
    assert json.loads(json.dumps(a)) is not None
    for name in ("rmse", "coverage90", "rmse_between"):
        assert a["models"]["linear"][name] == pytest.approx(b["models"]["linear"][name])


def test_what_cannot_be_aimed_at_is_refused():
    train, test = room(6, 1), room(2, 2)
    with pytest.raises(BadData, match="no time"):
        aim(train, replace(test, times=None), ("linear",))
    with pytest.raises(BadData, match="different inputs"):
        aim(train, replace(test, input_names=("a", "b", "c")), ("linear",))
    with pytest.raises(UnknownColumn, match="999nm"):
        aim(train, test, ("linear",), targets=("999nm",))
    with pytest.raises(BadData, match="No reading is left to aim at"):
        aim(train, test.take(np.array([0])), ("linear",))


# The light alone


def test_a_target_is_met_in_the_rooms_light_of_now(method):
    train = room(8, 3)
    state = StateSpace.learn(train)
    model = make(method).fit(train, state=state)
    inputs = np.array([0.4, 0.3, 0.5])
    for strength in (0.3, 1.0, 3.0):
        here = Ambient(NAMES, strength * SKY, np.diag(np.full(4, 5.0**2)))
        target = dict(zip(TARGETS, (GAINS @ inputs + strength * SKY)[:3].tolist(), strict=True))
        answer = model.invert(target, ambient=here)
        assert list(answer.inputs.values()) == pytest.approx(inputs, abs=0.005)
        assert answer.target == target
        assert answer.ambient == pytest.approx(dict(zip(NAMES, (strength * SKY).tolist(), strict=True)))
        assert answer.predicted["515nm"] == pytest.approx(target["515nm"], rel=0.01)
        assert answer.feasible
    net = model.invert(dict(zip(TARGETS, (GAINS @ inputs)[:3].tolist(), strict=True)), ambient=Ambient.none(NAMES))
    assert list(net.inputs.values()) == pytest.approx(inputs, abs=0.005)


@pytest.mark.parametrize("name", ["linear", "pls", "gmm", "bayes"])
def test_what_is_not_known_of_the_ambient_light_widens_the_answer(name):
    train = room(8, 3)
    model = make(name).fit(train, state=StateSpace.learn(train))
    target = {"445nm": 16000.0, "515nm": 16000.0, "630nm": 16000.0}
    sure, unsure = (
        model.invert(target, ambient=Ambient(NAMES, SKY, size**2 * np.outer(SKY, SKY) / SKY[2] ** 2 + np.eye(4)))
        for size in (1.0, 600.0)
    )
    # 600 counts at 630 nm are 0.0207 of R's 29000
    assert unsure.std["R"] == pytest.approx(np.hypot(sure.std["R"], 600 / 29000), rel=0.1)
    low, high = unsure.interval90["R"]
    assert high - low == pytest.approx(3.29 * unsure.std["R"], rel=0.1)


def test_a_model_without_it_says_so(method):
    train = room(3, 3)
    model = make(method).fit(replace(train, times=None))
    if method == "bayes":
        assert model.world.names == NAMES
        return
    with pytest.raises(NotFitted, match="light alone"):
        model.invert({"445nm": 16000.0}, ambient=Ambient.none(NAMES))
    with pytest.raises(NotFitted):
        _ = model.world


def test_it_is_saved_and_read_with_the_model(method, tmp_path):
    train = room(4, 3)
    model = make(method).fit(train, state=StateSpace.learn(train))
    model.save(tmp_path / "m")
    again = registry.load(tmp_path / "m")
    target, here = {"445nm": 16000.0, "515nm": 16000.0, "630nm": 16000.0}, Ambient(NAMES, SKY, np.eye(4))
    assert again.invert(target, ambient=here) == model.invert(target, ambient=here)
    assert again.world.now(train, float(train.times[-1]) + 5).mean == pytest.approx(
        model.world.now(train, float(train.times[-1]) + 5).mean
    )


@pytest.fixture(scope="module")
def real(real_data):
    path = real_data / "claude-light-2025.jsonl"
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    late = [datetime.fromtimestamp(r["time"], UTC).date().isoformat() >= "2025-11-03" for r in records]
    return tuple(
        Dataset.from_records([r for r, is_late in zip(records, late, strict=True) if is_late == part])
        for part in (False, True)
    )


@pytest.mark.slow
def test_real_readings_are_aimed_at(real, capsys):
    """The issue's limits: 0.0032, 0.0024 and 0.0026 for each of the four."""
    found = aim(*real, registry.available())
    with capsys.disabled():
        print(f"\nreal readings, {found.n_train} to learn from, {found.n_test} aimed at:")
        for method, s in found.models.items():
            print(f"  {method:7s}", " ".join(f"{k} {v:.4f} ({s.coverage90[k]:.0%})" for k, v in s.rmse.items()))
    assert (found.n_test, found.n_reference, found.left_out) == (118, 5, 2)
    for score in found.models.values():
        assert all(score.rmse[k] <= limit for k, limit in zip("RGB", (0.0032, 0.0024, 0.0026), strict=True))
