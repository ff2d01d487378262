"""Options of commands whose work consists of pieces: where these are done."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import click

from retrolux.server.engine import ENGINES, engine

Command = TypeVar("Command", bound=Callable[..., Any])


def pieces(command: Command) -> Command:
    """Let a command's pieces be done by the engine that is asked for."""

    @functools.wraps(command)
    def on_engine(*, engine_name: str, jobs: int | None, scheduler: str | None, **others: Any) -> Any:  # noqa: ANN401
        with engine(engine_name, jobs, scheduler):
            return command(**others)

    name = click.option(
        "--engine",
        "engine_name",
        type=click.Choice(ENGINES),
        default="local",
        show_default=True,
        help="Who does the work: this process, several of this machine, or a dask scheduler's workers.",
    )
    jobs = click.option("--jobs", type=click.IntRange(1, 1024), help="Of the engine processes; one a core by default.")
    scheduler = click.option("--scheduler", metavar="URL", help="Of the engine dask: tcp://HOST:8786.")
    return cast("Command", name(jobs(scheduler(on_engine))))
