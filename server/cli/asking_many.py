"""``retrolux invert --targets FILE``: a table of targets, answered in one call."""

import json
from pathlib import Path

import click

from retrolux.models.model import Model
from retrolux.models.posterior import Array
from retrolux.server import many
from retrolux.server.cli.printing import progress_bar
from retrolux.server.errors import BadArgument
from retrolux.server.laboratory import Laboratory
from retrolux.server.tables import holds_readings, load_targets

LONE = "--targets answers a table: name one method, and no CHANNEL=COUNTS, --sensitivity, --path or --verify beside it."


def refuse_beside(*others: object) -> None:
    """Raise BadArgument where options were given that a table of targets has no answer to."""
    if any(others):
        raise BadArgument(LONE, "Leave those out, or ask one target at a time.")


def print_answers(  # noqa: PLR0917 - what a question has
    lab: Laboratory, model: Model, path: Path, log: Path | None, net: bool, samples: int, seed: int, as_json: bool
) -> None:
    """Print an answer for each row of a file of targets: CSV, or JSON Lines where the result is for a program."""
    names, targets = _targets(lab, path)
    with progress_bar(f"asking {model.method}", None):
        found = lab.invert_many(model, names, targets, net=net, log=log, samples=samples, seed=seed)
    if as_json:
        for record in many.records(found):
            click.echo(json.dumps(record, allow_nan=False))
        return
    click.echo(",".join(many.header(found)))
    for row in many.rows(found):
        click.echo(",".join(str(value).lower() if isinstance(value, bool) else f"{value:.9g}" for value in row))


def _targets(lab: Laboratory, path: Path) -> tuple[tuple[str, ...], Array]:
    """Return a table's targets, or what a log's readings were, at the reference exposure."""
    if not holds_readings(path):
        return load_targets(path)
    data, _ = lab.dataset(path)
    return data.output_names, data.outputs
