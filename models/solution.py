"""The answer to an inverse question: inputs, how sure they are, and what they are predicted to give."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from retrolux.models.attainable import Attainable


@dataclass(frozen=True, slots=True)
class Solution:
    """Inputs that should give the target.

    Attributes
    ----------
    model : str
        The method that found them: ``linear``, ``pls``, ``gmm``, ``forest``.
    target : mapping of str to float
        Counts at the reference exposure, for any subset of the outputs.
    inputs, std : mapping of str to float
        Inputs, clipped to their bounds [0, 1], and their standard deviation, in input units.
    interval90 : mapping of str to (float, float)
        The central 90 % interval of each input. Both are those of the branch on which ``inputs`` lie: where possible
        inputs fall into sets that do not touch, of its own set, else of all.
    ellipsoid90 : tuple of tuple of float, optional
        E, a row and a column an input in the order of ``inputs``: 90 % of them lie where
        ``(x − inputs)ᵀ E⁻¹ (x − inputs) ≤ 1``.
    predicted : mapping of str to float
        Forward prediction at ``inputs``, for every output of the model, in counts.
    feasible : bool
        Whether inputs within their bounds reach the target within the model's own scatter; see ``attainable``.
    in_domain : bool
        Whether the answer lies where the model saw readings, and the target is like them: ``novelty_p`` ≥ 0.01.
    warnings : tuple of str
        What a person should know, in words.
    solutions : tuple of Solution
        Further distinct solutions, where there are several, those of the likeliest branch first; see
        :mod:`retrolux.models.branches`.
    ambient : mapping of str to float, optional
        The counts of ambient light in which the target is met, where they are known; zero for a target of the light
        alone.
    attainable : Attainable, optional
        How far the target is from what can be met, what comes nearest, and what stands in its way.
    novelty_p : float, optional
        How often the readings themselves are as unlike the others as the target is, 0 … 1.
    weight : float
        The share of all possible inputs that this solution stands for; with those of ``solutions`` it sums to 1.
    own : bool
        Whether it is the method's own central estimate; else it was settled on the target, among other draws or alone.
    """

    model: str
    target: Mapping[str, float]
    inputs: Mapping[str, float]
    std: Mapping[str, float]
    interval90: Mapping[str, tuple[float, float]]
    predicted: Mapping[str, float]
    feasible: bool
    in_domain: bool
    warnings: tuple[str, ...] = ()
    solutions: tuple["Solution", ...] = field(default=())
    ambient: Mapping[str, float] | None = None
    attainable: Attainable | None = None
    novelty_p: float | None = None
    ellipsoid90: tuple[tuple[float, ...], ...] | None = None
    weight: float = 1.0
    own: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return the answer in the form that the command line and the HTTP interface print."""
        optional = {
            "ambient": None if self.ambient is None else dict(self.ambient),
            "attainable": None if self.attainable is None else self.attainable.to_json(),
            "novelty_p": self.novelty_p,
            "ellipsoid90": None if self.ellipsoid90 is None else [list(row) for row in self.ellipsoid90],
        }
        return {
            "model": self.model,
            "target": dict(self.target),
            "inputs": dict(self.inputs),
            "std": dict(self.std),
            "interval90": {name: list(pair) for name, pair in self.interval90.items()},
            "predicted": dict(self.predicted),
            "feasible": self.feasible,
            "in_domain": self.in_domain,
            "warnings": list(self.warnings),
            "weight": self.weight,
            "solutions": [other.to_json() for other in self.solutions],
        } | {name: value for name, value in optional.items() if value is not None}
