"""The noise budget: what makes a reading scatter, each effect switched off in turn, beside the real instrument.

``python -m retrolux.device.sim.budget`` prints it.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from retrolux.device.clock import FakeClock
from retrolux.device.settings import InstrumentSettings
from retrolux.device.sim import EFFECTS, Scene, make_parts, open_sim

Array = NDArray[np.float64]

REPEATED = (0.147, 0.372, 0.394)
REAL = (70.8, 128.0, 75.3, 103.0, 15.0, 0.5)
"""Claude-Light: fifty repeats in 2025, and the median burst of five of 515 nm in 2024 (counts)."""
COLUMNS = ("445 nm", "515 nm", "630 nm", "515 nm, G = 0.5", "G = 1", "G = 0")


def scatter(without: Iterable[str] = (), repeats: int = 100, bursts: int = 60) -> Array:
    """Return the standard deviations of the columns of :data:`COLUMNS` in counts, shape (6,).

    Parameters
    ----------
    without : iterable of str
        Effects that are switched off, of :data:`retrolux.device.sim.EFFECTS`.
    repeats, bursts : int
        Readings of one setting, and bursts of five of each of three.
    """
    parts = make_parts(0, FakeClock(0), Scene(without=frozenset(without)))
    with open_sim(0, InstrumentSettings(), parts) as instrument:

        def read(duties: Sequence[float], n: int, *channels: str) -> Array:
            rows = [instrument.measure(duties, channels or None).outputs for _ in range(n)]
            return np.array([list(row.values()) for row in rows], dtype=np.float64)

        every = read(REPEATED, repeats)[:, [1, 3, 6]].std(axis=0, ddof=1)
        green = [np.array([read((0, g, 0), 5, "515nm").std(ddof=1) for _ in range(bursts)]) for g in (0.5, 1.0, 0.0)]
    return np.array([*every, *(np.median(g) for g in green)])


def table(repeats: int = 100, bursts: int = 60) -> str:
    """Return the budget as a table in Markdown."""
    lines = ["| standard deviation, counts | " + " | ".join(COLUMNS) + " |", "|---" + "|--:" * len(COLUMNS) + "|"]
    lines.append(_row("real", np.array(REAL)))
    lines.append(_row("`sim`", scatter((), repeats, bursts)))
    lines += [_row(f"without {effect}", scatter([effect], repeats, bursts)) for effect in EFFECTS]
    lines.append(_row("without any", scatter(EFFECTS, repeats, bursts)))
    return "\n".join(lines)


def _row(name: str, values: Array) -> str:
    return f"| {name} | " + " | ".join(f"{v:.3g}" for v in values) + " |"


if __name__ == "__main__":
    print(table())  # noqa: T201 - its one purpose
