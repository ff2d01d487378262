"""Two validations side by side: which differences exceed their statistical uncertainty."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats

from retrolux.server.figures import Figure

LEVEL = 0.01
"""Chance that any figure of a group exceeds where nothing differs (Holm's correction for their number)."""

GROUPS = ("instrument", "surroundings")
"""What a figure tells of: the unit itself, or the light around it, which may change within minutes."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of two validations.

    Attributes
    ----------
    figure : str
        Its place in the report, such as ``sweeps / R 630nm / slope``.
    of : str
        One of :data:`GROUPS`.
    a, b : float
        Means over each one's sessions.
    difference : float
        b − a.
    se : float
        Standard error of the difference.
    p : float
        Chance of one as large where nothing differs (Welch), corrected for the number of its group's figures (Holm).
    exceeds : bool
        Whether p is below :data:`LEVEL`.
    """

    figure: str
    of: str
    a: float
    b: float
    difference: float
    se: float
    p: float
    exceeds: bool

    def to_json(self) -> dict[str, Any]:
        """Return the difference as it is printed with ``--json``."""
        return asdict(self)


def compare(a: Sequence[Mapping[str, Any]], b: Sequence[Mapping[str, Any]]) -> list[Difference]:
    """Return the differences of all figures that both have and that have an uncertainty.

    Parameters
    ----------
    a, b : sequence of mapping
        The figures of each one's sessions (:func:`retrolux.server.validation.figures`).
    """
    first, second = pooled(a), pooled(b)
    common = [name for name in first if name in second]
    return [
        found for group in GROUPS for found in _differences([n for n in common if of(n) == group], group, first, second)
    ]


def of(place: str) -> str:
    """Return what the figure at a place of the report tells of: one of :data:`GROUPS`."""
    words = place.split(" / ")
    part, name = words[0], words[-1]
    levels = {("repeats", "mean"), ("response", "offset")}
    return "surroundings" if part in {"dark", "drift"} or (part, name) in levels else "instrument"


def _differences(
    names: Sequence[str], group: str, first: Mapping[str, Figure], second: Mapping[str, Figure]
) -> list[Difference]:
    tested = [_welch(first[name], second[name]) for name in names]
    every = _holm([p for _, p in tested])
    return [
        Difference(n, group, first[n].value, second[n].value, second[n].value - first[n].value, se, p, p < LEVEL)
        for n, (se, _), p in zip(names, tested, every, strict=True)
    ]


def pooled(sessions: Sequence[Mapping[str, Any]]) -> dict[str, Figure]:
    """Return each figure that has an uncertainty, by its place: of several sessions their mean.

    Its standard error is then that of the mean of the sessions' own, or that of their scatter where this is larger.
    """
    each = [dict(_figures(figures)) for figures in sessions]
    return {name: _mean([e[name] for e in each]) for name in (each[0] if each else ()) if all(name in e for e in each)}


def _figures(part: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[str, Figure]]:  # noqa: ANN401 - JSON values
    """Yield the figures of a report's part with their places; lists have none."""
    if not isinstance(part, Mapping):
        return
    if set(part) == {"value", "se", "df", "n"}:
        if part["se"] is not None:
            yield " / ".join(place), Figure(**part)
        return
    for name, inner in part.items():
        yield from _figures(inner, (*place, str(name)))


def _mean(found: Sequence[Figure]) -> Figure:
    if len(found) == 1:
        return found[0]
    values, own = np.array([f.value for f in found]), np.array([f.se for f in found], dtype=np.float64)
    k, n = len(found), sum(f.n for f in found)
    within, scatter = float(np.sqrt((own**2).sum())) / k, float(np.std(values, ddof=1) / np.sqrt(k))
    df = float(k - 1) if scatter > within else float(sum(f.df for f in found))
    return Figure(float(values.mean()), max(within, scatter), df, n)


def _welch(a: Figure, b: Figure) -> tuple[float, float]:
    """Return the standard error of b − a and the chance of so large a difference (Welch and Satterthwaite)."""
    first, second = (a.se or 0.0) ** 2, (b.se or 0.0) ** 2
    se, difference = float(np.sqrt(first + second)), abs(b.value - a.value)
    if se == 0:
        return 0.0, float(difference == 0)
    df = se**4 / (first**2 / a.df + second**2 / b.df)
    return se, float(2 * stats.t.sf(difference / se, df))


def _holm(chances: Sequence[float]) -> list[float]:
    """Return the chances corrected for their number, step by step from the smallest (Holm 1979)."""
    order = np.argsort(chances, kind="stable")
    steps = np.array(chances)[order] * np.arange(len(chances), 0, -1)
    corrected = np.empty(len(chances))
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(p) for p in corrected]
