"""The figures of one run, and the tables they make."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from tests.benchmarks.asked import ASKED, GATE, Asked


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


def table(figures: Iterable[Figure]) -> str:
    """In Markdown: the README's table is this one."""
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
        return "none"
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
