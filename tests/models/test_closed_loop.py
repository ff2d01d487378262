"""The correction by what was measured, against what can be worked out by hand."""

import numpy as np
import pytest

from retrolux.models import registry
from retrolux.models.ambient import Ambient
from retrolux.models.closed_loop import ClosedLoop
from retrolux.models.dataset import Dataset
from retrolux.models.model import Model
from retrolux.models.state_space import StateSpace

NAMES = ("445nm", "515nm", "630nm")
GAINS = np.array([[500.0, 2000, 31000], [900, 60000, 4000], [29000, 5000, 300]])
NOISE = 60.0
TARGET = {"445nm": 16384.0, "515nm": 16384.0, "630nm": 16384.0}


def model(method: str = "bayes", n: int = 120) -> Model:
    """Learn a light without ambient light, by readings ten seconds apart."""
    rng = np.random.default_rng(3)
    inputs = rng.random((n, 3)) * 0.98 + 0.01
    outputs = inputs @ GAINS.T + 1000 + NOISE * rng.normal(size=(n, 3))
    data = Dataset(inputs, outputs, outputs > 65535, ("R", "G", "B"), NAMES, 10.0 * np.arange(n))
    return registry.create(method, targets=NAMES).fit(data, seed=0, state=StateSpace.learn(data))


def truth(inputs: np.ndarray, ambient: float) -> np.ndarray:
    return np.asarray(GAINS @ inputs + ambient)


def shoot(loop: ClosedLoop, ambient: float, noise: np.ndarray | float = 0.0) -> None:
    loop.see(dict(zip(NAMES, (truth(loop.inputs, ambient) + noise).tolist(), strict=True)), seconds=1.0)


def known(mean: float, sd: float) -> Ambient:
    return Ambient(NAMES, np.full(3, mean), sd**2 * np.eye(3))


@pytest.mark.parametrize("method", ["linear", "pls", "gmm", "bayes"])
def test_ambient_light_that_was_not_foreseen_is_corrected(method: str) -> None:
    """Nearly nothing is known of the ambient light: the first shot tells all of it, as far as noise allows."""
    loop = ClosedLoop(model(method), TARGET, known(1000, 3000))
    missed = truth(loop.inputs, 3000) - 16384
    assert np.abs(missed).min() > 1000
    shoot(loop, 3000)
    assert truth(loop.inputs, 3000) == pytest.approx([16384] * 3, abs=25)


def test_a_shot_moves_what_is_known_as_far_as_its_noise_allows() -> None:
    """One channel of a diagonal problem by hand: prior variance P, noise R, then a share P / (P + R) of the error."""
    loop = ClosedLoop(model(), TARGET, known(1000, 100))
    world, inputs = loop._world, loop.inputs
    light = np.array([loop.solution.predicted[n] for n in NAMES]) - 1000
    noise = world.scatter.covariance(inputs[None], world.response.gains)[0]
    prior = 100**2 * np.eye(3) + loop._misfit(light, inputs)
    share = prior @ np.linalg.inv(prior + noise)
    off = np.array([50.0, -30.0, 20.0])
    loop.see(dict(zip(NAMES, (light + 1000 + off).tolist(), strict=True)))
    assert loop._offset.mean == pytest.approx(1000 + share @ off, rel=1e-9)
    assert loop._offset.covariance == pytest.approx(prior - share @ prior, rel=1e-6, abs=1e-6)


def test_more_shots_leave_less_unknown_and_noise_is_not_chased() -> None:
    loop, rng, spread = ClosedLoop(model(), TARGET, known(1000, 500)), np.random.default_rng(0), []
    for _ in range(6):
        shoot(loop, 1200, NOISE * rng.normal(size=3))
        spread.append(loop.unsure)
    assert spread == sorted(spread, reverse=True)
    assert spread[-1] < 0.6
    assert np.abs(truth(loop.inputs, 1200) - 16384).max() < 2 * NOISE


def test_a_saturated_channel_teaches_nothing_and_harms_nothing() -> None:
    loop = ClosedLoop(model(), TARGET, known(1000, 300))
    seen = dict(zip(NAMES, truth(loop.inputs, 1500).tolist(), strict=True))
    seen.pop("515nm")
    shot = loop.see(seen)
    assert set(shot.error) == {"445nm", "630nm"}
    assert loop._offset.mean[[0, 2]] == pytest.approx([1500, 1500], abs=100)
    assert np.isfinite(loop.inputs).all()


def test_the_duties_that_were_made_count_not_those_that_were_asked() -> None:
    """A light of ten levels rounds: what that changes, thousands of counts, is no error of the model."""
    loop = ClosedLoop(model(), TARGET, known(1000, 300))
    made = np.round(loop.inputs, 1)
    assert np.abs(truth(made, 1000) - truth(loop.inputs, 1000)).max() > 600
    loop.see(dict(zip(NAMES, truth(made, 1000).tolist(), strict=True)), made.tolist())
    assert loop._offset.mean == pytest.approx([1000] * 3, abs=60)


def test_it_settles_when_a_shot_meets_the_target_and_the_offset_is_known() -> None:
    loop = ClosedLoop(model(), TARGET, known(1000, 20))
    assert not loop.settled
    shoot(loop, 1000)
    assert loop.settled
    shoot(loop, 1400)
    assert not loop.settled
