"""Two ways to do the same, timed in turn, so that whatever slows the machine slows both."""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

Act = Callable[[], object]


@dataclass(frozen=True)
class Times:
    """Seconds of each round."""

    ours: list[float]
    peer: list[float]

    @property
    def medians(self) -> dict[str, float]:
        """As a figure takes them."""
        return {"ours": float(np.median(self.ours)), "peer": float(np.median(self.peer))}

    def quantiles(self, q: float) -> dict[str, float]:
        """As a figure takes them."""
        return {"ours": float(np.quantile(self.ours, q)), "peer": float(np.quantile(self.peer, q))}


def side_by_side(benchmark: Any, ours: Act, peer: Act, rounds: int, warm: int = 1) -> Times:
    """Time ``ours`` by pytest-benchmark and, before each of its rounds, ``peer``.

    Parameters
    ----------
    warm : int
        Rounds of each beforehand, which do not count.
    """
    for _ in range(warm):
        ours(), peer()
    beside: list[float] = []
    benchmark.pedantic(ours, setup=lambda: beside.append(seconds(peer)), rounds=rounds)
    benchmark.extra_info["peer"] = {"median": float(np.median(beside)), "min": min(beside), "rounds": rounds}
    return Times(list(benchmark.stats.stats.data), beside)


def seconds(act: Act) -> float:
    """How long it takes, once."""
    began = perf_counter()
    act()
    return perf_counter() - began
