"""``retrolux evaluate``."""

from pathlib import Path
from typing import Any

import click
from rich.table import Table

from retrolux.models.evaluation import evaluate as run_evaluation
from retrolux.models.registry import METHODS, available
from retrolux.server.cli import options
from retrolux.server.cli.fitting import say_what_is_left_out
from retrolux.server.cli.printing import new_table, print_json, print_table, progress_bar, say
from retrolux.server.laboratory import Laboratory

log_path = click.Path(path_type=Path)


@click.command()
@click.option("--train", required=True, type=log_path, metavar="LOG", help="Readings to learn from.")
@click.option("--test", required=True, type=log_path, metavar="LOG", help="Readings whose inputs are recovered.")
@click.option("--models", help=f"Comma-separated; default: all of {','.join(METHODS)}.")
@click.option(
    "--condition",
    type=click.Choice(["targets", "all"]),
    default="targets",
    show_default=True,
    help="Recover from the target channels, or from all that are not saturated.",
)
@click.option("--targets", default="445nm,515nm,630nm", show_default=True, help="Comma-separated target channels.")
@options.only_device
@options.seed
@options.config_file
@options.as_json
def evaluate(
    *,
    train: Path,
    test: Path,
    models: str | None,
    condition: str,
    targets: str,
    only: str | None,
    seed: int,
    config_path: Path | None,
    as_json: bool,
) -> None:
    """Recover the inputs of TEST's readings from their outputs, by models that learnt from TRAIN."""
    lab = Laboratory(options.configured(config_path))
    chosen = tuple(m.strip() for m in models.split(",")) if models else available()
    say_what_is_left_out(chosen, asked=bool(models))
    columns = tuple(c.strip() for c in targets.split(","))
    known, unseen = lab.dataset(train, only)[0], lab.dataset(test, only)[0]
    with progress_bar("evaluating", 1.0) as update:
        result = run_evaluation(
            known, unseen, chosen, condition=condition, targets=columns, seed=seed, progress=update
        ).to_json()
    if as_json:
        print_json(result)
        return
    print_table(_table(result))
    left = result["left_out"]
    say(
        f"{result['n_train']} readings to learn from, {result['n_test']} to recover; "
        f"left out, saturated in a target channel: {left['train']} and {left['test']}"
    )


def _table(result: dict[str, Any]) -> Table:
    first = next(iter(result["models"].values()))
    table = new_table("inputs recovered from outputs")
    for heading in ("model", "input", "RMSE", "R²", "90 % covers", "fit s", "invert ms"):
        table.add_column(heading, justify="left" if heading in {"model", "input"} else "right")
    for method, score in result["models"].items():
        inputs = list(first["rmse"])
        table.add_row(
            method,
            "\n".join(inputs),
            "\n".join(f"{score['rmse'][n]:.4f}" for n in inputs),
            "\n".join("–" if score["r2"][n] is None else f"{score['r2'][n]:.4f}" for n in inputs),
            "\n".join(f"{100 * score['coverage90'][n]:.0f} %" for n in inputs),
            f"{score['fit_seconds']:.2f}",
            f"{score['invert_ms']:.2f}",
        )
    return table
