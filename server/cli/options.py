"""Options that several commands share, and the kinds of arguments they take."""

import math
from collections.abc import Sequence
from pathlib import Path

import click

from retrolux.server.config import Config, load_config
from retrolux.server.errors import BadArgument

as_json = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
config_file = click.option(
    "--config", "config_path", type=click.Path(path_type=Path), help="TOML configuration (default: retrolux.toml)."
)
log_file = click.option("-o", "--log", "log_path", type=click.Path(path_type=Path), help="Measurement log.")
device_name = click.option("--device", metavar="NAME", help="sim, sim:N, pi or http://…  [default: sim]")
seed = click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Of all that is drawn."
)
DUTIES_MAY_BE_NEGATIVE = {"ignore_unknown_options": True}  # so that -1 is a refused duty, not an unknown option


def listed(text: str | None) -> tuple[str, ...]:
    """Return what is listed with commas between; nothing where nothing is given."""
    return tuple(part.strip() for part in text.split(",")) if text else ()


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


def asked_target(pairs: Sequence[str]) -> dict[str, float]:
    """Return a target, which must name something. Raises BadArgument."""
    target = assignments(pairs)
    if not target:
        raise BadArgument("The target is empty.", "Name a channel and its counts, such as 445nm=16384.")
    return target


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
