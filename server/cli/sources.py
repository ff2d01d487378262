"""Options of commands that learn from readings: which log or table, which columns, which models."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from retrolux.models.dataset import Dataset
from retrolux.models.priors import DESIGN, PRIORS
from retrolux.models.registry import METHODS
from retrolux.server.cli.options import listed, number
from retrolux.server.errors import BadArgument
from retrolux.server.laboratory import Laboratory
from retrolux.server.tables import Columns

Command = TypeVar("Command", bound=Callable[..., Any])

only_device = click.option("--only", metavar="NAME", help="Take this device's readings from a log of several.")
forest = click.option(
    "--forest",
    type=click.Choice(["small", "paper"]),
    default="small",
    show_default=True,
    help="Size of the forest; the paper's takes a minute for a hundred readings.",
)
prior = click.option(
    "--prior",
    type=click.Choice(PRIORS),
    default=DESIGN,
    show_default=True,
    help="How likely inputs are beforehand: as the readings were chosen, or all alike.",
)
samples = click.option(
    "--samples", type=click.IntRange(2, 100_000), default=500, show_default=True, help="Of the generative methods."
)


def _folder(_context: click.Context, _option: click.Parameter, path: Path | None) -> Path | None:
    """Refuse a method's name where a folder is meant: evaluate and advise list methods by the same option."""
    if path is not None and set(listed(str(path))) <= set(METHODS) and not path.is_dir():
        raise BadArgument(f"--models names a folder here, and {path} is a method.", "Choose methods with --model.")
    return path


models_folder = click.option(
    "--models",
    "models_path",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    callback=_folder,
    help="Of the saved models.",
)


def table(command: Command) -> Command:
    """Let a command read tables: its ``columns`` say which columns are what, None where a log is read."""

    @functools.wraps(command)
    def with_columns(
        *,
        input_columns: str | None,
        output_columns: str | None,
        ranges: tuple[str, ...],
        **others: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401 - whatever the command returns
        return command(columns=_columns(input_columns, output_columns, ranges), **others)

    ends = click.option("--range", "ranges", multiple=True, metavar="NAME=LOW..HIGH", help="Ends of a table's input.")
    outputs = click.option("--outputs", "output_columns", metavar="NAMES", help="Of a table; default: all others.")
    inputs = click.option("--inputs", "input_columns", metavar="NAMES", help="Read a table with these input columns.")
    return cast("Command", inputs(outputs(ends(with_columns))))


@dataclass(frozen=True, slots=True)
class Readings:
    """Which readings a command is to answer from; none for saved models."""

    path: Path | None
    only: str | None
    columns: Columns | None = None

    def read(self, laboratory: Laboratory) -> Dataset | None:
        """Return them as arrays. Raises what :meth:`Laboratory.dataset` does, and BadArgument."""
        if self.path is None and self.columns is not None:
            raise BadArgument("--inputs is of a table.", "Name it with --data, or leave --inputs out.")
        return None if self.path is None else laboratory.dataset(self.path, self.only, self.columns)[0]


def _columns(inputs: str | None, outputs: str | None, ranges: Sequence[str]) -> Columns | None:
    if inputs is None:
        if outputs or ranges:
            raise BadArgument("--outputs and --range are of a table.", "Name its inputs, too: --inputs NAMES.")
        return None
    return Columns(_names(inputs), None if outputs is None else _names(outputs), dict(map(_range, ranges)))


def _names(text: str) -> tuple[str, ...]:
    names = listed(text)
    if not (names and all(names)):
        raise BadArgument(f"{text!r} names no columns.", "Write them with commas between, such as --inputs salt,acid.")
    return names


def _range(text: str) -> tuple[str, tuple[float, float]]:
    name, _, ends = text.partition("=")
    low, dots, high = ends.partition("..")
    if not (name and dots):
        raise BadArgument(f"{text!r} is not of the form NAME=LOW..HIGH.", "Write for example --range salt=0..4.")
    return name.strip(), (number(name, low), number(name, high))


def data_log(text: str) -> Callable[[Command], Command]:
    """Return the ``--data`` option with its own help."""
    return click.option("--data", "data_path", type=click.Path(path_type=Path), metavar="LOG", help=text)
