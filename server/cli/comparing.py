"""``retrolux compare``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from retrolux.device.log import read_records
from retrolux.models.dataset import Dataset
from retrolux.models.errors import BadData, UnknownColumn
from retrolux.models.two_sample import Comparison
from retrolux.models.two_sample import compare as told_apart
from retrolux.server.cli import options
from retrolux.server.cli.printing import new_table, print_json, print_table, progress_bar, say
from retrolux.server.errors import MixedDevices
from retrolux.server.readings import GainRatios, to_dataset

log_path = click.Path(path_type=Path)
Records = Sequence[Mapping[str, Any]]


@click.command()
@click.argument("a", type=log_path, metavar="A.jsonl")
@click.argument("b", type=log_path, metavar="B.jsonl")
@click.option("--channels", help="Comma-separated; default: all that both logs have.")
@options.seed
@options.config_file
@options.as_json
def compare(*, a: Path, b: Path, channels: str | None, seed: int, config_path: Path | None, as_json: bool) -> None:
    """Can a classifier tell the readings of two logs apart? 0.5: it cannot; 1: always.

    It is judged on sittings that it has not learnt: readings less than ten minutes apart, of both logs, stay together.
    """
    ratios = options.configured(config_path).calibration.gain_ratios
    logs = {path: read_records(path) for path in (a, b)}
    names = _channels({path: _usual(path, records, ratios) for path, records in logs.items()}, channels)
    (first, times_a), (second, times_b) = (_columns(path, logs[path], names, ratios) for path in (a, b))
    with progress_bar("comparing", None):
        found = told_apart(first, second, times_a, times_b, names, seed=seed)
    if as_json:
        print_json(found.to_json())
        return
    _print(found)


def _usual(path: Path, records: Records, ratios: GainRatios) -> tuple[str, ...]:
    """Return the channels that most of a log's records have. Raises MixedDevices, BadData."""
    devices = sorted({str(r["device"]) for r in records if "device" in r})
    if len(devices) > 1:
        raise MixedDevices(
            f"{path} holds readings of several instruments: {', '.join(devices)}.", "Keep a log for each to compare."
        )
    return Dataset.from_records(records, gain_ratios=ratios).output_names


def _channels(usual: Mapping[Path, tuple[str, ...]], asked: str | None) -> tuple[str, ...]:
    """Return the channels that were asked for, else those of all logs. Raises UnknownColumn, BadData."""
    common = tuple(c for c in next(iter(usual.values())) if all(c in names for names in usual.values()))
    if not common:
        raise BadData("The two logs have no channel in common.", "Compare logs of the same channels.")
    chosen = options.listed(asked) or common
    for name in chosen:
        if name not in common:
            raise UnknownColumn(f"Not both logs have a channel {name!r}.", f"Choose among {', '.join(common)}.")
    return chosen


def _columns(path: Path, records: Records, names: Sequence[str], ratios: GainRatios) -> tuple[Dataset, list[float]]:
    """Return a log's readings that have these channels, and their times. Raises BadData."""
    asked = [{k: v for k, v in r.items() if k != "duty"} for r in records]  # or a backend's rounding tells them apart
    rows = [{**r, "out": {c: r["out"][c] for c in names}} for r in asked if all(c in r["out"] for c in names)]
    if without := sum("time" not in r for r in rows):
        raise BadData(
            f"{without} of {len(rows)} readings of {path} have no time.",
            "Compare logs with times: readings of one afternoon must stay together.",
        )
    return to_dataset(rows, source=str(path), gain_ratios=ratios)[0], [r["time"] for r in rows]


def _print(found: Comparison) -> None:
    table = new_table("how well two logs can be told apart")
    table.show_lines = False
    table.add_column("channel")
    table.add_column("AUC", justify="right")
    for channel, auc in found.by_channel.items():
        table.add_row(channel, f"{auc:.3f}")
    table.add_section()
    table.add_row("all together", f"{found.auc:.3f}")
    print_table(table)
    say(f"{found.n[0]} and {found.n[1]} readings in {found.sittings} sittings; 0.5: alike, 1: told apart every time")
