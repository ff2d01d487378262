"""``retrolux collect``."""

import math
from collections.abc import Callable
from pathlib import Path

import click

from retrolux.device.measurement import INPUTS, Exposure
from retrolux.models.design import Choice
from retrolux.server.cli import options
from retrolux.server.cli.printing import print_json, progress_bar, say
from retrolux.server.collect import Collected, Plan, find_run, replayed
from retrolux.server.collect import collect as run_collection
from retrolux.server.config import Config
from retrolux.server.errors import BadArgument
from retrolux.server.journal import Journal
from retrolux.server.readings import refuse_mixing
from retrolux.server.station import Station


@click.command()
@click.option("-n", type=click.IntRange(1), default=100, show_default=True, help="Number of readings.")
@click.option(
    "--design",
    type=click.Choice(["lhs", "sobol", "grid", "box-behnken", "d-optimal", "active"]),
    default="lhs",
    show_default=True,
    help="Which settings: Latin hypercube, Sobol', full grid, Box-Behnken, D-optimal, or each where the readings "
    "so far say that the inverse will gain most.",
)
@click.option(
    "--settings",
    type=click.Path(path_type=Path),
    metavar="LOG",
    help="Instead: a log's inputs, in its order and times.",
)
@click.option(
    "--ambient-from", type=click.Path(path_type=Path), metavar="LOG", help="sim: the ambient light of this log."
)
@click.option("--resume", is_flag=True, help="Go on with the latest collection that was interrupted, as it was begun.")
@options.log_file
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    help="Of the design; with --settings, of the simulator's noise and weather.",
)
@options.device_name
@options.config_file
@options.as_json
def collect(
    *,
    n: int,
    design: str,
    settings: Path | None,
    ambient_from: Path | None,
    resume: bool,
    log_path: Path | None,
    seed: int,
    device: str | None,
    config_path: Path | None,
    as_json: bool,
) -> None:
    """Measure a design of N settings. Interrupted and run again, it goes on where it stopped."""
    config = options.configured(config_path, device, instrument=not resume)
    left = _left(config, device, log_path) if resume else None
    if left is not None:
        log_path, seed = Path(left.log), left.seed
        settings, ambient_from = (None if name is None else Path(name) for name in (left.settings, left.ambient))
        config = config.model_copy(update={"device": left.device})
    config = replaying(config, settings, ambient_from, seed)
    with Station(config, log_path) as lab:
        exposure, log = lab.settings.exposure, str(lab.log_path.resolve())
        replay, ambient = (None if path is None else str(path.resolve()) for path in (settings, ambient_from))
        settings_of_sensor = exposure.gain, exposure.atime, exposure.astep
        plan = left or Plan(design, n, seed, config.device, log, *settings_of_sensor, replay, ambient)
        _refuse_other_exposure(plan, exposure)
        done = _collect(plan, lab)
    result = {"log": str(lab.log_path), "readings": done.readings, "resumed": done.resumed, "run": done.run}
    if as_json:
        print_json(result)
    else:
        before = f", {done.resumed} of them from before" if done.resumed else ""
        click.echo(f"{done.readings} readings in {lab.log_path}{before}")


def _left(config: Config, device: str | None, log: Path | None) -> Plan:
    """Return the latest plan that was interrupted, of this device and into this log where they are named.

    Raises
    ------
    BadArgument
        When there is none, or what is the plan's own is asked for beside.
    """
    given = [name for name in ("n", "design", "settings", "ambient_from", "seed") if _is_given(name)]
    if given:
        raise BadArgument(f"--resume goes on as it was begun; {given[0]} cannot be changed.", "Give --resume alone.")
    plans = [Plan(**event["params"]) for event in Journal(config.state / "journal.jsonl").interrupted("collect")]
    named = None if log is None else str(log.resolve())
    found = [plan for plan in plans if named in {None, plan.log} and device in {None, plan.device}]
    if not found:
        raise BadArgument("No collection was interrupted.", "Begin one: retrolux collect -n 100.")
    say(f"device: {found[-1].device}")
    return found[-1]


def _is_given(name: str) -> bool:
    source = click.get_current_context().get_parameter_source(name)
    return source is click.core.ParameterSource.COMMANDLINE


def _refuse_other_exposure(plan: Plan, exposure: Exposure) -> None:
    """Raise BadArgument where a run would go on at another exposure than it was begun with."""
    began = Exposure(plan.gain, plan.atime, plan.astep)
    if began != exposure:
        raise BadArgument(
            f"It was begun at gain {began.gain:g}, atime {began.atime}, astep {began.astep}.",
            "Set them in [sensor] to go on with it, or begin another.",
        )


def _collect(plan: Plan, lab: Station) -> Collected:
    refuse_mixing(lab.log_path, plan.device)
    total = plan.size()  # a design that cannot be is refused before the instrument is touched
    if find_run(plan, lab.journal):
        say("going on with the interrupted collection")
    with progress_bar("measuring", total) as update:
        last = _Progress(update)
        done = run_collection(plan, lab.recorder, lab.journal, last.measured, last.chose)
    if last.choice is not None and not math.isnan(last.choice.after):
        say(f"error of an inverse of these readings, by its own estimate: {last.choice.after:.4f} of full duty (RMS)")
    return done


class _Progress:
    """What is shown while readings are made: how many, and of an active design which one and why."""

    def __init__(self, update: Callable[..., None]) -> None:
        self._update, self._made = update, 0
        self._label: str | None = None
        self.choice: Choice | None = None

    def measured(self, made: int, _total: int) -> None:
        self._made = made
        self._update(made, self._label)

    def chose(self, choice: Choice) -> None:
        self.choice = choice
        duties = " ".join(f"{name} {value:.2f}" for name, value in zip(INPUTS, choice.inputs, strict=True))
        self._label = f"{duties}: {choice.learns}"
        self._update(self._made, self._label)


def replaying(config: Config, settings: Path | None, ambient: Path | None, seed: int) -> Config:
    """Return the configuration with a simulator whose time begins with the log that is replayed.

    Raises
    ------
    BadArgument
        When ambient light is asked of an instrument that is no simulator.
    LogUnreadable
    """
    if ambient is not None and not config.device.startswith("sim"):
        raise BadArgument(
            f"The ambient light of {config.device} is what it is.", "Leave --ambient-from out, or choose --device sim."
        )
    simulator = config.simulator
    if settings is not None:
        simulator = simulator.model_copy(update={"begins": replayed(settings)[1][0], "seed": seed})
    if ambient is not None:
        simulator = simulator.model_copy(update={"ambient_log": ambient})
    return config.model_copy(update={"simulator": simulator})
