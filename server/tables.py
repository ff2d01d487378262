"""Tables with named columns, CSV or JSON Lines: any instrument's readings, as arrays."""

import csv
import json
import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np

from retrolux.device.errors import LogUnreadable
from retrolux.device.jsonl import read_lines
from retrolux.device.tearing import parse_line
from retrolux.models.dataset import Dataset
from retrolux.models.scale import Scale
from retrolux.models.targets import LARGEST
from retrolux.server.errors import BadArgument

_logger = logging.getLogger(__name__)

DELIMITERS = "\t;,"  # a table parted by tabs or semicolons may have decimal commas
AT_LEAST = ">"
FIRST_LINE = 1 << 16  # bytes of a first line that are looked at

Row = tuple[int, Mapping[str, object]]
"""A line's number and its cells by name."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What a table's columns are.

    Attributes
    ----------
    inputs : tuple of str
    outputs : tuple of str, optional
        All other columns by default.
    ranges : mapping of str to (float, float)
        Ends between which an input may be set; by default the least and largest values in the table.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...] | None = None
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if unknown := [name for name in self.ranges if name not in self.inputs]:
            raise BadArgument(f"--range names {', '.join(unknown)}, no input.", f"Name {', '.join(self.inputs)}.")


def load_table(path: Path, columns: Columns) -> Dataset:
    """Return a table's rows as readings.

    A cell ``>100`` says "at least 100", as of a sensor at its ceiling. Rows that lack a number are left out, and
    counted in a warning; lines that begin with ``#`` are remarks.

    Raises
    ------
    LogUnreadable
        When the file or a cell cannot be read; the line is named.
    BadArgument
        For a column that is not there.
    BadData
        When an input lies outside its range, or no row is left.
    """
    rows = _rows(path)
    first = next(rows, None)
    if first is None:
        raise LogUnreadable(f"{path} has no rows.", "Give a table with a line of names and a line for each reading.")
    outputs = columns.outputs or tuple(name for name in first[1] if name not in columns.inputs)
    _refuse_unknown((*columns.inputs, *outputs), first[1], path)
    numbers, bounds = _numbers(path, chain([first], rows), (*columns.inputs, *outputs))
    n = len(columns.inputs)
    _refuse_bounds(path, columns.inputs, bounds[:, :n])
    scale = _scale(numbers[:, :n], columns)
    return Dataset.between(scale, numbers[:, :n], columns.inputs, numbers[:, n:], outputs, bounds[:, n:])


def load_targets(path: Path) -> tuple[tuple[str, ...], np.ndarray]:
    """Return a table's columns, all of them outputs, and its rows, a target each, shape (n_targets, n_columns).

    Raises
    ------
    LogUnreadable
        When the file cannot be read, or a row does not have a number in every column of the first; the line is named.
    """
    names: tuple[str, ...] = ()
    found = []
    for line, cells in _rows(path):
        names = names or tuple(cells)
        pairs = [_number(path, line, name, cells.get(name)) for name in names]
        if len(cells) != len(names) or any(value is None or bound for value, bound in pairs):
            raise LogUnreadable(
                f"{path}, line {line}: a target is a number for each of {', '.join(names)}, and nothing else.",
                "Correct or remove that line; ask targets of other columns from a file of their own.",
            )
        found.append([value for value, _ in pairs])
    if not found:
        raise LogUnreadable(f"{path} has no rows.", "Give a table with a line of names and a line for each target.")
    return names, np.array(found, dtype=np.float64)


def holds_readings(path: Path) -> bool:
    """Return whether a file begins with a reading of the log's form, whose counts have exposures."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            first = json.loads(file.readline())
    except (OSError, ValueError):
        return False
    return isinstance(first, dict) and isinstance(first.get("out"), dict)


def refuse_table(path: Path) -> None:
    """Raise BadArgument where a log is to be read, and the file is a table: CSV, or JSON Lines of named columns."""
    if path.suffix.lower() in {".csv", ".tsv"} or _has_named_columns(path):
        raise BadArgument(
            f"{path} looks like a table, not a log.",
            "Name its input columns, --inputs NAMES: fit, invert, predict, sample, evaluate and advise read tables.",
        )


def _has_named_columns(path: Path) -> bool:
    """Return whether the first line is an object of columns, with neither "in" nor "out"."""
    try:
        with path.open("rb") as file:
            first = parse_line(file.readline(FIRST_LINE))
    except OSError:
        return False
    return bool(first) and not {"in", "out"} & set(first or ())


def _refuse_bounds(path: Path, inputs: Sequence[str], bounds: np.ndarray) -> None:
    """Raise LogUnreadable where an input says only "at least"."""
    for name, column in zip(inputs, bounds.T, strict=True):
        if column.any():
            raise LogUnreadable(
                f'{path}: a cell of the input {name} says only "at least".', "Give what was set, or leave that row out."
            )


def _refuse_unknown(asked: Sequence[str], there: Iterable[str], path: Path) -> None:
    names = list(there)
    if missing := [name for name in asked if name not in names]:
        raise BadArgument(f"{path} has no column {', '.join(missing)}.", f"Choose among {', '.join(names)}.")
    if len(set(asked)) < len(asked):
        raise BadArgument(f"A column is named twice: {', '.join(asked)}.", "Name each input and output once.")


def _scale(inputs: np.ndarray, columns: Columns) -> Scale:
    found = Scale.enclosing(inputs)
    ends = [columns.ranges.get(name, found.ends(i)) for i, name in enumerate(columns.inputs)]
    low, high = np.array(ends, dtype=np.float64).T
    return Scale(low, high, counts=False)


def _numbers(path: Path, rows: Iterator[Row], names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the named cells of complete rows, and which of them are lower bounds."""
    found, at_least, lacking = [], [], 0
    for line, cells in rows:
        pairs = [_number(path, line, name, cells.get(name)) for name in names]
        if any(value is None for value, _ in pairs):
            lacking += 1
            continue
        found.append([value for value, _ in pairs])
        at_least.append([bound for _, bound in pairs])
    if lacking:
        _logger.warning("%s: rows that lack a number, left out: %d.", path, lacking)
    if not found:
        raise LogUnreadable(f"No row of {path} has a number in every column.", "Leave columns out with --outputs.")
    return np.array(found, dtype=np.float64), np.array(at_least, dtype=np.bool_)


def _number(path: Path, line: int, name: str, cell: object) -> tuple[float | None, bool]:
    """Return a cell's number, None where it is blank, and whether it says "at least"."""
    text = cell.strip() if isinstance(cell, str) else cell
    if text is None or text == "":
        return None, False
    bound = isinstance(text, str) and text.startswith(AT_LEAST)
    try:
        value = math.nan if isinstance(text, bool) else float(text.lstrip("> ") if isinstance(text, str) else text)  # type: ignore[arg-type] # whatever JSON has
    except (TypeError, ValueError, OverflowError):
        value = math.nan
    if not math.isfinite(value):
        raise LogUnreadable(
            f"{path}, line {line}: {name} is {cell!r}, which is no finite number.",
            "Correct or empty that cell, or leave the column out with --outputs. "
            "(Decimal commas are read where tabs or semicolons part the cells.)",
        )
    if abs(value) > LARGEST:
        raise LogUnreadable(f"{path}, line {line}: {name} is {value:g}.", "Give it in a larger unit, below 1e9.")
    return value, bound


def _rows(path: Path) -> Iterator[Row]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            begin = file.read(1024).lstrip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not in UTF-8"
        raise LogUnreadable(f"{path} cannot be read: {why}.", "Name a readable table, saved as UTF-8.") from error
    return _json_rows(path) if begin.startswith("{") else _csv_rows(path)


def _json_rows(path: Path) -> Iterator[Row]:
    for number, record in read_lines(path):
        nested = [record[key] for key in ("in", "out") if isinstance(record.get(key), dict)]
        yield number, {name: value for part in nested for name, value in part.items()} or record


def _csv_rows(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="", errors="surrogateescape") as file:
        lines = ((number, line) for number, line in enumerate(file, 1) if line.strip() and not line.startswith("#"))
        names: list[str] | None = None
        mark = ","
        for number, line in lines:
            if names is None:
                mark = max(DELIMITERS, key=line.count)
                names = _header(path, number, _cells(line, mark))
                continue
            cells = [cell if mark == "," else _decimal(cell) for cell in _cells(line, mark)]
            if len(cells) != len(names):
                raise LogUnreadable(
                    f"{path}, line {number} has {len(cells)} cells, and there are {len(names)} columns.",
                    "Correct or remove that line.",
                )
            yield number, dict(zip(names, cells, strict=True))


def _cells(line: str, mark: str) -> list[str]:
    (cells,) = csv.reader([line.rstrip("\r\n")], delimiter=mark, skipinitialspace=True)
    return [cell.strip() for cell in cells]


def _decimal(cell: str) -> str:
    """Return a cell with a point for its decimal comma; one that has both is no number, and is quoted as it stands."""
    return cell if "." in cell else cell.replace(",", ".")


def _header(path: Path, number: int, names: list[str]) -> list[str]:
    if len(set(names)) != len(names) or not all(name and name.isprintable() for name in names):
        raise LogUnreadable(
            f"{path}, line {number}: the columns' names are {', '.join(map(ascii, names))}.",
            "Give every column its own name, in UTF-8.",
        )
    return names
