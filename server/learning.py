"""Learning curves: every method fitted to every design's readings, of every size and seed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from retrolux.models.dataset import Dataset
from retrolux.models.errors import BadData, UnknownColumn
from retrolux.models.learning_curve import Light, Point, fitted, inverse_error, needed
from retrolux.models.model import Progress
from retrolux.models.progress import part, silent
from retrolux.models.spreading import elsewhere, spread
from retrolux.server.errors import BadArgument
from retrolux.server.learning_sources import Source


@dataclass(frozen=True)
class Curves:
    """Learning curves of methods and designs.

    Attributes
    ----------
    sizes : tuple of int
    points : tuple of Point
    goals : mapping of str to float
        Of each method: the inverse error whose number of readings is asked for.
    net : bool
        See :func:`~retrolux.models.learning_curve.inverse_error`.
    """

    sizes: tuple[int, ...]
    points: tuple[Point, ...]
    goals: Mapping[str, float]
    net: bool

    def needed(self) -> Iterator[tuple[str, str, list[float]]]:
        """Yield method, design and the number of readings that each seed needs; infinite where none of the sizes do."""
        for method, design in dict.fromkeys((p.method, p.design) for p in self.points):
            mine = [p.errors for p in self.points if (p.method, p.design) == (method, design)]
            yield method, design, [needed(self.sizes, one, self.goals[method]) for one in zip(*mine, strict=True)]

    def to_json(self) -> dict[str, Any]:
        """Return the curves in the form that the command line prints."""
        reached = [
            {"method": m, "design": d, "readings": [n if np.isfinite(n) else None for n in every]}
            for m, d, every in self.needed()
        ]
        goals = {method: None if np.isnan(goal) else goal for method, goal in self.goals.items()}
        curve = [p.to_json() for p in self.points]
        return {"sizes": list(self.sizes), "net": self.net, "curve": curve, "goals": goals, "needed": reached}


@dataclass(frozen=True)
class Study:
    """What is compared, and how.

    Attributes
    ----------
    source : Source
    methods, designs : sequence of str
    sizes : sequence of int
        Numbers of readings, ascending.
    seeds : int
        Runs of each design.
    net : bool
        Whether targets are of the light alone.
    options : mapping of str to mapping
        What methods are created with, by their names.
    """

    source: Source
    methods: Sequence[str]
    designs: Sequence[str]
    sizes: Sequence[int]
    seeds: int = 5
    net: bool = True
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def curves(self, goal: float | None = None, report: Callable[[float], None] = lambda _share: None) -> Curves:
        """Measure or take the readings, fit, and hold each inverse against the truth.

        Parameters
        ----------
        goal : float, optional
            Inverse error to reach; by default, for each method, the median that the first design leaves at last.
        report : callable
            Called with the share that is done, 0 … 1.

        Raises
        ------
        BadArgument, UnknownColumn, UnknownDevice
        """
        self._check()
        errors: dict[tuple[str, str, int], list[float]] = {}
        for method, design, n, error in self._spread(report) if elsewhere() else self._in_turn(report):
            errors.setdefault((method, design, n), []).append(error)
        points = [Point(*key, tuple(found)) for key, found in errors.items()]
        return Curves(tuple(self.sizes), tuple(sorted(points, key=self._place)), self._goals(points, goal), self.net)

    def _check(self) -> None:
        """Raise before the first reading what could be raised after hours."""
        if unknown := [design for design in self.designs if design not in self.source.designs]:
            raise BadArgument(
                f"There is no design {unknown[0]!r} to compare.", f"Choose among {', '.join(self.source.designs)}."
            )
        if not self.sizes or self.sizes[0] < 1 or any(b <= a for a, b in pairwise(self.sizes)):
            raise BadArgument(f"The sizes are {list(self.sizes)}.", "Give numbers of readings that grow, from 1.")
        self.source.check(self.sizes[-1])

    def _runs(self) -> list[tuple[str, int]]:
        return [(design, seed) for design in self.designs for seed in range(1, self.seeds + 1)]

    def _in_turn(self, report: Callable[[float], None]) -> Iterator[tuple[str, str, int, float]]:
        """Yield method, design, size and error of every point, run after run: no readings are kept for later."""
        runs, truth = self._runs(), self._truth()
        for i, (design, seed) in enumerate(runs):
            for n, data in zip(self.sizes, self.source.readings(design, self.sizes, seed), strict=True):
                for method in self.methods:
                    yield method, design, n, truth.error((method, data, seed), silent)
            report((i + 1) / len(runs))

    def _spread(self, report: Callable[[float], None]) -> Iterator[tuple[str, str, int, float]]:
        """Yield the same in the same order where others work: first all readings are made, then all fits."""
        runs = self._runs()
        made = spread(self._readings, runs, part(report, 0, 2))
        places = [
            (method, design, n, data, seed)
            for (design, seed), every in zip(runs, made, strict=True)
            for n, data in zip(self.sizes, every, strict=True)
            for method in self.methods
        ]
        found = spread(self._truth().error, [(m, data, seed) for m, _, _, data, seed in places], part(report, 1, 2))
        yield from ((m, design, n, error) for (m, design, n, _, _), error in zip(places, found, strict=True))

    def _readings(self, run: tuple[str, int], _report: Progress) -> list[Dataset]:
        design, seed = run
        return list(self.source.readings(design, self.sizes, seed))

    def _truth(self) -> "_Truth":
        return _Truth(self.source.targets, self.source.truth, self.options, self.net)

    def _goals(self, points: Sequence[Point], goal: float | None) -> dict[str, float]:
        last = {p.method: p.median for p in points if (p.design, p.n) == (self.designs[0], self.sizes[-1])}
        return last if goal is None else dict.fromkeys(self.methods, goal)

    def _place(self, point: Point) -> tuple[int, int, int]:
        return self.methods.index(point.method), self.designs.index(point.design), point.n


@dataclass(frozen=True)
class _Truth:
    """What methods are held against, and no more than that: it may be sent to where they are fitted."""

    targets: tuple[str, ...]
    light: Light
    options: Mapping[str, Mapping[str, Any]]
    net: bool

    def error(self, point: tuple[str, Dataset, int], _report: Progress) -> float:
        """Return the inverse error of a method after readings, with a seed; NaN where they are too few for it."""
        method, data, seed = point
        try:
            model = fitted(method, data, dict(self.options.get(method, {})), seed)
            return inverse_error(model, self.targets, self.light, net=self.net, seed=seed)
        except (BadData, UnknownColumn):  # an output is no part of a model whose readings hardly tell of it
            return float("nan")
