"""What readings tell by their moments, kept apart by which cells are saturated and by folds, and added to at will."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from retrolux.models import readings
from retrolux.models.dataset import Dataset
from retrolux.models.moments import Moments
from retrolux.models.posterior import Array

MOST = 256
"""Patterns of saturated cells that are kept apart; readings that have more are learnt from by those that are kept."""

Cells = NDArray[np.bool_]
Key = tuple[bytes, int]


class Told(Protocol):
    """What tells the moments of readings."""

    def folds(self, names: Sequence[str]) -> list[Moments]:
        """Return the moments of named columns, fold by fold, of the readings in which none of them is saturated."""

    def patterns(self) -> tuple[Cells, NDArray[np.intp]]:
        """Return which outputs are saturated together, shape (n_patterns, n_outputs), and in how many readings."""


@dataclass
class Ledger:
    """Moments of all columns for each pattern of saturated cells and each fold.

    Memory does not grow with the readings: a reading changes the moments of its own pattern and fold, and a question
    about some columns puts together those of the patterns that have them.

    Attributes
    ----------
    input_names, output_names : tuple of str
    n_folds : int
        A reading's fold follows from its numbers, so that it is the same whenever it comes.
    parts : dict
        Moments by saturated cells (one byte an output) and fold.
    """

    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    n_folds: int = 1
    parts: dict[Key, Moments] = field(default_factory=dict)

    @classmethod
    def of(cls, data: Dataset, n_folds: int = 1) -> "Ledger":
        """Return that of readings."""
        ledger = cls(data.input_names, data.output_names, n_folds)
        ledger.add(data)
        return ledger

    def add(self, data: Dataset) -> None:
        """Take in readings of the same columns; in a time that does not depend on how many there were."""
        table, fold = np.hstack([data.inputs, data.outputs]), folds(data, self.n_folds)
        pattern, which = readings.patterns(data.saturated)
        group = which * self.n_folds + fold
        group = group.astype(np.min_scalar_type(int(group.max(initial=0))))  # small numbers are sorted faster
        order = np.argsort(group, kind="stable")
        starts = np.flatnonzero(np.diff(group[order].astype(np.intp), prepend=-1))
        for rows in np.split(order, starts[1:]) if len(order) else []:
            key = pattern[which[rows[0]]].tobytes(), int(fold[rows[0]])
            new = Moments.of(table[rows])
            self.parts[key] = Moments.joined([self.parts[key], new]) if key in self.parts else new

    @property
    def scattered(self) -> bool:
        """Whether there are more patterns than are kept apart."""
        return len({cells for cells, _ in self.parts}) > MOST

    def folds(self, names: Sequence[str]) -> list[Moments]:
        """See :meth:`Told.folds`; folds without readings are left out."""
        columns = [(self.input_names + self.output_names).index(name) for name in names]
        asked = [i - len(self.input_names) for i in columns if i >= len(self.input_names)]
        found: dict[int, list[Moments]] = {}
        for (cells, fold), part in self.parts.items():
            if not any(cells[i] for i in asked):
                found.setdefault(fold, []).append(part)
        return [Moments.joined(found[fold]).of_columns(columns) for fold in sorted(found)]

    def patterns(self) -> tuple[Cells, NDArray[np.intp]]:
        """See :meth:`Told.patterns`."""
        counts: dict[bytes, int] = {}
        for (pattern, _), part in self.parts.items():
            counts[pattern] = counts.get(pattern, 0) + part.n
        cells = np.frombuffer(b"".join(counts), dtype=np.bool_).reshape(len(counts), len(self.output_names))
        return cells, np.array(list(counts.values()), dtype=np.intp)

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the parts as arrays; names and number of folds apart."""
        parts = self.parts.values()
        return {
            "cells": np.array([np.frombuffer(cells, dtype=np.bool_) for cells, _ in self.parts]),
            "fold": np.array([fold for _, fold in self.parts]),
            "n": np.array([part.n for part in parts]),
            "mean": np.array([part.mean for part in parts]),
            "root": np.array([part.root for part in parts]),
        }

    def take(self, arrays: Mapping[str, NDArray[np.generic]]) -> "Ledger":
        """Return the ledger with the parts of :meth:`to_arrays`. Raises KeyError."""
        rows = zip(*(arrays[name] for name in ("cells", "fold", "n", "mean", "root")), strict=True)
        self.parts = {(c.tobytes(), int(f)): Moments(int(n), mean, root) for c, f, n, mean, root in rows}
        return self


@dataclass(frozen=True)
class Scattered:
    """The same of readings that have too many patterns for a ledger: found among them when asked.

    Attributes
    ----------
    data : Dataset
    n_folds : int
    """

    data: Dataset
    n_folds: int = 1

    def folds(self, names: Sequence[str]) -> list[Moments]:
        """See :meth:`Told.folds`."""
        outputs = self.data.columns([name for name in names if name in self.data.output_names])
        rows = self.data.take(~self.data.saturated[:, outputs].any(axis=1))
        every = self.data.input_names + self.data.output_names
        table = np.hstack([rows.inputs, rows.outputs])[:, [every.index(name) for name in names]]
        fold = folds(rows, self.n_folds)
        return [Moments.of(table[fold == i]) for i in np.unique(fold)]

    def patterns(self) -> tuple[Cells, NDArray[np.intp]]:
        """See :meth:`Told.patterns`."""
        cells, which = readings.patterns(self.data.saturated)
        return cells, np.bincount(which, minlength=len(cells))


def folds(data: Dataset, n: int) -> NDArray[np.intp]:
    """Return each reading's fold, 0 … n − 1, by its numbers alone (SplitMix64: Steele, Lea & Flood, 2014)."""
    if n == 1:
        return np.zeros(len(data), dtype=np.intp)
    mixed = np.zeros(len(data), dtype=np.uint64)
    for column in (*data.inputs.T, *data.outputs.T):
        mixed = _mixed(mixed ^ _bits(column))
    return (mixed % np.uint64(n)).astype(np.intp)


def _bits(column: Array) -> NDArray[np.uint64]:
    return np.ascontiguousarray(column + 0.0).view(np.uint64)  # + 0.0: there are two zeros


def _mixed(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = z + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
