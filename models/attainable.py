"""Whether a target can be met within the inputs' bounds, what comes nearest, and what stands in its way."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Attainable:
    """How far a target is from what can be met.

    Attributes
    ----------
    score : float
        Mahalanobis distance from the target to the outputs that inputs in [0, 1] give, in the metric of a reading's
        scatter there; where the answer's own prediction is within half a standard deviation, the distance to that.
    p : float
        How often a reading of the nearest inputs would be as far from what can be met: F with as many degrees of
        freedom as the target has outputs beyond the inputs that are free there, at least one.
    met : bool
        Whether the target counts as attainable: p of 0.05 or more, and no output further than 2.7 of its own scatter.
    nearest : mapping of str to float
        Attainable counts of the target's outputs: the likeliest for a target that is met, else those that miss it by
        the least sum of squares, each output in units of its own scatter.
    inputs : mapping of str to float
        Those that give them.
    conflicts : tuple of tuple of str
        Of a target that is not met: each output that is out of its own reach; then the smallest set of outputs that
        cannot be met together, also once each of these asks for the end of its reach.
    reach : mapping of str to (float, float)
        Least and largest counts of the outputs that are out of their reach.
    """

    score: float
    p: float
    met: bool
    nearest: Mapping[str, float]
    inputs: Mapping[str, float]
    conflicts: tuple[tuple[str, ...], ...] = ()
    reach: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return it in the form that the command line and the HTTP interface print."""
        return {
            "score": self.score,
            "p": self.p,
            "nearest": dict(self.nearest),
            "inputs": dict(self.inputs),
            "conflicts": [list(names) for names in self.conflicts],
            "reach": {name: list(ends) for name, ends in self.reach.items()},
        }
