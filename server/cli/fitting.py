"""``retrolux fit``."""

from pathlib import Path
from typing import Any

import click

from retrolux.models.readings import MOST
from retrolux.models.registry import METHODS, available
from retrolux.server.cli import engines, options, sources
from retrolux.server.cli.printing import new_table, print_json, print_table, progress_bar, say
from retrolux.server.fitting import fit_and_save, method_options
from retrolux.server.laboratory import Laboratory
from retrolux.server.tables import Columns


@click.command()
@click.argument("log", type=click.Path(path_type=Path))
@click.option("--model", "models", multiple=True, type=click.Choice(METHODS), help="Repeatable; all by default.")
@sources.table
@sources.models_folder
@sources.forest
@sources.prior
@sources.only_device
@engines.pieces
@options.seed
@options.config_file
@options.as_json
def fit(
    *,
    log: Path,
    models: tuple[str, ...],
    columns: Columns | None,
    models_path: Path | None,
    forest: str,
    prior: str,
    only: str | None,
    seed: int,
    config_path: Path | None,
    as_json: bool,
) -> None:
    """Fit models to the readings of LOG and save them as plain data.

    With --inputs, LOG is a table of any instrument, CSV or JSON Lines, with a name for each column.
    """
    lab = Laboratory(options.configured(config_path), models=models_path)
    data, device = lab.dataset(log, only, columns)
    lab.store.refuse_others(data)
    chosen = models or available()
    say_what_is_left_out(chosen, asked=bool(models))
    params = {"log": str(log.resolve()), "models": list(chosen), "seed": seed}
    with lab.journal.job("fit", params) as result, progress_bar("fitting", 1.0) as update:
        result.update(fit_and_save(lab, data, device, chosen, seed, update, method_options(forest, prior)))
    _print(lab, result | {"folder": str(lab.store.folder)}, as_json=as_json)


def methods_of(models: str | None) -> tuple[str, ...]:
    """Return the methods that are listed, by default all that can be fitted, and say which cannot."""
    chosen = options.listed(models) or available()
    say_what_is_left_out(chosen, asked=bool(models))
    return chosen


def say_what_is_left_out(chosen: tuple[str, ...], *, asked: bool) -> None:
    """Say on stderr which method is not fitted because its library is not installed."""
    missing = [m for m in METHODS if m not in chosen]
    if missing and not asked:
        say(f"not installed and left out: {', '.join(missing)} (pip install '.[forest]')")


def _print(lab: Laboratory, result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(result)
        return
    table = new_table(f"models in {lab.store.folder}")
    for heading in ("model", "readings", "inputs", "outputs"):
        table.add_column(heading)
    fitted = lab.store.entries(result["models"])
    for entry in fitted:
        table.add_row(entry["method"], str(entry["n_rows"]), " ".join(entry["inputs"]), " ".join(entry["outputs"]))
    print_table(table)
    if any(entry["n_rows"] > MOST for entry in fitted):
        say(f"learnt from {MOST} of the readings, spread evenly over all of them")
