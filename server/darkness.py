"""The light made dark from outside of whatever left it on: after a crash, and when the machine starts.

It reads the configuration itself, and of it the light's part alone: neither a mistake elsewhere in it, nor a library
that is broken, nor the seconds that a small board takes to load one shall leave the light on.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from retrolux.device.clock import Clock, RealClock
from retrolux.device.errors import DeviceError, InstrumentBusy
from retrolux.device.factory import make_dark
from retrolux.device.settings import InstrumentSettings
from retrolux.server.errors import BadConfiguration
from retrolux.server.places import find_config

PAUSE = 0.5  # seconds between two attempts
ENTRIES = {
    "red": "red",
    "green": "green",
    "blue": "blue",
    "frequency": "pwm_frequency",
    "backend": "pwm_backend",
    "address": "pca9685_address",
    "channels": "pca9685_channels",
}
"""What the entries of ``[light]`` are called in the settings."""


def light_of(named: Path | None = None) -> tuple[str, InstrumentSettings]:
    """Return the configuration's device, and the settings of its light.

    Raises
    ------
    BadConfiguration
        When the file cannot be read.
    BadInput
        When it describes no light.
    """
    table = _read(named)
    light, simulator = _table(table, "light"), _table(table, "simulator")
    known: dict[str, Any] = {ENTRIES[name]: value for name, value in light.items() if name in ENTRIES}
    if isinstance(channels := known.get("pca9685_channels"), list):
        known["pca9685_channels"] = tuple(channels)
    if isinstance(pins := simulator.get("pins"), str):
        known["pins_file"] = Path(pins)
    return str(table.get("device", "sim")), InstrumentSettings(**known)


def go_dark(
    device: str,
    settings: InstrumentSettings,
    *,
    anyway: bool = False,
    wait: float = 0.0,
    clock: Clock | None = None,
) -> str:
    """Make a device's light dark, and return how, in words.

    Parameters
    ----------
    anyway : bool
        Also while another process owns the light: a reading that it makes at that moment is spoilt.
    wait : float
        Seconds in which it is tried again, as long as the light's device is not there yet.

    Raises
    ------
    InstrumentBusy
        When another process, which makes it dark itself after each reading, owns it.
    DeviceError
        When it cannot be made dark.
    """
    clock = clock or RealClock()
    until = clock.monotonic() + wait
    while True:
        try:
            return make_dark(device, settings, anyway=anyway)
        except InstrumentBusy:
            raise
        except DeviceError:
            if clock.monotonic() >= until:
                raise
            clock.sleep(PAUSE)


def _read(named: Path | None) -> Mapping[str, Any]:
    path = find_config(named)
    try:
        return {} if path is None else tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadConfiguration(f"{path} cannot be read: {error}.", "Name a readable TOML file.") from error


def _table(table: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = table.get(name, {})
    return found if isinstance(found, dict) else {}
