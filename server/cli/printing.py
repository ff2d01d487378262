"""Results on a terminal: JSON to stdout for programs, tables for people, progress to stderr."""

import json
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from retrolux.models.scale import Scale, plain

Row = Mapping[str, Any]


def print_json(document: Any) -> None:  # noqa: ANN401 - JSON values
    """Print one JSON document on stdout."""
    click.echo(json.dumps(document, ensure_ascii=False, allow_nan=False))


def print_table(table: Table) -> None:
    """Print a table on stdout, as wide as it needs to be where stdout is no terminal."""
    console = Console(file=sys.stdout)
    console = console if console.is_terminal else Console(file=sys.stdout, width=110)
    title, table.title = table.title, None  # a table's own title would be folded to the table's width
    if title:
        console.print(title, style="bold", soft_wrap=True, markup=False, highlight=False)
    console.print(table)


def say(text: str) -> None:
    """Print a remark on stderr."""
    click.echo(text, err=True)


def wrapped(text: str, width: int, first: str = "", others: str = "") -> list[str]:
    """Return a text's lines; no number is torn from its unit, and no path apart."""
    kept = re.sub(r"(?<=\d) (?=nm|ms|MB|GB|%|×|s\b|Hz)", "\u00a0", text)
    wrapper = textwrap.TextWrapper(width, first, others, break_long_words=False, break_on_hyphens=False)
    return [line.replace("\u00a0", " ") for line in wrapper.wrap(kept)]


@contextmanager
def progress_bar(what: str, total: float | None) -> Iterator[Any]:
    """Show a bar on stderr, where stderr is a terminal; yields ``update(done, label=None)``.

    Without a total, the bar says only that something goes on.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)

        def update(done: float, label: str | None = None) -> None:
            bar.update(task, completed=done, description=label or what)

        yield update


class _Verbatim(Table):
    """A table whose cells stand as they are: a column ``speed [/s]`` would be markup to rich."""

    def add_column(self, header: Any = "", *args: Any, **options: Any) -> None:  # noqa: ANN401 - as rich has them
        super().add_column(_text(header), *args, **options)

    def add_row(self, *cells: Any, **options: Any) -> None:  # noqa: ANN401 - as rich has them
        super().add_row(*map(_text, cells), **options)


def _text(cell: Any) -> Any:  # noqa: ANN401 - as rich has them
    return Text(cell) if isinstance(cell, str) else cell


def new_table(title: str) -> Table:
    """Return an empty table in the style of all of them, narrow enough for a terminal of 80 columns."""
    return _Verbatim(title=title, show_lines=True, box=box.HORIZONTALS, pad_edge=False)


def setting(value: float, scale: Scale) -> str:
    """Return an input's value in words: a duty, or a number in its own unit."""
    return f"{value:.4f}" if scale.counts else plain(value)


def answers_table(answers: Sequence[Row], title: str, scale: Scale = Scale.DUTIES) -> Table:
    """Return the table of answers: a method's inputs beside what was asked, predicted and measured."""
    played = any("measured" in a for a in answers)
    table = new_table(title)
    table.add_column("method")
    table.add_column("inputs ± sd", no_wrap=True)
    asked = ("channel" if scale.counts else "output", "asked", "predicted")
    for heading in asked + (("measured", "error %") if played else ()):
        table.add_column(heading, justify="right", no_wrap=True)
    for answer in answers:
        table.add_row(*_cells(answer, scale, played=played))
    return table


def _cells(answer: Row, scale: Scale, *, played: bool) -> list[str]:
    channels = list(answer["target"])
    std = answer["std"]
    inputs = "\n".join(f"{n} {setting(v, scale)} ± {setting(std[n], scale)}" for n, v in answer["inputs"].items())
    columns = [answer["target"], answer["predicted"]] + ([answer["measured"]] if played else [])
    cells = ["\n".join(_amount(column.get(c), scale) for c in channels) for column in columns]
    errors = ["\n".join(_percent(answer["error_percent"].get(c)) for c in channels)] if played else []
    return [answer["model"], inputs, "\n".join(channels), *cells, *errors]


def remarks(answers: Sequence[Row]) -> list[str]:
    """Return what a person should know of these answers, a line each."""
    return [f"{a['model']}: {text}" for a in answers for text in a["warnings"]]


def _amount(value: float | None, scale: Scale) -> str:
    return "–" if value is None else scale.amount(value)


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:+.2f}"
