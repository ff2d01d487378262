"""``retrolux demo``."""

from pathlib import Path

import click

from retrolux.models.registry import available
from retrolux.server.cli import options
from retrolux.server.cli.fitting import say_what_is_left_out
from retrolux.server.cli.printing import answers_table, print_json, print_table, progress_bar, remarks, say
from retrolux.server.demo import TARGET, Demo
from retrolux.server.laboratory import Laboratory
from retrolux.server.readings import refuse_mixing


@click.command()
@click.option("-o", "--log", "log_path", type=click.Path(path_type=Path), default=Path("rgb.jsonl"), show_default=True)
@click.option("-n", type=click.IntRange(20, 10_000), default=100, show_default=True, help="Readings to learn from.")
@click.option("--playbacks", type=click.IntRange(1, 1000), default=16, show_default=True, help="Of each answer.")
@options.seed
@options.device_name
@options.config_file
@options.as_json
def demo(
    *,
    log_path: Path,
    n: int,
    playbacks: int,
    seed: int,
    device: str | None,
    config_path: Path | None,
    as_json: bool,
) -> None:
    """Collect readings, fit five models, ask each for 2^14 counts at 445, 515 and 630 nm, play the answers back."""
    config = options.configured(config_path, device, instrument=True)
    refuse_mixing(log_path, config.device)
    say_what_is_left_out(available(), asked=False)
    with Laboratory(config, log_path) as lab, progress_bar("measuring", 1.0) as update:
        answers = Demo(lab, n, playbacks, seed, update).run()
    if as_json:
        print_json({"log": str(log_path), "answers": answers})
        return
    wanted = ", ".join(TARGET)
    print_table(answers_table(answers, f"which inputs give {2**14} counts at {wanted}? ({config.device})"))
    for remark in remarks(answers):
        say(remark)
    click.echo(
        f"{n + playbacks * len(answers)} readings are in {log_path}; error % is the mean of {playbacks} playbacks."
    )
