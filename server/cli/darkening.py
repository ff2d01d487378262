"""``retrolux dark``."""

from pathlib import Path

import click

from retrolux.server.darkness import go_dark, light_of


@click.command()
@click.option("--device", metavar="NAME", help="sim, sim:N, pi or http://…  [default: the configuration's]")
@click.option(
    "--config", "config_path", type=click.Path(path_type=Path), help="TOML configuration (default: retrolux.toml)."
)
@click.option("--anyway", is_flag=True, help="Also while another process owns the light; its reading is spoilt.")
@click.option(
    "--wait", type=click.FloatRange(0, 3600), default=0.0, help="Seconds to wait for the light's device to appear."
)
def dark(*, device: str | None, config_path: Path | None, anyway: bool, wait: float) -> None:
    """Put each channel of the light to zero, whatever left it on."""
    configured, settings = light_of(config_path)
    click.echo(go_dark(device or configured, settings, anyway=anyway, wait=wait))
