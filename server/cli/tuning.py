"""``retrolux tune``."""

from pathlib import Path

import click

from retrolux.device.measurement import REFERENCE
from retrolux.device.tuning import Tuning
from retrolux.server.cli import options
from retrolux.server.cli.printing import new_table, print_json, print_table, progress_bar, say
from retrolux.server.laboratory import Laboratory


@click.command()
@options.device_name
@options.config_file
@options.as_json
def tune(*, device: str | None, config_path: Path | None, as_json: bool) -> None:
    """Find the sensor's clock and gain steps, and measure with less noise from then on.

    A reading depends on the phase of the light's pulses at which it begins, unless the sensor's window holds a whole
    number of them. How many it holds is found by the noise of a light at half duty (four minutes); the
    window that is chosen and the gain steps are kept in calibration.json in the state folder.
    """
    with Laboratory(options.configured(config_path, device, instrument=True)) as lab:
        with progress_bar("tuning", 1.0) as update:
            found = lab.tune(lambda fraction, _what: update(fraction))
        path = lab.calibrations.path
    if as_json:
        print_json(found.to_json())
        return
    _print(found)
    say(f"kept in {path}; delete it to be as before")


def _print(found: Tuning) -> None:
    table = new_table("green at half duty, 515 nm, repeated")
    table.show_lines = False
    table.add_column("window")
    table.add_column("noise", justify="right")
    table.add_row(f"as it was, {1000 * REFERENCE.seconds:.1f} ms", f"{100 * found.before:.3f} %")
    table.add_row(f"now, {1000 * found.exposure.seconds:.1f} ms", f"{100 * found.after:.3f} %")
    table.add_row("for comparison: a steady light", f"{100 * found.steady:.3f} %")
    print_table(table)
    if found.beats:
        off = 100 * (found.ratio - 1)
        click.echo(f"The light's pulses in a window are {off:+.2f} % off their nominal number.")
    else:
        click.echo("No beat was seen: the light's pulses are too fast, or their jitter hides it.")
    steps = ", ".join(f"{gain:g}: {ratio:.4g}" for gain, ratio in found.gain_ratios.items())
    click.echo(f"gain relative to 128: {steps}")
