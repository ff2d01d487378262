"""What ``retrolux invert`` tells beside its answer: further answers, how they move, and the way from a known pair."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from retrolux.models.model import Model
from retrolux.models.scale import Scale
from retrolux.server import answers
from retrolux.server.cli import options
from retrolux.server.cli.printing import Row, new_table, print_table, say, setting, wrapped
from retrolux.server.errors import BadArgument

WIDTH = 80
COLUMNS = 7  # of inputs and channels, that fit it

Pair = tuple[tuple[float, ...], dict[str, float]]


def known_pair(inputs: str | None, outputs: Sequence[str], *, net: bool) -> Pair | None:
    """Return the known inputs and outputs of the command line; None where no path is asked for. Raises BadArgument."""
    if inputs is None:
        if outputs:
            raise BadArgument("--known says what the inputs of --path gave.", "Give --path R,G,B with it.")
        return None
    if net:
        raise BadArgument("A path begins at a reading, which has ambient light in it.", "Leave --net out.")
    values = tuple(options.number(f"input {i} of --path", text) for i, text in enumerate(inputs.split(","), 1))
    return values, options.assignments(outputs)


def path(
    model: Model, target: Mapping[str, float], inputs: Sequence[float], outputs: Mapping[str, float]
) -> dict[str, Any]:
    """Return the way from a known pair to the target. Raises BadArgument, BadTarget, UnknownColumn, NoDerivative."""
    if len(inputs) != len(model.input_names):
        raise BadArgument(
            f"--path has {len(inputs)} inputs.", f"Give {len(model.input_names)}: {', '.join(model.input_names)}."
        )
    return answers.path(model, target, dict(zip(model.input_names, inputs, strict=True)), outputs or None)


def print_further(found: Sequence[Row], scale: Scale) -> None:
    """Print what was asked for beside the answers, a table each."""
    for answer in found:
        if answer["solutions"]:
            print_table(_solutions(answer, scale))
        if "sensitivity" in answer:
            print_table(_sensitivity(answer))
            if answer["sensitivity"]["of"] != "the method's own answer":
                say(f"{answer['model']}: this is the derivative of {answer['sensitivity']['of']}")
        if "path" in answer:
            print_table(_path(answer["path"], scale))
            _say_how_it_ended(answer["path"])


def _solutions(answer: Row, scale: Scale) -> Table:
    every, shown = [answer, *answer["solutions"]], _shown(answer["inputs"], answer["target"])
    table = _numbers(f"all {len(every)} answers by {answer['model']}", ["weight", *answer["inputs"], *shown])
    for one in every:
        inputs = [setting(value, scale) for value in one["inputs"].values()]
        table.add_row(f"{one['weight']:.2f}", *inputs, *(scale.amount(one["predicted"][c]) for c in shown))
    return table


def _sensitivity(answer: Row) -> Table:
    of_counts = "per_1000_counts" in answer["sensitivity"]
    title = f"move of the inputs for {'1000 counts' if of_counts else '1'} more, by {answer['model']}"
    table = _numbers(title, ["channel" if of_counts else "output", *answer["inputs"]])
    for output, moves in answer["sensitivity"]["per_1000_counts" if of_counts else "per_unit"].items():
        table.add_row(output, *(f"{move:+.5f}" if of_counts else f"{move:+.3g}" for move in moves.values()))
    return table


def _path(way: Row, scale: Scale) -> Table:
    shown = _shown(way["inputs"], way["outputs"])
    table = _numbers(f"path to the target by {way['model']}", ["way", *way["inputs"], *shown])
    for row in way["path"]:
        inputs = [setting(value, scale) for value in row["inputs"].values()]
        cells = [*inputs, *(scale.amount(row["outputs"][channel]) for channel in shown)]
        table.add_row(f"{100 * row['fraction']:.0f} %", *cells)
    return table


def _shown(inputs: Mapping[str, float], channels: Mapping[str, float]) -> list[str]:
    """Return the channels that a terminal has room for beside the inputs; all of them are in the JSON document."""
    return list(channels)[: max(COLUMNS - len(inputs), 1)]


def _say_how_it_ended(way: Row) -> None:
    words = way["stopped"] or "The path arrives at the target."
    for line in wrapped(f"{way['model']}: {words}", WIDTH):
        say(line)


def _numbers(title: str, headings: Sequence[str]) -> Table:
    table = new_table(title)
    table.show_lines = False
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table
