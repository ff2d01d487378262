"""``retrolux aim``: invert, measure, correct, until the target is met within the noise of a reading."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from retrolux.models.registry import METHODS
from retrolux.server.cli import options, sources
from retrolux.server.cli.asking import fitted_model
from retrolux.server.cli.printing import new_table, print_json, print_table, say
from retrolux.server.laboratory import Laboratory
from retrolux.server.shots import MOST, Aim, take_aim


@click.command()
@click.argument("target", nargs=-1, metavar="CHANNEL=COUNTS …")
@click.option("--model", type=click.Choice(METHODS), default="bayes", show_default=True, help="Which method answers.")
@click.option("--shots", type=click.IntRange(1, MOST), default=3, show_default=True, help="At most so many readings.")
@click.option("--anyway", is_flag=True, help="Also where the model holds the target to be unattainable.")
@sources.data_log("Learn from this log's readings instead of asking the saved model.")
@sources.only_device
@options.seed
@options.device_name
@options.config_file
@options.as_json
def aim(
    *,
    target: tuple[str, ...],
    model: str,
    shots: int,
    anyway: bool,
    data_path: Path | None,
    only: str | None,
    seed: int,
    device: str | None,
    config_path: Path | None,
    as_json: bool,
) -> None:
    """Meet a target on the instrument: retrolux aim 445nm=16384 515nm=16384 630nm=16384 --shots 3."""
    wanted = options.asked_target(target)
    task = Aim(wanted, shots, anyway, seed)
    with Laboratory(options.configured(config_path, device, instrument=True)) as lab:
        fitted = fitted_model(lab, model, sources.Readings(data_path, only), seed)
        for remark in lab.strangers(model) if data_path is None else []:
            say(remark)
        with lab.journal.job("aim", {"target": wanted, "shots": shots, "model": model}) as result:
            answer = take_aim(lab, fitted, task, _told)
            result |= {"run": answer["run"], "shots": len(answer["shots"])}
    if as_json:
        print_json(answer)
        return
    _print(answer)


def _told(number: int, error: Mapping[str, float]) -> None:
    errors = ", ".join(f"{name} {value:+.1f}" for name, value in error.items())
    say(f"shot {number}: off by {errors} times the noise of a reading")


def _print(answer: dict[str, Any]) -> None:
    table = new_table(f"settled on, after {_counted(len(answer['shots']), 'shot')}")
    table.show_lines = False
    table.add_column("input")
    table.add_column("± sd", justify="right")
    for heading in ("channel", "wanted", "last measured", "expected now"):
        table.add_column(heading, justify="right" if heading != "channel" else "left", no_wrap=True)
    last = answer["shots"][-1]["measured"]
    table.add_row(
        "\n".join(f"{name} {value:.4f}" for name, value in answer["inputs"].items()),
        "\n".join(f"{value:.4f}" for value in answer["std"].values()),
        "\n".join(answer["target"]),
        "\n".join(f"{counts:.0f}" for counts in answer["target"].values()),
        "\n".join("saturated" if name not in last else f"{last[name]:.0f}" for name in answer["target"]),
        "\n".join(f"{answer['predicted'][name]:.0f}" for name in answer["target"]),
    )
    print_table(table)
    for remark in answer["warnings"]:
        say(remark)
    if answer["settled"]:
        say("The last shot met the target within the noise of a reading.")
    else:
        say("The last shot did not meet the target within the noise of a reading; the inputs are corrected by it.")


def _counted(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"
