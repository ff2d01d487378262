"""What the tests of the models room share: an instrument made of slopes, and the four methods, the forest small."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import qmc
from threadpoolctl import threadpool_limits

from retrolux.models import registry
from retrolux.models.dataset import Dataset
from retrolux.models.model import Model

CHANNELS = ("445nm", "515nm", "630nm", "680nm", "clear")
OFFSET = np.array([628.0, 1212, 1652, 1900, 10062])
SLOPES = np.array([[37.0, 264, 28830, 40, 19456], [304, 63452, 1129, 50, 45702], [30177, 324, 512, 30, 25820]])
TARGETS = ("445nm", "515nm", "630nm")
PAPER = dict.fromkeys(TARGETS, 16384.0)
SMALL = {"levels": 8, "pairs": 1500, "trees": 20}


def truth(inputs):
    """Counts without noise and without a ceiling, by the slopes of the real instrument."""
    return OFFSET + np.asarray(inputs) @ SLOPES


def light(n: int, seed: int, noise: float = 0.007, drift: float = 0.0) -> Dataset:
    """Latin-hypercube readings: noise common to a pass (445 and 515 nm), a walk of the ambient light, a ceiling."""
    rng = np.random.default_rng(seed)
    inputs = qmc.LatinHypercube(3, rng=rng).random(n)
    common = 1 + noise * rng.normal(size=(n, 2))[:, [0, 0, 1, 1, 1]]
    own = 1 + 0.3 * noise * rng.normal(size=(n, 5))
    ambient = drift * np.cumsum(rng.normal(size=(n, 1)), axis=0) * OFFSET
    raw = truth(inputs) * common * own + ambient
    return Dataset(inputs, np.minimum(raw, 65535), raw >= 65535, ("R", "G", "B"), CHANNELS)


def lines(n: int, n_inputs: int, n_outputs: int, seed: int, noise: float = 1.0) -> Dataset:
    """Readings of an instrument of any size, linear, slopes in the hundreds, independent noise."""
    rng = np.random.default_rng(seed)
    slopes, inputs = rng.uniform(100, 900, (n_inputs, n_outputs)), rng.random((n, n_inputs))
    outputs = 50 + inputs @ slopes + noise * rng.normal(size=(n, n_outputs))
    names = tuple(f"x{i}" for i in range(n_inputs)), tuple(f"y{i}" for i in range(n_outputs))
    return Dataset(inputs, outputs, np.zeros(outputs.shape, dtype=bool), *names)


def make(method: str, **options: Any) -> Model:
    """An unfitted model; the forest small, so that tests are fast."""
    return registry.create(method, **({"settings": SMALL} if method == "forest" else {}), **options)


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Matrices of ten columns are faster on one thread, by far where cores are busy."""
    with threadpool_limits(1):
        yield


@pytest.fixture(params=registry.METHODS)
def method(request):
    return request.param


@pytest.fixture(scope="session")
def readings() -> Dataset:
    return light(80, 3)


_fitted: dict[str, Model] = {}


@pytest.fixture
def model(method, readings) -> Model:
    """The method fitted to the readings; ask it, do not fit it again."""
    if method not in _fitted:
        _fitted[method] = make(method).fit(readings, seed=1)
    return _fitted[method]
