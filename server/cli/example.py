"""``retrolux example``."""

import sys
from pathlib import Path

import click

from retrolux.server.cli import options
from retrolux.server.cli.printing import say
from retrolux.server.errors import BadArgument
from retrolux.server.formulation import INGREDIENTS, PROPERTIES, lines


@click.command()
@click.option("-n", type=click.IntRange(1, 100_000), default=120, show_default=True, help="Rows.")
@click.option("-o", "--table", "path", type=click.Path(path_type=Path), help="Written to; stdout by default.")
@options.seed
def example(*, n: int, path: Path | None, seed: int) -> None:
    """Write a table that is no light's: a made-up formulation of five ingredients, computed and not measured."""
    text = "\n".join(lines(n, seed)) + "\n"
    if path is None:
        sys.stdout.write(text)
        return
    if path.exists():
        raise BadArgument(f"{path} is there already.", "Choose another file with -o, or remove it.")
    path.write_text(text, encoding="utf-8")
    say(f"{n} rows in {path}: {', '.join(INGREDIENTS)} give {', '.join(PROPERTIES)}")
