"""What is asked of each figure, and the ratio below which the gate refuses.

The gate checks ratios to a peer in the same run, never seconds: a machine may be slow, but then it is to both.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Asked:
    """At most this much of ours, or at least this ratio, the peer's over ours."""

    most: float | None = None
    ratio: float | None = None

    def met(self, ours: float, ratio: float | None) -> bool:
        if self.most is not None:
            return ours <= self.most
        return ratio is not None and self.ratio is not None and ratio >= self.ratio


QUICK = ("linear", "pls", "gmm")
PLACES = ("library", "server")


def _each(places: Sequence[str], methods: Sequence[str], quantile: str, most: float) -> dict[str, Asked]:
    return {f"invert-{m}-{place}-{quantile}": Asked(most=most) for place in places for m in methods}


ASKED: dict[str, Asked] = {
    "forest-fit-80": Asked(ratio=20),
    "forest-fit-520": Asked(ratio=20),
    "forest-sample-80": Asked(ratio=10),
    "forest-sample-520": Asked(ratio=10),
    "forest-rmse-80": Asked(ratio=1),
    "forest-rmse-520": Asked(ratio=1),
    "forest-memory": Asked(most=300),  # MB
    "forest-memory-slim": Asked(most=200),
    **_each(PLACES, QUICK, "p50", 1e-3),
    **_each(PLACES, QUICK, "p99", 5e-3),
    **_each(PLACES, ["forest"], "p50", 50e-3),
    **{f"many-{m}": Asked(ratio=100) for m in QUICK},
    "start-help": Asked(most=0.2),
    "start-measure": Asked(most=0.6),
    "start-serve": Asked(most=1.0),
    "start-idle": Asked(most=80),
    "log-fits": Asked(most=5.0),
}
"""By the figure's key: seconds, or MB of 10⁶ bytes; a figure that is not here is shown for itself."""

GATE: dict[str, float] = {
    "forest-fit-80": 6,
    "forest-sample-80": 10,
    "forest-rmse-80": 4,
    "invert-linear-library-p50": 2,
    "invert-linear-server-p50": 0.4,
    "invert-linear-own-p50": 1.2,
    "invert-pls-library-p50": 0.1,
    "invert-pls-server-p50": 0.03,
    "invert-pls-own-p50": 0.06,
    "invert-gmm-library-p50": 0.3,
    "invert-gmm-server-p50": 0.075,
    "invert-gmm-own-p50": 0.13,
    "many-linear": 70,
    "many-pls": 50,
    "many-gmm": 60,
    "many-gmm-ellipsoids": 35,
    "measure-sensor": 0.99,  # by the emulated clock, which is exact
    "measure-transactions": 3.5,
    "measure-processor": 0.6,
    "start-help": 0.2,
    "start-measure": 0.035,
    "start-serve": 1.5,
    "start-idle": 1.5,
    "update-linear-1000": 5,
    "update-linear-10000": 6,
    "update-linear-flat": 0.6,
    "update-pls-1000": 3,
    "update-pls-10000": 4,
    "update-pls-flat": 0.7,
    "update-gmm-1000": 40,  # the peer, a fit of ours, takes half of what it did when this was 100
    "update-gmm-10000": 55,
    "update-gmm-flat": 0.55,
}
"""Least ratio to the peer that passes, about half of what was measured: a busy machine passes, an old state fails."""
