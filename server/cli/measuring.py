"""``retrolux measure``: one reading, with nothing loaded that only models need."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from retrolux.device.automatic import AUTO
from retrolux.device.measurement import INPUTS, Exposure, Measurement
from retrolux.server.cli import options
from retrolux.server.cli.printing import new_table, print_json, print_table, say
from retrolux.server.errors import BadArgument
from retrolux.server.station import Station


@click.command(context_settings=options.DUTIES_MAY_BE_NEGATIVE)
@click.argument("duties", nargs=3, metavar="R G B")
@click.option("--channel", "channels", multiple=True, help="Read this channel; repeatable. All ten by default.")
@click.option("--gain", type=float, help="Of this reading: 0.5, 1, 2, 4 … 512.")
@click.option("--atime", type=int, help="Of this reading: integration time is (atime + 1)(astep + 1) · 2.78 µs.")
@click.option("--astep", type=int, help="Of this reading.")
@click.option("--dark", type=click.Choice(["before", "after"]), help="Also read with the light off, then.")
@click.option("--auto", is_flag=True, help="Read each channel at the gain at which its counts mean most.")
@options.log_file
@options.device_name
@options.config_file
@options.as_json
def measure(
    *,
    duties: tuple[str, ...],
    channels: tuple[str, ...],
    gain: float | None,
    atime: int | None,
    astep: int | None,
    auto: bool,
    dark: str | None,
    log_path: Path | None,
    device: str | None,
    config_path: Path | None,
    as_json: bool,
) -> None:
    """Set the light to the duties R G B (each 0 to 1), read the sensor, log the reading."""
    inputs = [options.number(name, text) for name, text in zip(INPUTS, duties, strict=True)]
    with Station(options.configured(config_path, device, instrument=True), log_path) as lab:
        if auto and (gain, atime, astep) != (None, None, None):
            raise BadArgument("Automatic exposure chooses gain and time itself.", "Leave --auto out, or the others.")
        exposure = AUTO if auto else _exposure(lab.settings.exposure, gain, atime, astep)
        reading = lab.measure(inputs, channels or None, exposure, dark)
    if as_json:
        print_json(reading.to_record())
        return
    print_table(_reading_table(reading))
    if reading.duty and any(abs(a - b) > VISIBLE for a, b in zip(reading.duty, reading.inputs, strict=True)):
        say(f"set to the nearest that this light has: {_named(reading.duty)}")
    say(f"logged in {lab.log_path}")


VISIBLE = 5e-5  # of a duty, as it is printed
AMBIENT = {"dark": "ambient, measured", "estimate": "ambient, estimated", "last dark": "ambient, measured before"}


def _exposure(usual: Exposure, gain: float | None, atime: int | None, astep: int | None) -> Exposure | None:
    """Return the usual exposure with what was asked for; None where nothing was."""
    asked = {"gain": gain, "atime": atime, "astep": astep}
    given: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    return replace(usual, **given) if given else None


def _named(duties: Sequence[float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in zip(INPUTS, duties, strict=True))


def _reading_table(reading: Measurement) -> Table:
    table = new_table(f"{_named(reading.inputs)} on {reading.device}")
    table.show_lines = False
    table.add_column("channel")
    table.add_column("counts", justify="right")
    if reading.ambient:
        table.add_column(AMBIENT[reading.ambient.by], justify="right")
    if reading.exposures:
        table.add_column("gain", justify="right")
        table.add_column("ms", justify="right")
    for channel, counts in reading.outputs.items():
        own = reading.exposure_of(channel)
        ambient = [f"{reading.ambient.counts.get(channel, math.nan):.0f}"] if reading.ambient else []
        settings = [f"{own.gain:g}", f"{1000 * own.seconds:.1f}"] if reading.exposures and own else []
        table.add_row(
            channel, f"{counts} saturated" if channel in reading.saturated else str(counts), *ambient, *settings
        )
    return table
