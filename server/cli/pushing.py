"""``retrolux push``."""

from pathlib import Path
from typing import Any

import click

from retrolux.models.registry import METHODS
from retrolux.server.cli import options, sources
from retrolux.server.cli.printing import print_json, say
from retrolux.server.config import Config
from retrolux.server.errors import BadArgument, NoModel
from retrolux.server.pushing import Target
from retrolux.server.store import ModelStore


@click.command()
@click.argument("models", nargs=-1, metavar="[MODEL]…", type=click.Choice(METHODS))
@click.option("--to", "url", required=True, metavar="URL", help="The other Retrolux, such as http://raspberrypi:8000.")
@sources.models_folder
@click.option("--anyway", is_flag=True, help="Also a model of another instrument than the one there.")
@click.option("--if-match", metavar="HASH", help="Only in place of the model of readings with this hash.")
@options.config_file
@options.as_json
def push(
    *,
    models: tuple[str, ...],
    url: str,
    models_path: Path | None,
    anyway: bool,
    if_match: str | None,
    config_path: Path | None,
    as_json: bool,
) -> None:
    """Send saved models, all by default, to another Retrolux, which tries each before it replaces its own by it."""
    target, store = Target(url), _store(options.configured(config_path), models_path)
    chosen = models or store.methods()
    if missing := [method for method in chosen if method not in store.methods()] or ([] if chosen else ["saved"]):
        raise NoModel(f"There is no {missing[0]} model in {store.folder}.", "Fit one with `retrolux fit LOG`.")
    if if_match is not None and len(chosen) > 1:
        raise BadArgument("--if-match is of one model.", "Name the model.")
    found = []
    for method in chosen:
        found.append(target.push(store, method, anyway=anyway, instead_of=if_match))
        if not as_json:
            click.echo(_line(found[-1], target.url))
        for warning in found[-1]["warnings"]:
            say(f"{method}: {warning}")
    if as_json:
        print_json({"to": target.url, "models": found})


def _store(config: Config, folder: Path | None) -> ModelStore:
    return ModelStore(folder or config.state / "models")


def _line(entry: dict[str, Any], url: str) -> str:
    """Return what became of a model."""
    earlier = entry["replaced"]
    was = "nothing was there" if earlier is None else f"in place of {_of(earlier)}"
    return f"{entry['method']}: {_of(entry)} now answers at {url}, {was}"


def _of(entry: dict[str, Any]) -> str:
    return f"that of {entry['n_rows']} readings of {entry['device']} ({entry['data_hash'][:8]})"
