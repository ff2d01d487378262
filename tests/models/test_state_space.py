"""The state space, learnt from readings whose making is known."""

from dataclasses import replace

import numpy as np
import pytest

from retrolux.models.dataset import Dataset
from retrolux.models.errors import UnknownColumn
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


def test_rows_are_put_in_the_order_of_their_times(learnt):
    data, *_ = learnt
    mixed = data.take(np.random.default_rng(1).permutation(len(data)))
    assert in_order(mixed).times.tolist() == data.times.tolist()
    assert in_order(replace(mixed, times=None)).outputs.tolist() == mixed.outputs.tolist()
