"""``retrolux evaluate``."""

from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.table import Table

from retrolux.models.aiming import aim as run_aiming
from retrolux.models.dataset import Dataset
from retrolux.models.evaluation import evaluate as run_evaluation
from retrolux.models.readings import PAPER, usable
from retrolux.models.registry import METHODS
from retrolux.models.scale import Scale
from retrolux.server.cli import engines, options, sources
from retrolux.server.cli.fitting import methods_of
from retrolux.server.cli.printing import new_table, print_json, print_table, progress_bar, say, wrapped
from retrolux.server.errors import BadArgument
from retrolux.server.fitting import method_options
from retrolux.server.laboratory import Laboratory
from retrolux.server.tables import Columns

log_path = click.Path(path_type=Path)


@click.command()
@click.option("--train", required=True, type=log_path, metavar="LOG", help="Readings to learn from.")
@click.option("--test", required=True, type=log_path, metavar="LOG", help="Readings whose inputs are recovered.")
@click.option("--models", help=f"Comma-separated; default: {','.join(METHODS)}; also gp, a Gaussian process.")
@click.option(
    "--condition",
    default="targets",
    show_default=True,
    metavar="targets|all|CHANNELS",
    help="Recover from the target channels, from all that are not saturated, or from those named.",
)
@click.option("--aim", is_flag=True, help="Instead aim at each reading's target channels, knowing those before it.")
@click.option("--targets", help=f"Comma-separated target channels; default: {','.join(PAPER)}, or all of a table's.")
@sources.table
@sources.forest
@sources.prior
@sources.only_device
@engines.pieces
@options.seed
@options.config_file
@options.as_json
def evaluate(
    *,
    train: Path,
    test: Path,
    models: str | None,
    condition: str,
    aim: bool,
    targets: str | None,
    columns: Columns | None,
    forest: str,
    prior: str,
    only: str | None,
    seed: int,
    config_path: Path | None,
    as_json: bool,
) -> None:
    """Recover the inputs of TEST's readings from their outputs, by models that learnt from TRAIN.

    With --aim, TEST is walked in the order of time: which inputs will give the counts that the next reading has in the
    target channels, in the ambient light that the readings before it tell of? A pause of ten minutes begins a new
    sitting, whose first reading is its reference and not scored.
    """
    if aim and condition != "targets":
        raise BadArgument("What is aimed at are the targets alone.", "Leave --condition out, or --aim.")
    lab = Laboratory(options.configured(config_path))
    chosen = methods_of(models)
    known, unseen = lab.dataset(train, only, columns)[0], lab.dataset(test, only, columns)[0]
    if columns is not None:
        known, unseen = _alike(known, unseen)
    usual = PAPER if columns is None else usable(known, 1).output_names
    wanted = options.listed(targets) or usual
    with progress_bar("evaluating", 1.0) as update:
        if aim:
            result = run_aiming(
                known, unseen, chosen, targets=wanted, seed=seed, progress=update, options=method_options(forest, prior)
            ).to_json()
        else:
            result = run_evaluation(
                known,
                unseen,
                chosen,
                condition=condition,
                targets=wanted,
                seed=seed,
                progress=update,
                options=method_options(forest, prior),
            ).to_json()
    if as_json:
        print_json(result)
        return
    print_table(_table(result, "inputs aimed at" if aim else "inputs recovered from outputs", known.scale))
    say(_counted(result))
    say("\n".join(wrapped(LEGEND, 80)))


def _alike(*tables: Dataset) -> list[Dataset]:
    """Return tables with the same ends of their inputs, so that 0 and 1 are the same of both."""
    ends = Scale.enclosing(*(np.array([t.scale.low, t.scale.high]) for t in tables))
    return [table.rescaled(ends) for table in tables]


def _counted(result: dict[str, Any]) -> str:
    learnt = f"{result['n_train']} readings to learn from"
    if "n_reference" in result:
        return (
            f"{learnt}, {result['n_test']} aimed at; not scored: {result['n_reference']} that begin a sitting, "
            f"{result['left_out']} saturated in a target channel"
        )
    left = result["left_out"]
    return (
        f"{learnt}, {result['n_test']} to recover; "
        f"left out, saturated in a target channel: {left['train']} and {left['test']}"
    )


LEGEND = (
    "RMSE: of the inputs; at ends: of readings with an input at 0 or 1; new: of settings not learnt from; covers: "
    "readings inside the 90 % interval; all: inside the ellipsoid of all inputs; fit s, ms: seconds to fit, "
    "milliseconds a reading"
)
HEADINGS = ("model", "input", "RMSE", "at ends", "new", "covers", "all", "fit s", "ms")


def _table(result: dict[str, Any], title: str, scale: Scale) -> Table:
    """Return the scores.

    RMSE is of all, of readings with an input at 0 or 1, and of settings not learnt from; ``all`` is the share of those
    whose inputs lie in the ellipsoid of all of them.
    """
    table = new_table(title)
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading in {"model", "input"} else "right")
    for method, score in result["models"].items():
        inputs = list(score["rmse"])
        form = ".4f" if scale.counts else ".3g"
        columns = [_column(score[name], inputs, form) for name in ("rmse", "rmse_at_ends", "rmse_new")]
        table.add_row(
            method,
            "\n".join(inputs),
            *columns,
            _column(score["coverage90"], inputs, ".0%"),
            f"{score['coverage90_together']:.0%}",
            f"{score['fit_seconds']:.2f}",
            f"{score['invert_ms']:.2f}",
        )
    return table


def _column(values: dict[str, float | None] | None, inputs: list[str], form: str) -> str:
    """Return a number for each input, one below the other; a dash where there is none."""
    numbers = [None if values is None else values[name] for name in inputs]
    return "\n".join("–" if number is None else format(number, form) for number in numbers)
