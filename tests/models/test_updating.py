"""Models that take in readings one at a time, against models that are fitted to all of them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrolux.models import mixture, readings, registry
from retrolux.models.dataset import Dataset
from retrolux.models.errors import BadData, NotFitted, UnknownColumn
from retrolux.models.expectation_maximisation import Expected
from retrolux.models.state_space import StateSpace
from tests.models.conftest import PAPER, SLOPES, TARGETS, light, lines, make, truth

UPDATING = ("linear", "pls", "gmm")
POINTS = np.array([[0.2, 0.3, 0.4], [0.9, 0.1, 0.6]])


@pytest.fixture(params=UPDATING)
def updating(request):
    return request.param


def gaussian(n: int, seed: int) -> Dataset:
    """Readings whose columns are normal, so that one component is the best mixture."""
    rng = np.random.default_rng(seed)
    inputs = np.clip(0.5 + 0.12 * rng.normal(size=(n, 3)), 0, 1)
    raw = truth(inputs) + 300 * rng.normal(size=(n, 5))
    return Dataset(inputs, np.minimum(raw, 65535), raw >= 65535, ("R", "G", "B"), light(10, 0).output_names)


def alike(one, other) -> None:
    """Every number of two models' fits is the same within 10⁻⁸, relative to the largest of its kind."""
    one._whole()
    other._whole()
    for pattern in one._fits.keys() | other._fits.keys():
        for name, value in vars(one._kept_fit(*pattern)).items():
            expected = np.asarray(vars(other._kept_fit(*pattern))[name])
            found, size = np.asarray(value), max(float(np.abs(expected).max()), 1e-300)
            if name in {"axes", "gram_inverse"}:  # of the same directions up to their signs: told by the leverage
                continue
            assert found == pytest.approx(expected, abs=1e-8 * size), (pattern, name)


@pytest.mark.parametrize(
    ("updating", "make_data"),
    [("linear", light), ("linear", gaussian), ("pls", light), ("pls", gaussian), ("gmm", gaussian)],
)
@pytest.mark.parametrize("begin", [30, 150])
def test_a_reading_at_a_time_is_a_refit(updating, make_data, begin):
    data = make_data(220, 3)
    model = make(updating).fit(data.take(np.arange(begin)), seed=1)
    for i in range(begin, len(data)):
        model.update(data.take([i]))
    whole = make(updating).fit(data, seed=1)
    alike(model, whole)
    assert model.n_rows == 220
    assert model.predict(POINTS) == pytest.approx(whole.predict(POINTS), rel=1e-8)
    if updating != "gmm":  # whose intervals are of draws
        one, other = model.recover(TARGETS, truth(POINTS)[:, :3]), whole.recover(TARGETS, truth(POINTS)[:, :3])
        assert one.mean == pytest.approx(other.mean, abs=1e-8)
    for names, line in model._fits.items():
        if hasattr(line, "leverage"):
            given = whole.data.inputs[:5] if names[0] == model.input_names else truth(whole.data.inputs[:5])[:, :3]
            assert line.leverage(given) == pytest.approx(whole._fits[names].leverage(given), rel=1e-7)


@settings(max_examples=6, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=5), st.sampled_from(["linear", "pls"]))
def test_in_blocks_of_any_size(sizes, name):
    data = light(60 + sum(sizes), 5)
    model, at = make(name).fit(data.take(np.arange(60))), 60
    for size in sizes:
        model.update(data.take(np.arange(at, at + size)))
        at += size
    alike(model, make(name).fit(data))


def test_beyond_the_readings_that_are_kept_it_still_is_a_refit(updating, monkeypatch):
    monkeypatch.setattr(readings, "MOST", 200)
    monkeypatch.setattr(readings.thinned, "__defaults__", (200,))
    data = gaussian(700, 4)
    model = make(updating).fit(data.take(np.arange(150)))
    for i in range(150, 700, 5):
        model.update(data.take(np.arange(i, i + 5)))
    assert len(model.data) == 200
    assert model.n_rows == 700
    alike(model, make(updating).fit(data))
    row = model.data.inputs[:, None] == data.inputs[None]
    where = np.flatnonzero(row.all(axis=2).any(axis=0))
    assert len(where) == 200
    assert 200 < where.mean() < 500  # of all times


@pytest.mark.parametrize("fits", [True, False])
def test_a_saved_model_goes_on(updating, tmp_path, fits):
    data = gaussian(200, 6)
    model = make(updating).fit(data.take(np.arange(120)))
    model.update(data.take(np.arange(120, 160)))
    if fits:
        model.invert(PAPER)
    model.save(tmp_path / "kept")
    loaded = registry.load(tmp_path / "kept").update(data.take(np.arange(160, 200)))
    alike(loaded, make(updating).fit(data))


def test_a_model_that_was_saved_without_moments_has_those_of_its_readings(updating, monkeypatch, tmp_path):
    data = gaussian(160, 6)
    model = make(updating).fit(data.take(np.arange(120)))
    with monkeypatch.context() as patch:
        patch.setattr(type(model), "_more", lambda self: ({}, {}))
        model.save(tmp_path / "kept")
    loaded = registry.load(tmp_path / "kept").update(data.take(np.arange(120, 160)))
    alike(loaded, make(updating).fit(data))


def test_what_is_calibrated_is_found_anew_when_readings_have_grown_by_a_tenth():
    data = light(600, 2)
    model = make("linear").fit(data.take(np.arange(500)))
    model.update(data.take(np.arange(500, 549)))
    before = model.recover(TARGETS, truth(POINTS)[:, :3]).std
    assert model._factors
    model.update(data.take(np.arange(549, 600)))
    assert not model._factors
    fresh = make("linear").fit(data)
    assert model.recover(TARGETS, truth(POINTS)[:, :3]).std == pytest.approx(
        fresh.recover(TARGETS, truth(POINTS)[:, :3]).std, abs=1e-8
    )
    assert before.shape == (2, 3)


def test_what_is_kept_does_not_grow(updating):
    data = light(400, 1)
    model = make(updating).fit(data.take(np.arange(100)))
    sizes = []
    for i in range(100, 400, 100):
        for j in range(i, i + 100):
            model.update(data.take([j]))
        sizes.append(len(model._told.parts))
    assert sizes[-1] <= 10 * len(np.unique(data.saturated, axis=0))
    assert len(model._pending) <= readings.MOST // 10 + 1


def test_more_patterns_than_are_kept_apart_are_found_among_the_readings(monkeypatch):
    monkeypatch.setattr("retrolux.models.updating.MOST", 2)
    monkeypatch.setattr("retrolux.models.ledger.MOST", 2)
    data = light(120, 3)
    model = make("linear").fit(data.take(np.arange(80)))
    model.update(data.take(np.arange(80, 120)))
    monkeypatch.undo()
    alike(model, make("linear").fit(data))


def test_several_components_go_on_from_where_they_are(monkeypatch):
    rng = np.random.default_rng(3)
    centres = 6 * np.array([[0, 0, 0], [1, 0, 0], [0, 1, 1]])
    table = np.vstack([rng.normal(centre, 1, (80, 3)) for centre in centres]) * [1, 100, 0.01]
    table = rng.permutation(table)
    rounds = []
    maximised, likelihood = Expected.maximised, mixture._log_likelihood
    monkeypatch.setattr(Expected, "maximised", lambda *given: rounds.append(1) or maximised(*given))
    before = mixture.Mixture.learn(table[:200], seed=0)
    white = mixture._White.of(table)
    rounds.clear()
    cold = [mixture._expectation_maximisation(white.table, 3, seed) for seed in range(3)]
    cost = len(rounds) / 3
    rounds.clear()
    warm = before.again(table)
    assert len(before.priors) == len(warm.priors) == 3
    assert len(rounds) < cost
    turn = np.linalg.inv(white.back) * (warm.unit / white.spread)[:, None]
    found = mixture.GMM(3, warm.priors, warm.means @ turn, turn.T @ warm.covariances @ turn)
    assert likelihood(found, white.table) >= max(likelihood(m, white.table) for m in cold) - 1e-3 * len(table)


def test_a_mixture_of_several_learns_from_new_readings():
    data = light(260, 3)
    model = make("gmm").fit(data.take(np.arange(200)))
    assert len(model._conditional(TARGETS, model.input_names).mixture.priors) > 1
    model.update(data.take(np.arange(200, 260)))
    mix = model._conditional(TARGETS, model.input_names).mixture
    assert mix.n == (~data.saturated[:, data.columns(TARGETS)].any(axis=1)).sum()
    assert list(model.invert(PAPER).inputs.values()) == pytest.approx(
        list(make("gmm").fit(data).invert(PAPER).inputs.values()), abs=5e-3
    )


def test_the_light_alone_learns_too(updating):
    """Of readings whose ambient light wanders, by the filter; the light's own slopes come nearer the truth."""
    n = 240
    data = replace(light(n, 7, drift=0.01), times=1.7e9 + 2.0 * np.arange(n))
    first = data.take(np.arange(60))
    state = StateSpace.learn(first)
    model, fitted = (make(updating).fit(first, state=state) for _ in range(2))
    known = model.light.n_rows
    for i in range(60, n):
        model.update(data.take([i]))
    assert model.light.n_rows == known + n - 60
    found, before = (np.abs(m.derivative(POINTS[0])[:3] - SLOPES.T[:3]).max() for m in (model.light, fitted.light))
    assert found < before
    assert found < 0.01 * SLOPES.max()


@given(st.integers(0, 40), st.integers(1, 60), st.integers(1, 3), st.booleans(), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_readings_are_put_in_their_places(n_known, n_new, levels, timed, seed):
    """Of few levels, so that many columns are alike, and whole readings."""
    rng = np.random.default_rng(seed)
    n = n_known + n_new
    inputs, outputs = rng.integers(0, levels + 1, (n, 2)) / levels, rng.integers(-1, levels, (n, 2)) * 1.0
    data = Dataset(inputs, outputs, outputs > 1, ("a", "b"), ("y", "z"), np.arange(n) * 1.0 if timed else None)
    known, new = readings.ordered(data.take(np.arange(n_known))), data.take(np.arange(n_known, n))
    found, sorted_anew = readings.merged(known, new), readings.ordered(Dataset.stacked([known, new]))
    for name in ("inputs", "outputs", "saturated", "times"):
        one, other = getattr(found, name), getattr(sorted_anew, name)
        assert (one is None) == (other is None)
        assert one is None or one.tolist() == other.tolist()


def test_other_readings_are_refused_and_nothing_changes(updating):
    data = light(80, 3)
    model = make(updating).fit(data)
    before = model.predict(POINTS)
    with pytest.raises(BadData, match="inputs"):
        model.update(replace(data, input_names=("x", "y", "z")))
    with pytest.raises(UnknownColumn):
        model.update(data.select(("445nm",)))
    assert model.n_rows == 80
    assert model.predict(POINTS).tolist() == before.tolist()
    with pytest.raises(NotFitted):
        make(updating).update(data)


def test_an_updated_model_is_no_model_of_the_readings_it_began_with(updating):
    data = light(90, 3)
    model = make(updating).fit(data.take(np.arange(80)))
    before = model.data_hash
    model.update(data.take(np.arange(80, 90)))
    assert model.data_hash not in {before, data.hash}


@pytest.mark.parametrize("n_outputs", [1, 5])
def test_lines_of_any_size(n_outputs):
    data = lines(400, 6, n_outputs, 1, noise=30)
    model = make("pls").fit(data.take(np.arange(200)))
    model.update(data.take(np.arange(200, 400)))
    alike(model, make("pls").fit(data))


def test_what_is_made_while_a_model_learns_is_not_kept_with_what_it_learnt():
    """A value of the fits as they were, which takes as long as a reading does to come in."""
    model = registry.create("linear").fit(light(60, 5))

    def slow() -> str:
        model.update(light(70, 5).take(np.arange(60, 70)))
        return "of sixty readings"

    assert model._once(("kind",), slow) == "of sixty readings"
    assert model._once(("kind",), lambda: "of seventy") == "of seventy"
