"""The state space, learnt from readings whose making is known."""

import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from retrolux.models import state_space
from retrolux.models.dataset import Dataset
from retrolux.models.errors import BadData, UnknownColumn
from retrolux.models.response import Response, features
from retrolux.models.scatter import Scatter, read_together
from retrolux.models.state_space import StateSpace, in_order

NAMES = ("445nm", "515nm", "630nm", "680nm", "nir")
GAINS = np.array([[40.0, 370, 30000], [390, 63000, 490], [29000, 1000, 700], [300, 1250, 950], [1450, 1290, 110]])
SHAPE = np.array([0.004, 0.006, 0.003])  # of a gain: step where pulses begin; step at 1; bend
RESPONSE = Response(np.hstack([GAINS, SHAPE[0] * GAINS, SHAPE[1] * GAINS, SHAPE[2] * GAINS]))
SCATTER = Scatter(np.full(5, 25.0), np.full(3, 4e-6), 1e-7, read_together(NAMES))
SKY = np.array([600.0, 1200, 1800, 1500, 2600])


def room(sittings, seed, *, each=25, ceiling=65535.0):
    """Readings made by the model itself, and the ambient light they were made in."""
    rng = np.random.default_rng(seed)
    n = sittings * each
    inputs = rng.uniform(0, 1, (n, 3)).round(3)
    inputs[rng.random((n, 3)) < 0.08] = 0
    inputs[rng.random((n, 3)) < 0.08] = 1
    strength = np.exp(np.repeat(rng.normal(0, 0.5, sittings), each))
    strength *= np.exp(np.concatenate([np.cumsum(rng.normal(0, 0.01, each)) for _ in range(sittings)]))
    ambient = strength[:, None] * SKY
    noise = [rng.multivariate_normal(np.zeros(5), c) for c in SCATTER.covariance(inputs, GAINS)]
    raw = RESPONSE.predict(inputs) + ambient + np.array(noise)
    times = np.repeat(10_000.0 * np.arange(sittings), each) + 5.0 * np.tile(np.arange(each), sittings)
    return Dataset(inputs, np.minimum(raw, ceiling), raw >= ceiling, ("R", "G", "B"), NAMES, times), ambient


@pytest.fixture(scope="module")
def learnt():
    data, ambient = room(20, 1)
    return data, ambient, StateSpace.learn(data)


def test_the_response_is_found_with_its_steps_and_bend(learnt):
    *_, state = learnt
    grid = np.linspace(0.0, 1.0, 11)
    for k, colour in enumerate((2, 1, 0)):  # the output that sees R, G, B
        inputs = np.full((11, 3), 0.5)
        inputs[:, k] = grid
        wanted = RESPONSE.predict(inputs)[:, colour]
        found = state.response.predict(inputs)[:, colour]
        assert np.diff(found) == pytest.approx(np.diff(wanted), abs=0.0012 * GAINS[colour, k])


def test_the_noise_is_found(learnt):
    *_, state = learnt
    assert np.sqrt(state.scatter.pulses) == pytest.approx(np.sqrt(SCATTER.pulses), rel=0.15)
    half = np.full((1, 3), 0.5)
    found, wanted = (s.covariance(half, GAINS)[0] for s in (state.scatter, SCATTER))
    assert np.sqrt(np.diag(found)) == pytest.approx(np.sqrt(np.diag(wanted)), rel=0.2)


def test_the_ambient_light_of_each_reading_is_found(learnt):
    data, ambient, state = learnt
    net = state.net(data)
    wrong = (data.outputs - net.outputs - ambient)[~data.saturated.any(axis=1)]
    assert np.sqrt((wrong**2).mean(axis=0)) == pytest.approx(
        np.zeros(5), abs=80
    )  # one reading's noise is 126 at 515 nm
    assert (net.saturated == data.saturated).all()


def test_the_order_of_readings_does_not_matter(learnt):
    data, _, state = learnt
    again = StateSpace.learn(data.take(np.random.default_rng(0).permutation(len(data))))
    assert again.response.coefficients == pytest.approx(state.response.coefficients, rel=1e-6, abs=1e-6)


def test_readings_at_the_ceiling_do_not_bend_the_response():
    """A ceiling in the middle of green: what is above counts as above, and the slope stays."""
    data, _ = room(20, 1, ceiling=45000.0)
    assert 0.2 < data.saturated[:, 1].mean() < 0.4
    state = StateSpace.learn(data)
    between = np.array([[0.5, 0.2, 0.5], [0.5, 0.6, 0.5]])
    rise = np.diff(state.response.predict(between)[:, 1])[0]
    assert rise == pytest.approx(np.diff(RESPONSE.predict(between)[:, 1])[0], rel=0.002)


@pytest.mark.parametrize("unit", [1e-3, 1e3])
def test_another_unit_of_the_outputs_changes_nothing_else(learnt, unit):
    data, _, state = learnt
    scaled = StateSpace.learn(replace(data, outputs=data.outputs * unit))
    assert scaled.response.coefficients / unit == pytest.approx(state.response.coefficients, rel=1e-3, abs=0.5)


def test_readings_without_times_each_have_ambient_light_of_their_own(learnt):
    data, *_ = learnt
    state = StateSpace.learn(replace(data, times=None))
    assert state.response.gains[1, 1] == pytest.approx(63000, rel=0.02)
    assert np.sqrt(np.diag(state.walk.covariance))[4] > 500  # nir sees the sky


def test_few_readings_are_learnt_from_too():
    data, _ = room(1, 5, each=20)
    state = StateSpace.learn(data)
    assert state.response.gains[1, 1] == pytest.approx(63000, rel=0.02)
    assert np.isfinite(state.walk.covariance).all()
    assert np.linalg.eigvalsh(state.walk.covariance).min() > 0


def test_other_columns_are_as_good():
    rng = np.random.default_rng(0)
    inputs = rng.random((60, 2))
    outputs = (3 + inputs @ [2.0, 5.0] + 0.01 * rng.standard_normal(60))[:, None]
    data = Dataset(inputs, outputs, np.zeros((60, 1), dtype=bool), ("flour", "water"), ("volume",), 5.0 * np.arange(60))
    state = StateSpace.learn(data)
    rise = state.response.predict(np.array([[0.9, 0.1], [0.1, 0.1], [0.1, 0.9]]))[:, 0]
    assert [rise[0] - rise[1], rise[2] - rise[1]] == pytest.approx([1.6, 4.0], rel=0.02)


def test_now_is_what_the_latest_readings_tell_and_ten_minutes_later_nothing(learnt):
    data, ambient, state = learnt
    end = float(data.times[-1])
    soon, later, gone = (state.now(data, end + s) for s in (5, 300, 600))
    assert soon.mean == pytest.approx(ambient[-1], abs=150)
    assert np.trace(soon.covariance) < np.trace(later.covariance) < np.trace(gone.covariance)
    assert gone.mean.tolist() == state.ever().mean.tolist()
    assert soon.of(("nir", "445nm")).mean.tolist() == [soon.mean[4], soon.mean[0]]
    with pytest.raises(UnknownColumn, match="900nm"):
        soon.of(("900nm",))


def test_a_part_is_the_part_of_the_whole(learnt):
    *_, state = learnt
    part = state.of(("nir", "515nm"))
    inputs = np.array([[0.2, 0.4, 0.6]])
    assert part.response.predict(inputs) == pytest.approx(state.response.predict(inputs)[:, [4, 1]])
    whole = state.scatter.covariance(inputs, state.response.gains)[0]
    assert part.scatter.covariance(inputs, part.response.gains)[0] == pytest.approx(whole[np.ix_([4, 1], [4, 1])])


# Its parts


def test_features_are_steps_and_a_bend():
    assert features(np.array([[0.0], [0.25], [1.0]])).tolist() == [[0, 0, 0, 0], [0.25, 1, 0, 0.1875], [1, 1, 1, 0]]


def test_slopes_are_the_derivative_between_the_steps():
    x, step = np.array([[0.3, 0.6, 0.8]]), 1e-6
    for k in range(3):
        up, down = x.copy(), x.copy()
        up[0, k] += step
        down[0, k] -= step
        numeric = (RESPONSE.predict(up) - RESPONSE.predict(down))[0] / (2 * step)
        assert RESPONSE.slopes(x)[0][:, k] == pytest.approx(numeric, rel=1e-5)


def test_the_scatter_is_that_of_common_pulses_and_of_each_output():
    """Against draws: one pulse of each input and pass, one supply, one of each output."""
    rng = np.random.default_rng(0)
    names = ("445nm", "515nm", "555nm", "590nm", "630nm", "680nm", "nir")
    gains = rng.uniform(100, 1000, (7, 2))
    scatter = Scatter(np.arange(1.0, 8.0), np.array([1e-4, 4e-4]), 1e-4, read_together(names))
    x, n = np.array([0.5, 1.0]), 400_000
    first = np.array([1, 1, 0, 0, 0, 0, 0], dtype=bool)
    drawn = rng.standard_normal((n, 7)) * np.sqrt(scatter.floor)
    drawn += (gains @ x) * 0.01 * rng.standard_normal((n, 1))
    for group in (first, ~first):  # the second input is fully on: it has no pulses
        drawn += gains[:, 0] * group * 0.01 * rng.standard_normal((n, 1))
    assert scatter.covariance(x[None], gains)[0] == pytest.approx(np.cov(drawn.T), rel=0.02, abs=0.3)
    assert scatter.quickly(x[None], gains) == pytest.approx(scatter.covariance(x[None], gains), rel=1e-12, abs=1e-12)


def test_rows_are_put_in_the_order_of_their_times(learnt):
    data, *_ = learnt
    mixed = data.take(np.random.default_rng(1).permutation(len(data)))
    assert in_order(mixed).times.tolist() == data.times.tolist()
    assert in_order(replace(mixed, times=None)).outputs.tolist() == mixed.outputs.tolist()


# What could go wrong


def test_each_round_makes_the_readings_likelier():
    """By the filter's one-step predictions; the priors and the walk's start cost less than a hundredth of the gain."""
    data, _ = room(6, 3)
    found, likely = state_space._first_guess(data), []
    for _ in range(20):
        likely.append(log_likelihood(found, data))
        found = state_space._improved(found, data)
    likely.append(log_likelihood(found, data))
    assert likely[-1] > likely[0] + 100
    assert np.diff(likely).min() > -0.01 * (likely[-1] - likely[0])


def log_likelihood(state, data):
    seen, track = state.observed(data), state.follow(data)
    total = track.predicted_covariance + seen.noise
    parts = zip(seen.values, track.predicted, total, ~np.isnan(seen.values), strict=True)
    return sum(stats.multivariate_normal.logpdf(y[ok], m[ok], c[np.ix_(ok, ok)]) for y, m, c, ok in parts)


def test_censoring_is_better_than_leaving_out():
    """Much noise under a low ceiling: what is left below it lies too low, and drags a slope that forgets the rest."""
    rng = np.random.default_rng(0)
    inputs = rng.random((400, 1))
    raw = 100 + 1000 * inputs + 80 * rng.standard_normal((400, 1))
    known = Dataset(inputs, np.minimum(raw, 800), raw >= 800, ("x",), ("y",), None)
    left = known.take(~known.saturated[:, 0])
    held, dropped = (StateSpace.learn(data) for data in (known, left))
    found, worse = (np.diff(s.response.predict(np.array([[0.2], [0.8]]))[:, 0])[0] for s in (held, dropped))
    assert found == pytest.approx(600, rel=0.04)
    assert abs(found - 600) < abs(worse - 600) / 2


def test_with_half_of_green_at_the_ceiling_noise_and_ambient_light_are_found_still():
    data, ambient = room(20, 1, ceiling=30000.0)
    state = StateSpace.learn(data)
    wrong, cut = state.smoothed(data) - ambient, data.saturated[:, 1]
    assert cut.mean() > 0.4
    assert np.abs(wrong[cut].mean(axis=0) - wrong[~cut].mean(axis=0)).max() < 8  # counts; a reading's noise is 126
    assert wrong[cut].std(axis=0) == pytest.approx(wrong[~cut].std(axis=0), rel=0.2)
    assert np.sqrt(state.scatter.pulses) == pytest.approx(np.sqrt(SCATTER.pulses), rel=0.25)


def odd(name):
    """Readings that are hard to learn from, with the output 515 nm and its slope of G as they were."""
    data, ambient = room(8, 2)
    inputs, outputs, saturated = data.inputs.copy(), data.outputs.copy(), data.saturated.copy()
    if name == "never below the ceiling":
        outputs[:, 3], saturated[:, 3] = 65535, True
    elif name == "a dead channel":
        outputs[:, 3] = 0
    elif name == "two channels alike":
        outputs[:, 4] = outputs[:, 3]
    elif name == "one input at a time":
        inputs = np.where(np.arange(len(inputs))[:, None] % 3 == np.arange(3), inputs, 0)
        outputs, saturated[:] = RESPONSE.predict(inputs) + ambient, False
    elif name == "one moment":
        return replace(data, times=np.zeros(len(data)))
    elif name == "each four times":
        return data.take(np.repeat(np.arange(len(data)), 4))
    return replace(data, inputs=inputs, outputs=outputs, saturated=saturated)


@pytest.mark.parametrize(
    "name",
    [
        *("never below the ceiling", "a dead channel", "two channels alike"),
        *("one input at a time", "one moment", "each four times"),
    ],
)
def test_odd_readings_do_no_harm(name):
    state = StateSpace.learn(odd(name))
    assert state.response.gains[1, 1] == pytest.approx(63000, rel=0.005)
    for array in (state.response.coefficients, state.walk.covariance, state.walk.rate, state.scatter.floor):
        assert np.isfinite(array).all()


def test_two_inputs_that_are_one_share_what_they_do():
    data, ambient = room(8, 2)
    inputs = data.inputs[:, [1, 1, 2]]
    outputs = RESPONSE.predict(inputs) + ambient
    state = StateSpace.learn(replace(data, inputs=inputs, outputs=outputs, saturated=np.zeros_like(data.saturated)))
    assert state.response.gains[1, :2].sum() == pytest.approx(63390, rel=0.005)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 9), st.integers(1, 4), st.integers(1, 6), st.booleans(), st.integers(0, 100))
def test_hardly_any_readings_are_learnt_from_without_failing(rows, n_inputs, n_outputs, timed, seed):
    rng = np.random.default_rng(seed)
    inputs = rng.choice([0.0, 0.3, 1.0], (rows, n_inputs))
    outputs = 10 ** rng.uniform(-9, 6, n_outputs) * (inputs @ rng.normal(size=(n_inputs, n_outputs)) + 1)
    names = tuple(f"x{i}" for i in range(n_inputs)), tuple(f"y{i}" for i in range(n_outputs))
    times = rng.uniform(0, 2000, rows) if timed else None
    state = StateSpace.learn(Dataset(inputs, outputs, rng.random(outputs.shape) < 0.3, *names, times))
    assert np.isfinite(state.response.coefficients).all()
    assert np.isfinite(state.walk.covariance).all()


@pytest.mark.parametrize("n", [0, 1])
def test_one_reading_is_refused(learnt, n):
    with pytest.raises(BadData, match=f"too few readings: {n}"):
        StateSpace.learn(learnt[0].take(np.arange(n)))


def test_of_very_many_readings_the_latest_are_learnt_from_whatever_their_order(monkeypatch):
    monkeypatch.setattr(state_space, "MOST", 200)
    data, _ = room(12, 4)
    late = StateSpace.learn(in_order(data).take(np.arange(len(data))[-200:]))
    mixed = StateSpace.learn(data.take(np.random.default_rng(0).permutation(len(data))))
    assert mixed.response.coefficients == pytest.approx(late.response.coefficients)
    evenly = StateSpace.learn(replace(data.take(np.argsort(data.inputs[:, 2])), times=None))
    assert evenly.response.gains[0, 2] == pytest.approx(30000, rel=0.03)  # not of the brightest only


def test_now_knows_nothing_of_what_comes_later(learnt):
    data, _, state = learnt
    when = float(data.times[30]) + 1
    before = data.take(data.times <= when)
    assert state.now(data, when).mean.tolist() == state.now(before, when).mean.tolist()
    assert state.now(data, -1e6).mean.tolist() == state.ever().mean.tolist()


def test_now_of_a_sitting_is_of_it_alone(learnt):
    data, _, state = learnt
    when = float(data.times[-1]) + 5
    last = data.take(data.times >= data.times[-25])
    assert state.now(data, when).mean == pytest.approx(state.now(last, when).mean)


def test_written_and_read_again_it_is_the_same(learnt):
    *_, state = learnt
    again = StateSpace.from_files(state.to_files())
    assert again.names == state.names
    assert again.response.coefficients.tolist() == state.response.coefficients.tolist()
    assert again.walk.rate.tolist() == state.walk.rate.tolist()
    inputs = np.array([[0.2, 1.0, 0.6]])
    one, other = (s.scatter.covariance(inputs, s.response.gains).tolist() for s in (state, again))
    assert one == other


def test_six_hundred_readings_of_ten_channels_are_learnt_from_in_seconds():
    rng = np.random.default_rng(0)
    data, _ = room(24, 1)
    twice = np.hstack([data.outputs, data.outputs * 0.7 + 30 * rng.standard_normal(data.outputs.shape)])
    names = (*NAMES, *(f"{name} again" for name in NAMES))
    began = time.perf_counter()
    StateSpace.learn(Dataset(data.inputs, twice, np.tile(data.saturated, 2), data.input_names, names, data.times))
    assert time.perf_counter() - began < 15  # two on a quiet machine
