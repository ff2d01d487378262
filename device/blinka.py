"""Adafruit's libraries, loaded when they are needed and without questions."""

import importlib
import os
from typing import Any


def load(name: str) -> Any:  # noqa: ANN401 - modules without types
    """Return a module of Blinka or of its drivers. Raises what importing it raises."""
    os.environ.setdefault("BLINKA_SKIP_DEPENDENCY_CHECK", "1")  # or Blinka asks on the terminal to install things
    return importlib.import_module(name)
