"""Does the verdict "cannot be met" agree with the simulated light itself, whose true response is known?

A thousand random targets, half of them attainable. ``pytest -m study tests/e2e/test_saying_no.py -s`` prints the table.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.stats import qmc
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from retrolux.device.clock import FakeClock
from retrolux.device.measurement import CHANNELS
from retrolux.device.settings import InstrumentSettings
from retrolux.device.sim import EFFECTS, Scene, make_parts, open_sim
from retrolux.models import registry
from retrolux.models.ambient import Ambient
from retrolux.models.dataset import Dataset
from retrolux.models.state_space import StateSpace

PAPER = ("445nm", "515nm", "630nm")
TOO_MUCH = 3.0  # times the reading's noise
Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Truth:
    """The light's expected counts, and the covariance of a reading at half of every duty."""

    coefficients: Array
    noise: Array

    def at(self, x: Array) -> Array:
        return np.minimum(_shapes(np.atleast_2d(x)) @ self.coefficients, 65535)

    def distance(self, columns: list[int], target: Array) -> float:
        """How many times the reading's noise the target is from what can be met.

        By least squares over the duties between 0 and 1, with each set of them held at the end that is near.
        """
        root = np.linalg.inv(np.linalg.cholesky(self.noise[np.ix_(columns, columns)]))
        first = CLOUD[np.argmin(((root @ (self.at(CLOUD)[:, columns] - target).T) ** 2).sum(axis=0))]
        return min(self._least(columns, target, root, first, np.array(h)) for h in product((False, True), repeat=3))

    def _least(self, columns: list[int], target: Array, root: Array, x: Array, held: Array) -> float:
        whole = np.where(held, np.round(x), np.clip(x, 1e-6, 1 - 1e-6))

        def white(free: Array) -> Array:
            whole[~held] = free
            return root @ (self.at(whole)[0, columns] - target)

        if held.all():
            return float(np.linalg.norm(white(np.empty(0))))
        found = least_squares(white, whole[~held], bounds=(0, 1), x_scale=0.1)
        return float(np.sqrt(2 * found.cost))


def _shapes(x: Array) -> Array:
    return np.hstack([np.ones((len(x), 1)), x, x > 0, x >= 1, x * (1 - x), x * (1 - x) * (0.5 - x)])


CLOUD = np.vstack([np.array(np.meshgrid(*[[0.0, 1.0]] * 3)).reshape(3, -1).T, qmc.Sobol(3, scramble=False).random(512)])


def design() -> Array:
    """A hundred settings evenly spread, a fifth of their duties off or fully on: else no reading tells of the steps."""
    rng = np.random.default_rng(2)
    inputs, kinds = qmc.LatinHypercube(3, rng=rng).random(100), rng.random((100, 3))
    inputs[kinds < 0.1], inputs[kinds > 0.9] = 0, 1
    return inputs


def instrument(scene: Scene):
    return open_sim(0, InstrumentSettings(), make_parts(0, FakeClock(0), scene))


def readings(scene: Scene, inputs: Array) -> tuple[list[dict], Array]:
    with instrument(scene) as light:
        records = [light.measure(x).to_record() for x in inputs.tolist()]
    return records, np.array([[r["out"][c] for c in CHANNELS] for r in records], dtype=float)


def truth_of(without: frozenset[str]) -> Truth:
    quiet = Scene(without=frozenset(EFFECTS))
    rng = np.random.default_rng(5)
    inputs = rng.random((400, 3))
    inputs[rng.random((400, 3)) < 0.15], inputs[rng.random((400, 3)) > 0.85] = 0, 1
    counts = readings(quiet, inputs)[1]
    columns = [
        np.linalg.lstsq(_shapes(inputs[whole]), c[whole], rcond=None)[0] for c in counts.T for whole in [c < 65535]
    ]
    repeats = readings(Scene(without=without), np.full((400, 3), 0.5))[1]
    return Truth(np.array(columns).T, np.cov(repeats.T))


def targets(truth: Truth, n: int, seed: int, pick: Callable[[np.random.Generator], tuple[str, ...]]):
    """Half are what the light gives somewhere; the others are drawn evenly from a box half as large again."""
    rng, cloud = np.random.default_rng(seed), truth.at(CLOUD)
    low, high = cloud.min(axis=0), cloud.max(axis=0)
    out = []
    while len(out) < n:
        names = pick(rng)
        columns = [CHANNELS.index(name) for name in names]
        if len(out) < n // 2:
            out.append((names, truth.at(rng.random(3))[0, columns], 0.0))
            continue
        values = (low + (high - low) * rng.uniform(-0.25, 1.25, 10))[columns]
        if (far := truth.distance(columns, values)) > 1e-3:
            out.append((names, values, far))
    return out


def judged(model, asked, ambient=None):
    solutions = [model.invert(dict(zip(n, v.tolist(), strict=True)), samples=50, ambient=ambient) for n, v, _ in asked]
    far = np.array([f for _, _, f in asked])
    score = np.array([s.attainable.score for s in solutions])
    feasible = np.array([s.feasible for s in solutions])
    return roc_auc_score(far > 0, score), feasible, far


def few(rng: np.random.Generator) -> tuple[str, ...]:
    seen = [c for c in CHANNELS if c != "clear"]  # it is nearly always saturated
    chosen = rng.choice(len(seen), rng.integers(2, 6), replace=False)
    return tuple(name for i, name in enumerate(seen) if i in chosen)


@dataclass(frozen=True, eq=False)
class Case:
    """Readings to learn from, and what is true of the light that they were made by."""

    data: Dataset
    state: StateSpace | None
    truth: Truth

    def ambient(self, model) -> Ambient | None:
        if self.state is None:
            return None
        return model.world.now(self.data, float(self.data.times[-1]) + 1.0)


@pytest.fixture(scope="module")
def cases() -> dict[str, Case]:
    """Ambient light that is not known apart from the light, and that of the latest readings."""
    inputs = design()
    calm = frozenset({"drift"})
    data, truth = Dataset.from_records(readings(Scene(without=calm), inputs)[0]), truth_of(calm)
    with threadpool_limits(1):
        return {
            "unknown": Case(replace(data, times=None), None, truth),
            "known": Case(data, StateSpace.learn(data), truth),
        }


def verdicts(cases, capsys, method: str, known: str, n: int, pick=lambda _rng: PAPER):
    case = cases[known]
    with threadpool_limits(1):
        model = registry.create(method).fit(case.data, state=case.state)
        auroc, feasible, far = judged(model, targets(case.truth, n, 3, pick), case.ambient(model))
    with capsys.disabled():
        print(
            f"\n{method:7s} ambient light {known:8s} {n} targets: AUROC {auroc:.4f};"
            f" feasible {feasible[far == 0].mean():.1%} of the attainable,"
            f" {feasible[far > TOO_MUCH].sum()} of {(far > TOO_MUCH).sum()} further than three times the noise",
            end="",
        )
    return auroc, feasible, far


@pytest.mark.parametrize(
    ("method", "known"), [("linear", "unknown"), ("gmm", "unknown"), ("pls", "known"), ("bayes", "known")]
)
def test_random_targets_are_told_apart(cases, capsys, method, known):
    auroc, feasible, far = verdicts(cases, capsys, method, known, 30)
    assert auroc >= 0.99
    assert not feasible[far > TOO_MUCH].any()
    assert feasible[far == 0].mean() >= 0.9


@pytest.mark.study
@pytest.mark.parametrize("known", ["unknown", "known"])
@pytest.mark.parametrize(
    ("method", "pick"),
    [(method, lambda _rng: PAPER) for method in registry.METHODS]
    + [(method, few) for method in ("linear", "pls", "gmm", "bayes")],  # a forest fits for each set of outputs anew
    ids=lambda value: value if isinstance(value, str) else ("few" if value is few else "paper"),
)
def test_a_thousand_random_targets_are_told_apart(cases, capsys, method, known, pick):
    auroc, feasible, far = verdicts(cases, capsys, method, known, 1000, pick)
    assert auroc >= 0.99
    assert not feasible[far > TOO_MUCH].any()
    assert feasible[far == 0].mean() >= 0.9


def test_590_and_630_nm_conflict_and_nothing_else(cases):
    """The paper's: 2^10 and 2^14; without ambient light each can be had alone, also beside a third."""
    with threadpool_limits(1):
        model = registry.create("bayes").fit(cases["known"].data)
        night = Ambient.none(model.world.names)
        answer = model.invert({"445nm": 9000.0, "590nm": 1024.0, "630nm": 16384.0}, ambient=night)
        for alone in ({"590nm": 1024.0}, {"630nm": 16384.0}):
            assert model.invert(alone, ambient=night).feasible
    assert not answer.feasible
    assert answer.attainable.conflicts == (("590nm", "630nm"),)
    assert "590nm at 1024 and 630nm at 16384 cannot be reached together." in answer.warnings
