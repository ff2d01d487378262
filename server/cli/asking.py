"""``retrolux invert``, ``retrolux predict`` and ``retrolux sample``."""

from pathlib import Path
from typing import Any

import click

from retrolux.models.model import Model
from retrolux.models.registry import METHODS, available
from retrolux.models.solution import Solution
from retrolux.server import answers
from retrolux.server.cli import asking_many, following, options, sources
from retrolux.server.cli.printing import (
    answers_table,
    new_table,
    print_json,
    print_table,
    progress_bar,
    remarks,
    say,
    wrapped,
)
from retrolux.server.laboratory import Laboratory
from retrolux.server.tables import Columns

one_model = click.option(
    "--model", type=click.Choice(METHODS), default="gmm", show_default=True, help="Which method answers."
)
data_log = sources.data_log("Answer from this log's readings instead of the saved models.")


@click.command()
@click.argument("target", nargs=-1, metavar="CHANNEL=COUNTS …")
@click.option(
    "--model", type=click.Choice([*METHODS, "all"]), default="gmm", show_default=True, help="Which method answers."
)
@click.option("--targets", "targets_path", type=click.Path(path_type=Path), metavar="FILE", help="A table of targets.")
@data_log
@sources.table
@sources.models_folder
@sources.only_device
@sources.samples
@options.seed
@click.option("--net", is_flag=True, help="The target is of the light alone, without the ambient light.")
@click.option("--sensitivity", is_flag=True, help="Also tell how the inputs move with each channel of the target.")
@click.option("--path", "path_from", metavar="R,G,B", help="Also follow the answer continuously from these inputs.")
@click.option("--known", multiple=True, metavar="CHANNEL=COUNTS", help="With --path: what those inputs gave.")
@click.option("--verify", is_flag=True, help="Play the answer back on the instrument.")
@click.option("--playbacks", type=click.IntRange(1, 1000), default=16, show_default=True, help="With --verify.")
@options.device_name
@options.config_file
@options.as_json
def invert(
    *,
    target: tuple[str, ...],
    model: str,
    targets_path: Path | None,
    data_path: Path | None,
    columns: Columns | None,
    models_path: Path | None,
    only: str | None,
    samples: int,
    seed: int,
    net: bool,
    sensitivity: bool,
    path_from: str | None,
    known: tuple[str, ...],
    verify: bool,
    playbacks: int,
    device: str | None,
    config_path: Path | None,
    as_json: bool,
) -> None:
    """Which inputs give these counts? For example: retrolux invert 445nm=16384 515nm=16384 630nm=16384."""
    source = sources.Readings(data_path, only, columns)
    if targets_path is not None:
        asking_many.refuse_beside(target, sensitivity, path_from, known, verify, model == "all")
        lab = Laboratory(options.configured(config_path, device), models=models_path)
        fitted = fitted_model(lab, model, source, seed)
        answers.refuse_of_a_table(fitted, net=net, played=False)
        asking_many.print_answers(lab, fitted, targets_path, data_path, net, samples, seed, as_json)
        return
    wanted = options.asked_target(target)
    pair = following.known_pair(path_from, known, net=net)
    methods = available() if model == "all" else (model,)
    found: list[dict[str, Any]] = []
    with Laboratory(options.configured(config_path, device, instrument=verify), models=models_path) as lab:
        for method in methods:
            fitted = fitted_model(lab, method, source, seed)
            answers.refuse_of_a_table(fitted, net=net, played=verify)
            with progress_bar(f"asking {method}", None):
                solution = lab.invert(fitted, wanted, net=net, log=data_path, samples=samples, seed=seed)
            told = lab.sensitivity(fitted, solution, net=net, log=data_path) if sensitivity else {}
            told |= following.path(fitted, wanted, *pair) if pair else {}
            answer = solution.to_json() | told | (_play_back(lab, solution, playbacks) if verify else {})
            answer["warnings"] += lab.strangers(method) if verify and data_path is None else []
            found.append(answer)
    if as_json:
        print_json({"answers": found} if model == "all" else found[0])
        return
    scale = fitted.scale
    print_table(answers_table(found, "inputs for the target", scale))
    following.print_further(found, scale)
    for remark in remarks(found):
        say("\n".join(wrapped(remark, 80, others="  ")))
    if not net and scale.counts:
        lit = any("ambient" in answer for answer in found)
        say(
            "under the ambient light of the latest readings" if lit else "under the ambient light of the fit's readings"
        )


@click.command(context_settings=options.DUTIES_MAY_BE_NEGATIVE)
@click.argument("inputs", nargs=-1, metavar="INPUT …")
@one_model
@data_log
@sources.table
@sources.models_folder
@sources.only_device
@options.seed
@options.config_file
@options.as_json
def predict(
    *,
    inputs: tuple[str, ...],
    model: str,
    data_path: Path | None,
    columns: Columns | None,
    models_path: Path | None,
    only: str | None,
    seed: int,
    config_path: Path | None,
    as_json: bool,
) -> None:
    """Which counts will these inputs give? INPUT … are the duties R G B, each 0 to 1, or a table's inputs."""
    lab = Laboratory(options.configured(config_path), models=models_path)
    fitted = fitted_model(lab, model, sources.Readings(data_path, only, columns), seed)
    names = fitted.input_names + tuple(f"input {i + 1}" for i in range(len(fitted.input_names), len(inputs)))
    values = {n: options.number(n, text) for n, text in zip(names, inputs, strict=False)}
    result = answers.predict(fitted, values)
    if as_json:
        print_json(result)
        return
    table = new_table(f"predicted by {model}")
    table.show_lines = False
    table.add_column("channel" if fitted.scale.counts else "output")
    table.add_column("counts" if fitted.scale.counts else "value", justify="right")
    for output, value in result["predicted"].items():
        table.add_row(output, fitted.scale.amount(value))
    print_table(table)


@click.command()
@click.argument("given", nargs=-1, metavar="[COLUMN=NUMBER …]")
@one_model
@click.option("-n", type=click.IntRange(1, 100_000), default=500, show_default=True, help="Number of samples.")
@data_log
@sources.table
@sources.models_folder
@sources.only_device
@options.seed
@options.config_file
@options.as_json
def sample(
    *,
    given: tuple[str, ...],
    model: str,
    n: int,
    data_path: Path | None,
    columns: Columns | None,
    models_path: Path | None,
    only: str | None,
    seed: int,
    config_path: Path | None,
    as_json: bool,
) -> None:
    """Draw joint samples, or conditional ones where columns are given; CSV unless --json."""
    conditions = options.assignments(given)
    lab = Laboratory(options.configured(config_path), models=models_path)
    fitted = fitted_model(lab, model, sources.Readings(data_path, only, columns), seed)
    with progress_bar("drawing", None):
        result = answers.sample(fitted, n, conditions, seed)
    if as_json:
        print_json(result)
        return
    click.echo(",".join(result["columns"]))
    for row in result["rows"]:
        click.echo(",".join(f"{value:.6g}" for value in row))


def fitted_model(lab: Laboratory, method: str, source: sources.Readings, seed: int) -> Model:
    """Return the saved model, or one of the readings that were given, with a progress bar while it is fitted."""
    data = source.read(lab)
    with progress_bar(f"fitting {method}", 1.0) as update:
        return lab.model(method, data, seed=seed, report=lambda _method, fraction: update(fraction))


def _play_back(lab: Laboratory, solution: Solution, playbacks: int) -> dict[str, Any]:
    with progress_bar("playing back", playbacks) as update:
        return lab.play_back(solution, playbacks, update)
