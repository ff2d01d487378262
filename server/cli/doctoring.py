"""``retrolux doctor``."""

import shutil
from collections.abc import Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path

import click

from retrolux.device.doctor import examine, not_opened
from retrolux.device.errors import DeviceError
from retrolux.device.factory import open_instrument
from retrolux.device.findings import Finding, State, faults, is_healthy
from retrolux.device.host import examine_host
from retrolux.device.instrument import Instrument
from retrolux.server.cli import options
from retrolux.server.cli.failures import ASKED_WRONGLY
from retrolux.server.cli.printing import print_json, progress_bar, wrapped
from retrolux.server.config import Config
from retrolux.server.errors import BadArgument, ServerError
from retrolux.server.laboratory import Laboratory

MARKS = {
    State.GOOD: ("✓", "", "green"),
    State.ODD: ("!", "Odd: ", "yellow"),
    State.BAD: ("✗", "BAD: ", "red"),
    State.SKIPPED: ("–", "not tried: ", None),
}
TITLES = {
    "view": "sees the light",
    "off": "goes dark",
    "dark": "ambient light",
    "elapsed": "speed",
    "recovery": "attempts",
    "synchronised": "network time",
    "undervoltage": "supply",
}
WIDEST = 100  # columns
MANY = 3


@click.command()
@click.option("--bring-up", is_flag=True, help="Find out what only a new instrument's own chips can tell, with you.")
@click.option(
    "-o", "report_path", type=click.Path(path_type=Path, dir_okay=False), help="Where --bring-up writes its report."
)
@options.device_name
@options.config_file
@options.as_json
def doctor(
    *, bring_up: bool, report_path: Path | None, device: str | None, config_path: Path | None, as_json: bool
) -> int:
    """Test the instrument and this machine, and say in plain words what is wrong.

    Some forty readings, a quarter of a minute; none goes into the log (another Retrolux, asked over HTTP, logs its
    own). Ends with 0 when nothing is wrong, else with 1.
    """
    if report_path is not None and not bring_up:
        raise BadArgument("-o is for the report of --bring-up.", "For the self-test's result use --json.")
    config = options.configured(config_path, device, instrument=True)
    if bring_up:
        from retrolux.server.cli.bringing_up import walk

        return walk(config, report_path, as_json=as_json)
    found = [*_instrument(config), *examine_host(config.state)]
    if as_json:
        document = {"device": config.device, "healthy": is_healthy(found), "faults": list(faults(found))}
        print_json(document | {"findings": [f.to_json() for f in found]})
    else:
        click.echo("\n".join(page(found)))
    return 0 if is_healthy(found) else 1


def _instrument(config: Config) -> list[Finding]:
    try:
        instrument, ratio = opened(config)
    except ASKED_WRONGLY:
        raise
    except DeviceError as error:
        return not_opened(error)
    except ServerError as error:
        return not_opened(DeviceError(error.cause, error.remedy))
    try:
        with progress_bar("testing", 1.0) as update:
            return examine(instrument, ratio, update)
    finally:
        with suppress(DeviceError):  # what cannot be made dark was found by the test
            instrument.close()


def opened(config: Config) -> tuple[Instrument, float | None]:
    """Return the instrument as it is measured with, without a log, and the clocks' ratio where it was tuned.

    Raises
    ------
    DeviceError, BadConfiguration
    """
    lab = Laboratory(config)  # which opens nothing until it measures
    tuned = lab.calibrations.of(config.device)
    ratio = tuned.get("ratio") if tuned.get("beats") else None
    return open_instrument(config.device, lab.settings), ratio


def page(found: Sequence[Finding]) -> list[str]:
    """Return the lines of a result: what was found, what to do, and the verdict."""
    width = min(shutil.get_terminal_size().columns, WIDEST)
    lines = [line for names, finding in _joined(found) for line in _row(names, finding, width)]
    return [*lines, *_remedies(found, width), "", *_verdict(found, width)]


def _joined(found: Sequence[Finding]) -> list[tuple[str, Finding]]:
    """Return findings with their titles; many that were skipped in a row for one reason are one."""
    rows: list[tuple[str, Finding]] = []
    for (state, _), group in groupby(found, key=lambda f: (f.state, f.seen)):
        same = list(group)
        if state is State.SKIPPED and len(same) >= MANY:
            rows.append((f"{len(same)} checks", same[0]))
        else:
            rows += [(_title(finding), finding) for finding in same]
    return rows


def _title(finding: Finding) -> str:
    return TITLES.get(finding.name, finding.name)


def _row(title: str, finding: Finding, width: int) -> list[str]:
    mark, word, colour = MARKS[finding.state]
    head = f"{mark} {title:<15}"
    first, *rest = wrapped(word + finding.seen, max(width - len(head), 20))
    return [click.style(head, fg=colour) + first, *(" " * len(head) + line for line in rest)]


def _remedies(found: Sequence[Finding], width: int) -> list[str]:
    """Return what to do, each remedy once."""
    titles: dict[str, list[str]] = {}
    for finding in found:
        if finding.remedy:
            titles.setdefault(finding.remedy, []).append(_title(finding))
    rows = [f"{', '.join(names)}: {remedy}" for remedy, names in titles.items()]
    lines = [line for row in rows for line in wrapped(row, width, "  ", "    ")]
    return ["", "What to do:", *lines] if rows else []


def _verdict(found: Sequence[Finding], width: int) -> list[str]:
    bad, odd = ([f for f in found if f.state is state] for state in (State.BAD, State.ODD))
    look = f" {len(odd)} to look at: {_listed(odd)}." if odd else ""
    if bad:
        return wrapped(f"Wrong: {_listed(bad)}.{look}", width)
    skipped = [f for f in found if f.state is State.SKIPPED]
    extent = f" {len(skipped)} could not be tried." if skipped else ""
    return wrapped(f"Nothing is wrong.{look}{extent}", width)


def _listed(found: Sequence[Finding]) -> str:
    return "; ".join(dict.fromkeys(f.fault or _title(f) for f in found))
