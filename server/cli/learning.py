"""``retrolux learn-curve``."""

from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
from rich.table import Table

from retrolux.models.learning_curve import TENTH, Point
from retrolux.models.readings import PAPER
from retrolux.server.cli import engines, options, sources
from retrolux.server.cli.fitting import methods_of
from retrolux.server.cli.printing import new_table, print_json, print_table, progress_bar, say
from retrolux.server.config import Config
from retrolux.server.errors import BadArgument
from retrolux.server.fitting import method_options
from retrolux.server.laboratory import Laboratory
from retrolux.server.learning import Curves, Study
from retrolux.server.learning_sources import Logged, Simulated, Source

UNIT = 1e4  # errors are printed in ten-thousandths of full duty


@click.command()
@click.argument("log", required=False, type=click.Path(path_type=Path))
@click.option("--models", help="Comma-separated; all by default.")
@click.option("--designs", help="Comma-separated: lhs,sobol,d-optimal,active; of a log random,d-optimal.")
@click.option("--sizes", default="5,10,20,40,100", show_default=True, help="Numbers of readings.")
@click.option("--seeds", type=click.IntRange(1, 1000), default=5, show_default=True, help="Runs of each design.")
@click.option("--goal", type=float, help="Inverse error to reach; default: each method's, by the first design at last.")
@click.option("--known-ambient", is_flag=True, help="Targets under ambient light that one exact reading tells.")
@click.option("--targets", help="Comma-separated target channels; those of the paper by default.")
@sources.forest
@sources.only_device
@engines.pieces
@options.device_name
@options.config_file
@options.as_json
def learn_curve(
    *,
    log: Path | None,
    models: str | None,
    designs: str | None,
    sizes: str,
    seeds: int,
    goal: float | None,
    known_ambient: bool,
    targets: str | None,
    forest: str,
    only: str | None,
    device: str | None,
    config_path: Path | None,
    as_json: bool,
) -> None:
    """Show how the error of an inverse falls with the readings it learnt from: of a simulator, or of LOG's readings.

    The error is that of the inputs for targets without noise, which an inverse that knows the response would answer
    exactly: root mean square over inputs and random targets of the light alone. Of a simulator the response is known;
    of a log it is what bayes learns from all of it, and designs choose among its readings.
    """
    if log is not None and device is not None:
        raise BadArgument("A log and a device were given.", "Choose one of them.")
    config = options.configured(config_path, device, instrument=log is None)
    source = _source(config, log, only, options.listed(targets))
    chosen = methods_of(models)
    numbers = [_whole(text) for text in options.listed(sizes)]
    study = Study(
        source,
        chosen,
        options.listed(designs) or source.designs,
        numbers,
        seeds=seeds,
        net=not known_ambient,
        options=method_options(forest),
    )
    with progress_bar("learning", 1.0) as update:
        curves = study.curves(goal, update)
    if as_json:
        print_json(curves.to_json())
        return
    print_table(_table(curves, config.device if log is None else str(log)))
    for line in _remarks(curves, seeds, given=goal is not None):
        say(line)


def _whole(text: str) -> int:
    """Return a number of readings. Raises BadArgument."""
    value = options.number("--sizes", text)
    if value != int(value):
        raise BadArgument(f"--sizes has {text}, and readings are whole.", "Give whole numbers.")
    return int(value)


def _source(config: Config, log: Path | None, only: str | None, targets: tuple[str, ...]) -> Source:
    if log is None:
        return Simulated(config.device, config.instrument_settings, targets or PAPER)
    data = Laboratory(config).dataset(log, only)[0]
    return Logged.of(data, targets)


def _table(curves: Curves, of: str) -> Table:
    table = new_table(f"inverse error after so many readings of {of}, in 1/10000 of full duty")
    table.add_column("model")
    table.add_column("design")
    for heading in (*map(str, curves.sizes), "needs"):
        table.add_column(heading, justify="right", no_wrap=True)
    cells = {(p.method, p.design, p.n): _cell(p) for p in curves.points}
    for method, design, each in curves.needed():
        row = [cells[method, design, n] for n in curves.sizes]
        table.add_row(method, design, *row, _readings(each, curves.sizes))
    return table


def _cell(point: Point) -> str:
    """Return the median, and below it the spread."""
    if np.isnan(point.median):
        return "–"
    low, high = (UNIT * e for e in point.spread)
    return f"{UNIT * point.median:.1f}\n{low:.0f}–{high:.0f}"


def _readings(each: Sequence[float], sizes: Sequence[int]) -> str:
    """Return how many readings the goal needs: the median, and below it the spread over seeds."""
    low, middle, high = (
        f">{sizes[-1]}" if np.isinf(n) else f"≤{sizes[0]}" if n <= sizes[0] else f"{np.ceil(n):.0f}"
        for n in np.quantile(each, (TENTH[0], 0.5, TENTH[1]), method="higher")
    )
    return middle if low == high else f"{middle}\n{low}–{high}"


def _remarks(curves: Curves, seeds: int, *, given: bool) -> list[str]:
    asked = "the light alone" if curves.net else "the light in ambient light that is known"
    whose = "the goal that was given" if given else "what the first design leaves the method at last"
    goals = ", ".join(f"{method} {UNIT * goal:.1f}" for method, goal in curves.goals.items())
    return [
        f"median of {seeds} seeds, below it what a tenth of them is under and over; targets of {asked}",
        f"needs: readings after which the error stays within {whose} ({goals})",
    ]
