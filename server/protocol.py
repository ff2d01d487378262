"""The protocol of ``retrolux validate`` as data: which settings, in which order, the same everywhere and always.

A change of anything here is a new version: reports of different versions are not compared in silence.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from retrolux.device.designs import design
from retrolux.device.measurement import INPUTS
from retrolux.models.readings import PAPER
from retrolux.models.registry import METHODS

Inputs = tuple[float, ...]


@dataclass(frozen=True)
class Step:
    """One reading of the protocol.

    Attributes
    ----------
    i : int
        Its number in the session, the same whichever methods are installed.
    part : str
        ``reference``, ``repeat``, ``sweep``, ``dark``, ``hypercube`` or ``playback``.
    inputs : tuple of float or None
        Duties R, G, B; None for a playback, whose inputs a method finds.
    tags : mapping
        What else the record says of it: ``block``, ``colour``, ``held_out``, ``target_number`` and ``method``.
    """

    i: int
    part: str
    inputs: Inputs | None
    tags: Mapping[str, Any]


Planned = tuple[str, Inputs | None, dict[str, Any]]
"""Part, inputs and tags of a reading that has no number yet."""


@dataclass(frozen=True)
class Protocol:
    """What one session measures, about 330 readings.

    Attributes
    ----------
    version : str
    seed : int
        Of the order, the hypercube, the fits and their samples.
    reference : tuple of float
        Duties of the reference reading; the default opens each sitting of Claude-Light's autumn.
    reference_every : int
        Readings from one reference to the next.
    repeat : tuple of float
        Duties of the repeated setting; the default is the one that Claude-Light's 50 repeats had.
    blocks, block_length : int
        Repeats are made in blocks, one reading after the other, spread over the session.
    duties : tuple of float
        Of each colour's sweep below full duty, the other two colours off.
    full_duty : int
        Readings of each sweep at duty 1.
    dark : int
        Readings with the light off.
    hypercube, held_out_every : int
        Latin-hypercube readings, and which of them the methods do not learn from: each so-many-th.
    targets : tuple of tuple of float
        Counts at the reference exposure at 445, 515 and 630 nm; no instrument's own, the same for all.
    playbacks : int
        How often each method's answer to each target is measured.
    """

    version: str = "1"
    seed: int = 7341
    reference: Inputs = (0.5, 0.5, 0.5)
    reference_every: int = 10
    repeat: Inputs = (0.147, 0.372, 0.394)
    blocks: int = 5
    block_length: int = 10
    duties: Inputs = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
    full_duty: int = 3
    dark: int = 12
    hypercube: int = 100
    held_out_every: int = 4
    targets: tuple[Inputs, ...] = (
        (16384, 16384, 16384),
        (4096, 4096, 4096),
        (8192, 32768, 24576),
        (24576, 8192, 16384),
        (12288, 49152, 8192),
        (20480, 24576, 4096),
        (4096, 12288, 28672),
        (28672, 40960, 20480),
    )
    playbacks: int = 3

    def opening(self) -> list[Step]:
        """Return the readings that need no model, in their order."""
        units = self._units()
        order = np.random.default_rng(self.seed).permutation(len(units))
        return _numbered(self._with_references(planned for k in order for planned in units[k]), 0)

    def playing(self, methods: Sequence[str]) -> list[Step]:
        """Return the playbacks of these methods' answers, in their order, behind the opening."""
        every: list[Planned] = [
            ("playback", None, {"target_number": t, "method": method})
            for t in range(len(self.targets))
            for method in METHODS
            for _ in range(self.playbacks)
        ]
        order = np.random.default_rng([self.seed, 1]).permutation(len(every))
        steps = _numbered(self._with_references(every[k] for k in order), len(self.opening()))
        return [step for step in steps if step.part == "reference" or step.tags["method"] in methods]

    def count(self, methods: Sequence[str]) -> int:
        """Return how many readings a session has."""
        return len(self.opening()) + len(self.playing(methods))

    def target(self, number: int) -> dict[str, float]:
        """Return a target in counts at the reference exposure."""
        return dict(zip(PAPER, map(float, self.targets[number]), strict=True))

    def to_json(self) -> dict[str, Any]:
        """Return the protocol as it stands in a report, with a digest of its whole order."""
        steps = [(s.i, s.part, s.inputs, s.tags) for s in self.opening() + self.playing(METHODS)]
        digest = hashlib.sha256(json.dumps(steps).encode()).hexdigest()[:16]
        document: dict[str, Any] = json.loads(json.dumps(asdict(self) | {"order": digest}))
        return document

    def _units(self) -> list[list[Planned]]:
        """Return what is shuffled: single readings, and blocks of repeats."""
        singles: list[Planned] = [("dark", (0.0,) * len(INPUTS), {}) for _ in range(self.dark)]
        for k, colour in enumerate(INPUTS):
            sweep = (*self.duties, *(1.0,) * self.full_duty)
            alone = (tuple(duty * (n == k) for n in range(len(INPUTS))) for duty in sweep)
            singles += [("sweep", inputs, {"colour": colour}) for inputs in alone]
        for n, point in enumerate(design("lhs", self.hypercube, self.seed)):
            singles.append(("hypercube", point, {"held_out": n % self.held_out_every == 0}))
        blocks: list[list[Planned]] = [
            [("repeat", self.repeat, {"block": b})] * self.block_length for b in range(self.blocks)
        ]
        return [[single] for single in singles] + blocks

    def _with_references(self, planned: Iterable[Planned]) -> list[Planned]:
        """Return the readings with a reference before, after each so many, and at the end."""
        reference: Planned = ("reference", self.reference, {})
        found, since = [reference], 0
        for one in planned:
            if since == self.reference_every:
                found.append(reference)
                since = 0
            found.append(one)
            since += 1
        return [*found, reference]


def _numbered(planned: Iterable[Planned], first: int) -> list[Step]:
    return [Step(i, part, inputs, tags) for i, (part, inputs, tags) in enumerate(planned, first)]


PROTOCOL = Protocol()
"""The protocol of this version of Retrolux."""
