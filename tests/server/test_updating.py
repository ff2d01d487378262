"""Models that keep up with the log."""

import json

import numpy as np
import pytest

from retrolux.device.log_queries import newest
from retrolux.device.measurement import Exposure
from retrolux.models import registry
from retrolux.server import updating
from retrolux.server.config import Config
from retrolux.server.laboratory import Laboratory
from retrolux.server.updating import Keeper

METHODS = ["linear", "pls"]
TARGET = {"445nm": 9000.0, "515nm": 16000.0, "630nm": 9000.0}


@pytest.fixture
def laboratory(tmp_path):
    with Laboratory(Config(device="sim", state=tmp_path)) as found:
        collect(found, 40, 0)
        data, device = found.own_dataset()
        for model in found.fit(data, METHODS):
            found.store.save(model, device)
        yield found


def collect(laboratory, n: int, seed: int) -> None:
    for row in np.random.default_rng(seed).random((n, 3)):
        laboratory.measure([float(x) for x in row * 0.8])


def learn(keeper) -> dict:
    """Let both models learn what is new in the log, and return what they tell."""
    for method in METHODS:
        keeper.up_to_date(method)
    return {method: keeper.told(method) for method in METHODS}


def append(laboratory, records) -> None:
    with laboratory.log_path.open("a") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)


def test_what_is_logged_is_learnt_as_by_a_fit(laboratory):
    keeper = Keeper(laboratory)
    for seed in range(1, 4):
        collect(laboratory, 5, seed)
        told = learn(keeper)
        assert told["linear"]["n_rows"] == 40 + 5 * seed
        assert told["linear"]["stale"] is None
    data, _ = laboratory.own_dataset()
    assert told["pls"]["until"] == data.times.max()
    for method in ("linear", "pls"):
        expected = registry.create(method).fit(data)
        points = np.array([[0.2, 0.3, 0.4]])
        assert laboratory.store.get(method).predict(points) == pytest.approx(expected.predict(points), rel=1e-8)


def test_nothing_is_learnt_twice(laboratory):
    keeper = Keeper(laboratory)
    collect(laboratory, 3, 1)
    assert learn(keeper) == learn(keeper)
    assert keeper.told("linear")["n_rows"] == 43


def test_what_was_not_saved_is_caught_up_with(laboratory):
    collect(laboratory, 6, 1)
    learn(Keeper(laboratory))
    with Laboratory(laboratory.config) as again:
        assert again.store.get("linear").n_rows == 40
        assert learn(Keeper(again))["linear"]["n_rows"] == 46


def test_it_is_saved_now_and_then_and_at_the_end(laboratory, monkeypatch):
    monkeypatch.setattr(updating, "FEWEST", 4)
    keeper, saves = Keeper(laboratory), []
    keep = laboratory.store.keep
    monkeypatch.setattr(laboratory.store, "keep", lambda model: saves.append(model.n_rows) or keep(model))
    for seed in range(3):
        collect(laboratory, 2, seed + 1)
        learn(keeper)
    assert saves == [44, 44]
    for method in METHODS * 2:
        keeper.save(method)
    assert saves == [44, 44, 46, 46]
    with Laboratory(laboratory.config) as again:
        assert again.store.get("pls").n_rows == 46
        assert again.store.device("pls") == "sim"


def test_a_fit_meanwhile_is_what_goes_on(laboratory):
    keeper = Keeper(laboratory)
    learn(keeper)
    collect(laboratory, 4, 1)
    data, device = laboratory.own_dataset()
    with Laboratory(laboratory.config) as other:
        (model,) = other.fit(data, ["linear"])
        other.store.save(model, device)
    collect(laboratory, 2, 2)
    assert learn(keeper)["linear"]["n_rows"] == 46


def test_readings_that_lack_a_channel_change_nothing(laboratory):
    keeper = Keeper(laboratory)
    laboratory.measure([0.1, 0.2, 0.3], channels=("nir",))
    assert learn(keeper)["linear"]["n_rows"] == 40
    assert laboratory.model("linear").invert(TARGET).inputs.keys() == {"R", "G", "B"}


def test_far_behind_it_leaves_it_to_a_fit(laboratory, monkeypatch):
    monkeypatch.setattr(updating, "MOST", 3)
    collect(laboratory, 5, 1)
    told = learn(Keeper(laboratory))["linear"]
    assert told["n_rows"] == 40
    assert "More than 3 readings" in told["stale"]


def test_a_log_that_has_not_changed_is_not_read(laboratory, monkeypatch):
    keeper, read = Keeper(laboratory), []
    monkeypatch.setattr(updating, "newest", lambda *a, **k: read.append(a) or newest(*a, **k))
    collect(laboratory, 2, 1)
    for _ in range(3):
        assert keeper.up_to_date("linear").n_rows == 42
    assert len(read) == 1


def test_what_was_learnt_does_not_replace_a_fit_that_came_meanwhile(laboratory):
    keeper = Keeper(laboratory)
    collect(laboratory, 4, 1)
    assert learn(keeper)["linear"]["n_rows"] == 44
    data, device = laboratory.own_dataset()
    with Laboratory(laboratory.config) as other:
        (model,) = other.fit(data, ["linear"], seed=5)
        other.store.save(model, device)
    for method in METHODS:
        keeper.save(method)
    with Laboratory(laboratory.config) as again:
        assert again.store.made("linear")["seed"] == 5
        assert again.store.get("pls").n_rows == 44


def test_readings_of_another_instrument_are_not_learnt(laboratory):
    (record,) = newest(laboratory.log_path, 1)
    append(laboratory, [record | {"device": "sim:2", "time": record["time"] + 60}])
    assert learn(Keeper(laboratory))["linear"]["n_rows"] == 40
    append(laboratory, [{k: v for k, v in record.items() if k != "device"} | {"time": record["time"] + 70}])
    assert learn(Keeper(laboratory))["linear"]["n_rows"] == 40


def test_a_gain_that_is_not_calibrated_is_not_learnt(laboratory):
    laboratory.measure([0.1, 0.2, 0.3], exposure=Exposure(gain=64))
    assert learn(Keeper(laboratory))["linear"]["n_rows"] == 40


def test_where_models_do_not_learn_a_fit_is_told_of_nevertheless(laboratory):
    keeper = Keeper(laboratory, learns=False)
    collect(laboratory, 4, 1)
    assert learn(keeper)["linear"]["n_rows"] == 40
    data, device = laboratory.own_dataset()
    laboratory.store.save(laboratory.fit(data, ["linear"])[0], device)
    assert learn(keeper)["linear"]["n_rows"] == 44
