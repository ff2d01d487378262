"""Readings of the project's own simulator, for all to learn from alike."""

import json
from functools import cache
from pathlib import Path

import numpy as np

from retrolux.device.designs import design
from retrolux.device.factory import open_instrument
from retrolux.models.dataset import Dataset
from retrolux.server.readings import to_dataset

NAMES = ("445nm", "515nm", "630nm")
SLOPES = np.array([[37.0, 264, 28830], [304, 63452, 1129], [30177, 324, 512]])
OFFSET = np.array([628.0, 1212, 1652])


@cache
def simulated(n: int) -> Dataset:
    """A Latin hypercube of the simulated light, no reading of 445, 515 and 630 nm saturated; times are the sensor's."""
    instrument = open_instrument("sim")
    try:
        records = [instrument.measure(point).to_record() for point in design("lhs", n + n // 10, 7)]
    finally:
        instrument.close()
    data, _ = to_dataset(records, source="the simulator")
    data = data.select(NAMES)
    return data.take(np.flatnonzero(~data.saturated.any(axis=1))[:n])


def parted(n: int, unseen: int = 200) -> tuple[Dataset, Dataset]:
    """Readings to learn from and as many others, parted by chance."""
    data = simulated(n + unseen)
    order = np.random.default_rng(1).permutation(len(data))
    return data.take(np.sort(order[:n])), data.take(np.sort(order[n:]))


def asked_of(data: Dataset) -> list[dict[str, float]]:
    """Each reading's counts as a target."""
    return [dict(zip(NAMES, row, strict=True)) for row in data.outputs.tolist()]


def straight(n: int) -> Dataset:
    """Readings of a straight instrument, inputs normal about the middle: one Gaussian, with noise of 30 counts."""
    rng = np.random.default_rng(0)
    inputs = np.clip(rng.normal(0.5, 0.12, (n, 3)), 0, 1)
    counts = OFFSET + inputs @ SLOPES + 30 * rng.normal(size=(n, 3))
    saturated = np.zeros(counts.shape, dtype=bool)
    return Dataset(inputs, counts, saturated, ("R", "G", "B"), NAMES)


def write_log(path: Path, n: int) -> None:
    """Readings a second apart of a straight instrument, 137 bytes each; the simulator would take hours."""
    rng = np.random.default_rng(0)
    inputs = rng.random((n, 3)).round(4)
    counts = (OFFSET + inputs @ SLOPES + 30 * rng.normal(size=(n, 3))).round().astype(int)
    with path.open("w", encoding="utf-8") as file:
        for i, (x, y) in enumerate(zip(inputs.tolist(), counts.tolist(), strict=True)):
            out = dict(zip(NAMES, y, strict=True))
            file.write(json.dumps({"time": 1.7e9 + i, "device": "sim", "in": x, "out": out}) + "\n")
