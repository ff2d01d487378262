"""The figures of one run, and the tables they make."""

import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tests.benchmarks.asked import ASKED, GATE, Asked

COLUMNS = "columns-"
"""Begins the keys of what costs are by the number of columns."""


@dataclass(frozen=True)
class Figure:
    """One row.

    Attributes
    ----------
    key : str
        By which :data:`~tests.benchmarks.asked.ASKED` knows it.
    what : str
    ours, peer : float or None
        In the unit; None of a figure that could not be had.
    unit : {"s", "MB", "%", ""}
        Of time, of memory, a share, which has no ratio, or of whatever ``what`` says.
    beside : str
        What the peer is.
    remark : str
    """

    key: str
    what: str
    ours: float | None
    unit: str
    peer: float | None = None
    beside: str = ""
    remark: str = ""

    @property
    def ratio(self) -> float | None:
        """The peer's over ours: above 1, ours is faster or smaller."""
        known = self.unit != "%" and self.peer is not None and self.ours
        return self.peer / self.ours if known else None

    @property
    def asked(self) -> Asked | None:
        return ASKED.get(self.key)

    @property
    def met(self) -> bool | None:
        return None if self.asked is None else self.ours is not None and self.asked.met(self.ours, self.ratio)

    @property
    def holds(self) -> bool:
        """Whether the gate lets it pass."""
        return self.key not in GATE or (self.ratio is not None and self.ratio >= GATE[self.key])

    def to_json(self) -> dict[str, Any]:
        asked = None if self.asked is None else asdict(self.asked)
        return asdict(self) | {"ratio": self.ratio, "asked": asked, "met": self.met, "gate": GATE.get(self.key)}


def circumstances(before: float, after: float) -> str:
    """On what machine it was, and how many processes wanted to run beforehand and afterwards."""
    cores = len(os.sched_getaffinity(0))
    where = f"{cores} cores, {platform.machine()}, Python {platform.python_version()}"
    return f"Measured on {where}; load average {before:.1f} at the beginning, {after:.1f} at the end."


def markdown(document: Mapping[str, Any]) -> str:
    """Return what stands in the READMEs of a run's JSON: what is asked for, then everything."""
    kept = [Figure(**{name: row[name] for name in Figure.__dataclass_fields__}) for row in document["figures"]]
    plain = [f for f in kept if not f.key.startswith(COLUMNS)]
    asked = [f for f in plain if f.asked is not None]
    missed = [f.what for f in asked if not f.met]
    said = "Not met: " + "; ".join(missed) + "." if missed else "All that is asked is met."
    parts = ["<!-- README.md -->", document["circumstances"], table(asked), said]
    parts += ["<!-- tests/benchmarks/README.md -->", document["circumstances"], table(plain)]
    rows: dict[tuple[str, str], dict[int, Figure]] = {}
    for f in kept:
        if f.key.startswith(COLUMNS):
            method, act, n = f.key.removeprefix(COLUMNS).rsplit("-", 2)
            rows.setdefault((method, act), {})[int(n)] = f
    return "\n\n".join([*parts, "<!-- models/README.md -->", by_columns(rows)] if rows else parts)


def table(figures: Iterable[Figure]) -> str:
    """In Markdown."""
    lines = ["| what | ours | peer | ratio | asked | met |", "|---|--:|--:|--:|--:|---|"]
    return "\n".join(lines + [_row(figure) for figure in figures])


def _row(f: Figure) -> str:
    what = f.what + (f" ({f.remark})" if f.remark else "")
    peer = "–" if f.peer is None else f"{amount(f.peer, f.unit)}, {f.beside}"
    ratio = "–" if f.ratio is None else _short(f.ratio)
    met = {None: "–", True: "yes", False: "**no**"}[f.met]
    return f"| {what} | {amount(f.ours, f.unit)} | {peer} | {ratio} | {_wish(f)} | {met} |"


def _wish(f: Figure) -> str:
    if f.asked is None:
        return "–"
    return f"≥ {f.asked.ratio:g} ×" if f.asked.most is None else f"≤ {amount(f.asked.most, f.unit)}"


def amount(value: float | None, unit: str) -> str:
    """A number with its unit, three digits."""
    if value is None:
        return "–"
    if unit != "s":
        return f"{_short(value)} {unit}".strip()
    if value < 1e-3:
        return f"{value * 1e6:.3g} µs"
    return f"{value * 1e3:.3g} ms" if value < 1 else f"{value:.3g} s"


def _short(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def by_columns(rows: dict[tuple[str, str], dict[int, Figure]]) -> str:
    """One line a method and act, a column a number of inputs and outputs; the peer's in brackets."""
    sizes = sorted({n for row in rows.values() for n in row})
    lines = ["| | " + " | ".join(f"{n} and {n}" for n in sizes) + " |", "|---" + "|--:" * len(sizes) + "|"]
    for (method, act), row in rows.items():
        lines.append(f"| {method}, {act} | " + " | ".join(_cell(row.get(n)) for n in sizes) + " |")
    return "\n".join(lines)


def _cell(f: Figure | None) -> str:
    if f is None:
        return ""
    ours = f.remark if f.ours is None else amount(f.ours, f.unit)
    return ours if f.peer is None else f"{ours} ({amount(f.peer, f.unit)})"
