"""``retrolux advise``."""

from collections.abc import Iterator
from pathlib import Path

import click
from rich.table import Table

from retrolux.models.advice import Advice, Trial
from retrolux.models.advice import advise as run_advice
from retrolux.server.cli import options, sources
from retrolux.server.cli.fitting import methods_of
from retrolux.server.cli.printing import new_table, print_json, print_table, progress_bar, wrapped
from retrolux.server.laboratory import Laboratory
from retrolux.server.reasons import findings
from retrolux.server.tables import Columns

WIDTH = 80


@click.command()
@click.argument("log", type=click.Path(path_type=Path))
@click.option("--models", help="Comma-separated; all by default.")
@sources.table
@sources.only_device
@options.seed
@options.config_file
@options.as_json
def advise(
    *,
    log: Path,
    models: str | None,
    columns: Columns | None,
    only: str | None,
    seed: int,
    config_path: Path | None,
    as_json: bool,
) -> None:
    """Look at the readings of LOG and say which methods fit them, and why.

    Straight or bent, one-to-one or not, gaps and repeats; then each method is tried on fifths of the readings that it
    has not seen.
    """
    lab = Laboratory(options.configured(config_path))
    data = lab.dataset(log, only, columns)[0]
    chosen = methods_of(models)
    with progress_bar("trying methods", 1.0) as update:
        advice = run_advice(data, chosen, seed=seed, progress=update)
    if as_json:
        print_json(advice.to_json())
        return
    for finding in findings(advice):
        for line in wrapped(finding, WIDTH, "- ", "  "):
            click.echo(line)
    print_table(_table(advice))
    for line in _conclusion(advice):
        click.echo(line)


LEGEND = (
    "learnt, unseen: what is missed of readings learnt from, and of others; inverse: of the inputs, in per cent of "
    "their ranges; rough: how far a prediction lies from the middle of its neighbours."
)
HEADINGS = ("readings per number", "learnt", "unseen", "inverse %", "rough")


def _table(advice: Advice) -> Table:
    table = new_table("methods, by what they miss; 1: the least that one, or a curved surface, leaves")
    table.show_lines = False
    table.add_column("model")
    for heading in HEADINGS:
        table.add_column(heading, justify="right")
    for method, trial in advice.trials.items():
        table.add_row(method, *_cells(trial))
    return table


def _cells(trial: Trial) -> Iterator[str]:
    each = trial.readings_per_parameter
    yield "–" if each is None else f"{each:.1f}"
    yield f"{trial.learnt:.2f}"
    yield f"{trial.forward:.2f}"
    yield "–" if trial.inverse is None else f"{100 * trial.inverse:.2f}"
    yield f"{trial.roughness:.2f}"


def _conclusion(advice: Advice) -> Iterator[str]:
    remarks = [LEGEND]
    remarks += [f"{m} could not be tried: {why}" for m, why in advice.failed.items()]
    remarks += [f"{m} misses too much: it cannot follow the readings." for m, t in advice.trials.items() if t.lags]
    remarks += [f"{m} over-fits: it misses unseen readings much more." for m, t in advice.trials.items() if t.over_fits]
    remarks += [f"{m} is rough: neighbouring predictions jump." for m, t in advice.trials.items() if t.rough]
    remarks += [_choice(advice)] if advice.best else []
    for remark in remarks:
        yield from wrapped(remark, WIDTH)


def _choice(advice: Advice) -> str:
    """Say which method to take; where none follows the readings, which misses least, and that it is not enough."""
    first, others = advice.best[0], f" ({', '.join(advice.best)})" if len(advice.best) > 1 else ""
    if all(trial.lags for trial in advice.trials.values()):
        return (
            f"None of these follows the readings as a curved surface does. Take {first}, which misses least{others}, "
            "and readings of the part that matters alone; or more of them, for gmm and forest."
        )
    return f"Take {first}: the simplest of those that miss least{others}."
