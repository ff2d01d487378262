"""``retrolux serve``."""

import os
from pathlib import Path

import click

from retrolux.server.cli import options
from retrolux.server.cli.printing import say
from retrolux.server.lines import log_to_the_journal
from retrolux.server.serving import serve as run_server
from retrolux.server.station import Station


@click.command()
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="0 takes any free port.  [default: 8000]")
@options.device_name
@options.config_file
def serve(*, host: str | None, port: int | None, device: str | None, config_path: Path | None) -> None:
    """Answer over HTTP until SIGTERM or Ctrl-C."""
    log_to_the_journal(os.environ)
    config = options.configured(config_path, device, instrument=True)
    address = host or config.serve.host, config.serve.port if port is None else port
    run_server(Station(config), *address, lambda url: say(f"listening on {url}"))
