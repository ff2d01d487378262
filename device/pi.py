"""The hardware: a Raspberry Pi's I2C bus and PWM pins.

Tested against fakes of the libraries' interfaces with an emulated chip behind them, and not yet on a Pi.
"""

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from retrolux.device.bench import Bench, wire_of
from retrolux.device.blinka import load
from retrolux.device.bus import ReopenableBus
from retrolux.device.clock import RealClock
from retrolux.device.deadlines import CHECK_WIRING
from retrolux.device.errors import InstrumentBusy, SensorMissing
from retrolux.device.lights.light import first_line
from retrolux.device.lights.opening import open_light
from retrolux.device.sensor import Sensor
from retrolux.device.settings import InstrumentSettings

LOCK_FOLDERS = (Path("/run/lock"), Path(tempfile.gettempdir()))


def open_pi(settings: InstrumentSettings) -> Bench:
    """Open the instrument of this machine.

    The light is made dark before the sensor is looked for. One process owns the hardware at a time.

    Raises
    ------
    InstrumentBusy
        When another process owns it.
    SensorMissing, LightError
        When bus, sensor or pins cannot be had.
    """
    clock = RealClock()
    with contextlib.ExitStack() as undo:
        undo.callback(_lock())

        @cache
        def bus() -> ReopenableBus:
            opened = ReopenableBus(_open_bus)
            undo.callback(opened.deinit)
            return opened

        light = open_light(settings, bus, clock)
        undo.callback(light.close)
        light.off()
        sensor = Sensor(load("adafruit_as7341"), bus(), clock, settings.exposure, bus().reopen)
        release = undo.pop_all()
        return Bench("pi", light, sensor, clock, release.close, wire_of(settings, light.frequency))


def _lock() -> Callable[[], None]:
    with contextlib.ExitStack() as undo:
        try:
            handle = _open_lock()
            undo.callback(os.close, handle)
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InstrumentBusy(
                "Another process owns this machine's light and sensor.",
                "Stop it (systemctl stop retrolux), or ask it over HTTP: --device http://127.0.0.1:8000.",
            ) from error
        return undo.pop_all().close


def _open_lock() -> int:
    """Open the lock of the first folder that has one, or lets one be made."""
    *preferred, last = (folder / "retrolux.lock" for folder in LOCK_FOLDERS)
    for path in preferred:
        with contextlib.suppress(FileNotFoundError):
            return _open_to_read(path)
        with contextlib.suppress(OSError):
            return _make(path)
    try:
        return _open_to_read(last)
    except FileNotFoundError:
        return _make(last)


def _open_to_read(path: Path) -> int:
    # locking needs no more, also in a folder that is read-only; another user's file could not be opened to write
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def _make(path: Path) -> int:
    file = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    with contextlib.suppress(PermissionError):  # another process may have made it in between
        os.fchmod(file, 0o644)  # whatever the umask: a file that others cannot open would keep them out for good
    return file


def _open_bus() -> Any:  # noqa: ANN401
    try:
        return load("board").I2C()
    except (ImportError, AttributeError, NotImplementedError, RuntimeError, ValueError, OSError) as error:
        raise SensorMissing(f"This machine's I2C bus cannot be had: {first_line(error)}.", CHECK_WIRING) from error
