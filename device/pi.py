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
from typing import TYPE_CHECKING, Any

from retrolux.device.blinka import load
from retrolux.device.bus import ReopenableBus
from retrolux.device.clock import Clock, RealClock
from retrolux.device.deadlines import CHECK_WIRING
from retrolux.device.errors import InstrumentBusy, SensorMissing
from retrolux.device.lights.light import Light, first_line
from retrolux.device.lights.opening import open_light
from retrolux.device.settings import InstrumentSettings

if TYPE_CHECKING:
    from retrolux.device.bench import Bench

PATIENCE = 1.0  # seconds until another process, which may just be ending, is taken to own the light
POLL_SECONDS = 0.05

LOCK_FOLDERS = (Path("/run/lock"), Path(tempfile.gettempdir()))


def open_pi(settings: InstrumentSettings) -> "Bench":
    """Open the instrument of this machine.

    The light is made dark before the sensor is looked for. One process owns the hardware at a time.

    Raises
    ------
    InstrumentBusy
        When another process owns it.
    SensorMissing, LightError
        When bus, sensor or pins cannot be had.
    """
    from retrolux.device.bench import Bench, wire_of  # noqa: PLC0415 - who makes the light dark needs neither
    from retrolux.device.sensor import Sensor  # noqa: PLC0415 - as above
    from retrolux.device.timekeeping import Synchronisation  # noqa: PLC0415 - as above

    clock = RealClock(Synchronisation().known)
    clock.synchronised()  # the first question may take a while, which no reading shall wait for
    with contextlib.ExitStack() as undo:
        undo.callback(_lock())
        light, bus = _dark_light(settings, clock, undo)
        sensor = Sensor(load("adafruit_as7341"), bus(), clock, settings.exposure, bus().reopen)
        release = undo.pop_all()
        return Bench("pi", light, sensor, clock, release.close, wire_of(settings, light.frequency))


def make_pi_dark(settings: InstrumentSettings, *, anyway: bool = False) -> str:
    """Make the light of this machine dark, and return which backend drives it; no sensor is needed.

    Parameters
    ----------
    anyway : bool
        Also while another process owns it.

    Raises
    ------
    InstrumentBusy
        When another process owns it, and does not end within a second.
    SensorMissing, LightError
        When bus or pins cannot be had.
    """
    clock = RealClock()
    with contextlib.ExitStack() as undo:
        undo.callback(_patient_lock(clock, anyway=anyway))
        light, _ = _dark_light(settings, clock, undo)
        return light.backend


def _dark_light(
    settings: InstrumentSettings, clock: Clock, undo: contextlib.ExitStack
) -> tuple[Light, Callable[[], ReopenableBus]]:
    """Return the light, dark, and what returns the bus; both are given back by the stack."""

    @cache
    def bus() -> ReopenableBus:
        opened = ReopenableBus(_open_bus)
        undo.callback(opened.deinit)
        return opened

    light = open_light(settings, bus, clock)
    undo.callback(light.close)
    light.off()
    return light, bus


def _patient_lock(clock: Clock, *, anyway: bool) -> Callable[[], None]:
    """Take the lock, also of one that is just ending; where another keeps it, go without or raise InstrumentBusy."""
    until = clock.monotonic() + PATIENCE
    while True:
        try:
            return _lock()
        except InstrumentBusy:
            if clock.monotonic() < until:
                clock.sleep(POLL_SECONDS)
            elif anyway:
                return lambda: None
            else:
                raise


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
