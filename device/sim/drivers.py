"""Adafruit's drivers, unmodified, on a clock of one's own."""

import importlib.util
import sys
from types import ModuleType, SimpleNamespace

from retrolux.device.clock import Clock

AS7341 = "adafruit_as7341"


def load_driver(clock: Clock, name: str = AS7341) -> ModuleType:
    """Return a copy of a driver's module that waits by this clock; the one that others import is left alone.

    Raises
    ------
    ModuleNotFoundError
    """
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise ModuleNotFoundError(name)
    spec = importlib.util.spec_from_file_location(f"retrolux_sim_{name}", found.origin)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    own = SimpleNamespace(sleep=clock.sleep, monotonic=clock.monotonic)
    module.__dict__.update(sleep=own.sleep, monotonic=own.monotonic, time=own)
    sys.modules.pop(module.__name__, None)
    return module
