"""Options that several commands share, and the kinds of arguments they take."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from retrolux.server.config import Config, load_config
from retrolux.server.errors import BadArgument

Command = TypeVar("Command", bound=Callable[..., Any])

as_json = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
config_file = click.option(
    "--config", "config_path", type=click.Path(path_type=Path), help="TOML configuration (default: retrolux.toml)."
)
device_name = click.option("--device", metavar="NAME", help="sim, sim:N, pi or http://…  [default: sim]")
seed = click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Of all that is drawn."
)
only_device = click.option("--only", metavar="NAME", help="Take this device's readings from a log of several.")
forest = click.option(
    "--forest",
    type=click.Choice(["small", "paper"]),
    default="small",
    show_default=True,
    help="Size of the forest; the paper's takes a minute for a hundred readings.",
)
samples = click.option(
    "--samples", type=click.IntRange(2, 100_000), default=500, show_default=True, help="Of the generative methods."
)
DUTIES_MAY_BE_NEGATIVE = {"ignore_unknown_options": True}  # so that -1 is a refused duty, not an unknown option


def data_log(text: str) -> Callable[[Command], Command]:
    """Return the ``--data`` option with its own help."""
    return click.option("--data", "data_path", type=click.Path(path_type=Path), metavar="LOG", help=text)


def configured(config_path: Path | None, device: str | None = None, *, instrument: bool = False) -> Config:
    """Return the configuration with the command line's device in it, said on stderr where it is touched."""
    config = load_config(config_path)
    if device is not None:
        config = config.model_copy(update={"device": device})
    if instrument:
        click.echo(f"device: {config.device}", err=True)
    return config


def assignments(pairs: Sequence[str]) -> dict[str, float]:
    """Return ``445nm=16384`` and its like as a mapping. Raises BadArgument."""
    values: dict[str, float] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not (name and equals):
            raise BadArgument(f"{pair!r} is not of the form COLUMN=NUMBER.", "Write for example 445nm=16384.")
        if name in values:
            raise BadArgument(f"{name} is given twice.", "Give each column once.")
        values[name] = number(name, text)
    return values


def number(name: str, text: str) -> float:
    """Return a finite number. Raises BadArgument."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadArgument(f"{name} is {text!r}, which is no finite number.", "Give a number.")
    return value


def duty(name: str, text: str) -> float:
    """Return a duty in [0, 1]. Raises BadArgument."""
    value = number(name, text)
    if not 0 <= value <= 1:
        raise BadArgument(f"{name} is {text}, outside 0 to 1.", "Give a duty from 0 to 1.")
    return value
