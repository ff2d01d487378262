"""Where the configuration file is."""

import os
from collections.abc import Mapping
from pathlib import Path


def find_config(named: Path | None, env: Mapping[str, str] = os.environ) -> Path | None:
    """Return the configuration file to read, or None where there is none and none was named."""
    if named or env.get("RETROLUX_CONFIG"):
        return named or Path(env["RETROLUX_CONFIG"])
    home = Path(env.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    usual = (Path("retrolux.toml"), home / "retrolux" / "retrolux.toml", Path("/etc/retrolux/retrolux.toml"))
    return next((path for path in usual if path.is_file()), None)
