"""How large a flow is, and how much is done round it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from retrolux.models.errors import BadData

_BINS = 256


@dataclass(frozen=True, slots=True)
class FlowSettings:
    """Size of the flow.

    Levels, trees and rate were chosen on days of October left out, among a few that also did well on a parabola; the
    days of November, on which the README's figures are, had been seen for three of them. The library's own defaults
    take more than twenty times as long.

    Attributes
    ----------
    levels : int
        Times between noise and data, each with its own trees.
    pairs : int
        Pairs of a reading and noise that each level learns from; every reading is in at least five.
    trees, depth : int
        Boosted trees of each level and their depth.
    eta : float
        Learning rate.
    leaf : int
        Readings that a leaf rests on at least, so that no leaf remembers one.
    copies : int, optional
        Pairs of each reading, instead of ``pairs`` in all; a leaf then rests on ``leaf`` pairs.
    plain : bool
        Whether the flow learns the columns themselves, as the paper's does: no line first, no ranks, no widening.
    """

    levels: int = 10
    pairs: int = 2000
    trees: int = 24
    depth: int = 3
    eta: float = 0.25
    leaf: int = 15
    copies: int | None = None
    plain: bool = False

    def copies_of(self, n: int) -> int:
        """Return in how many pairs each of n readings is."""
        return self.copies or max(5, self.pairs // n)

    def smallest_leaf(self, n: int) -> int:
        """Return how many pairs a leaf rests on at least, of n readings."""
        return self.leaf if self.copies else self.leaf * self.copies_of(n)

    def bins(self, n: int) -> int:
        """Return into how many bins XGBoost sorts a column of n readings: a leaf rests on four and more; at least 96.

        At most the library's 256, which a plain flow always has.
        """
        return _BINS if self.copies else min(_BINS, max(96, 4 * n // self.leaf))


PRESETS = {
    "small": FlowSettings(),
    "paper": FlowSettings(levels=50, trees=100, depth=7, eta=0.3, leaf=1, copies=100, plain=True),
}
"""``paper``: ForestDiffusion's own defaults on the columns as they are."""


def chosen(settings: FlowSettings | Mapping[str, Any] | None) -> FlowSettings:
    """Return settings from a mapping: a ``preset`` by its name, and whatever is to differ from it. Raises BadData."""
    if settings is None or isinstance(settings, FlowSettings):
        return settings or FlowSettings()
    rest = dict(settings)
    preset = rest.pop("preset", "small")
    if preset not in PRESETS:
        raise BadData(f"There is no preset {preset!r} of the forest.", f"Choose {' or '.join(PRESETS)}.")
    return replace(PRESETS[preset], **rest)
