"""``retrolux validate``."""

import math
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from retrolux.models.registry import available
from retrolux.server.cli import options
from retrolux.server.cli.printing import new_table, print_json, print_table, progress_bar, say
from retrolux.server.conditions import is_simulated, label, utc
from retrolux.server.config import Config
from retrolux.server.errors import BadArgument
from retrolux.server.laboratory import Laboratory
from retrolux.server.protocol import PROTOCOL
from retrolux.server.validation_compare import GROUPS
from retrolux.server.validation_page import DIFFERENCE, difference, tally, title
from retrolux.server.validation_report import compare_reports, write_report
from retrolux.server.validation_run import Validation

folder_path = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.option("-o", "--folder", type=folder_path, help="Output folder.  [default: validation-DATE-DEVICE]")
@click.option("--sessions", type=click.IntRange(1, 1000), help="How often the protocol is measured.  [default: 1]")
@click.option("--hours-apart", type=click.FloatRange(0, 8760), help="From one session to the next.  [default: 24]")
@click.option("--again", is_flag=True, help="Add a session, now, to a folder that is complete.")
@click.option(
    "--report", "reported", type=folder_path, metavar="FOLDER", help="Only make its report again from its log."
)
@click.option(
    "--compare", "compared", type=folder_path, nargs=2, metavar="A B", help="Only compare two folders' reports."
)
@options.device_name
@options.config_file
@options.as_json
def validate(
    *,
    folder: Path | None,
    sessions: int | None,
    hours_apart: float | None,
    again: bool,
    reported: Path | None,
    compared: tuple[Path, Path] | None,
    device: str | None,
    config_path: Path | None,
    as_json: bool,
) -> None:
    """Measure a fixed protocol and write a dated report that others can rerun and compare.

    References, repeats, sweeps, dark readings, a Latin hypercube and targets that are the same for every instrument,
    in an order that is always the same. Interrupted and run again, it goes on where it stopped.
    """
    measuring = {"-o": folder, "--sessions": sessions, "--hours-apart": hours_apart, "--again": again or None}
    _refuse_together(measuring | {"--device": device}, {"--report": reported, "--compare": compared})
    if hours_apart is not None and not math.isfinite(hours_apart):
        raise BadArgument(f"--hours-apart is {hours_apart}.", "Give a number of hours.")
    if compared:
        _print_comparison(compare_reports(*compared), as_json=as_json)
        return
    if reported:
        where, document = reported, write_report(reported)
    else:
        config = options.configured(config_path, device, instrument=True)
        where = folder or Path(default_name(config))
        document = _measure(config, where, sessions or 1, 24.0 if hours_apart is None else hours_apart, again=again)
    if as_json:
        print_json(document)
    else:
        _print(document, where)


def default_name(config: Config) -> str:
    """Return the output folder's name: the day in UTC on which the instrument begins, and what it is."""
    begins = config.simulator.begins if is_simulated(config.device) else None
    name = re.sub(r"[^A-Za-z0-9]+", "-", label(config.device)).strip("-")
    return f"validation-{utc(time.time() if begins is None else begins)[:10]}-{name}"


def _refuse_together(measuring: Mapping[str, object], reading: Mapping[str, object]) -> None:
    """Raise BadArgument where what only measures is given with what only reads."""
    asked = [name for name, value in reading.items() if value]
    odd = [name for name, value in measuring.items() if value is not None]
    if len(asked) > 1 or (asked and odd):
        raise BadArgument(f"{asked[0]} does not go with {(asked[1:] + odd)[0]}.", "Ask for one of them.")


def _measure(config: Config, folder: Path, sessions: int, hours_apart: float, *, again: bool) -> dict[str, Any]:
    with Laboratory(config) as lab:
        run = Validation(lab, folder, PROTOCOL, available())
        todo = run.plan(sessions, hours_apart, again=again)
        _announce(run, todo)
        with progress_bar("measuring", 1.0) as update:
            run.report = lambda done, total, what: update(done / total, what)
            run.run(sessions, hours_apart, again=again)
    return write_report(folder, run.models)


def _announce(run: Validation, todo: Mapping[str, Any]) -> None:
    """Say how much there is to do, before anything moves."""
    begun = todo["sessions"]
    left = len(todo["plan"]) - sum(s["ended"] is not None for s in begun)
    count, minutes = run.protocol.count(run.methods), run.seconds() / 60
    spent = "; a simulator's time passes at once" if is_simulated(todo["device"]) else ""
    say(f"{count} readings a session, about {minutes:.0f} min and the time to fit{spent}; sessions to do: {left}")
    if begun and begun[-1]["ended"] is None:
        say("going on with the interrupted session")


def _print(document: Mapping[str, Any], folder: Path) -> None:
    click.echo(title(document))
    for line in document["verdict"]["summary"]:
        click.echo(f"  {line}")
    for line in document["verdict"]["to_look_at"]:
        click.echo(f"  to look at: {line}")
    for between in document["between_sessions"]:
        first, later = (n + 1 for n in between["sessions"])
        click.echo(f"  Session {later} against session {first}: {' '.join(tally(between['differences']))}")
    click.echo(f"The whole report: {folder / 'report.md'}; to send it, send the folder.")


def _print_comparison(found: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    for name in ("a", "b"):
        origin = found[name]
        simulated = "simulated, " if origin["simulated"] else ""
        click.echo(
            f"{name.upper()}: {origin['device']}, {simulated}{origin['started']}, sessions: {origin['sessions']}"
        )
    for remark in found["remarks"]:
        say(remark)
    for group in GROUPS:
        _print_differences([d for d in found["differences"] if d["of"] == group and d["exceeds"]], group)
    for line in tally(found["differences"]):
        click.echo(line)


def _print_differences(exceeding: Sequence[Mapping[str, Any]], group: str) -> None:
    if not exceeding:
        return
    table = new_table(f"of the {group}, beyond its uncertainty")
    table.show_lines = False
    for k, heading in enumerate(DIFFERENCE[:-1]):
        table.add_column(heading, justify="right" if k else "left", no_wrap=True)
    for each in exceeding:
        table.add_row(*difference(each)[:-1])
    print_table(table)
