"""The hardware: a Raspberry Pi's I2C bus and PWM pins.

Tested against fakes of the libraries' interfaces with an emulated chip behind them, and not yet on a Pi.
"""

import contextlib
import fcntl
import importlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from retrolux.device.bench import Bench, wire_of
from retrolux.device.bus import ReopenableBus
from retrolux.device.clock import RealClock
from retrolux.device.deadlines import CHECK_WIRING
from retrolux.device.errors import InstrumentBusy, LightError, SensorMissing
from retrolux.device.light import CHECK_PINS, GpiozeroLight, Light, PwmioLight
from retrolux.device.sensor import Sensor
from retrolux.device.settings import InstrumentSettings

INSTALL = (
    "On a Raspberry Pi, in the clone of the project: pip install '.[pi]'. "
    "On another machine choose --device sim, or the http:// address of the Pi."
)
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
        light = _open_light(settings)
        undo.callback(light.close)
        light.off()
        bus = ReopenableBus(_open_bus)
        undo.callback(bus.deinit)
        sensor = Sensor(_import("adafruit_as7341"), bus, clock, settings.exposure, bus.reopen)
        release = undo.pop_all()
        return Bench("pi", light, sensor, clock, release.close, wire_of(settings))


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


def _import(name: str) -> Any:  # noqa: ANN401 - modules without types
    os.environ.setdefault("BLINKA_SKIP_DEPENDENCY_CHECK", "1")  # or Blinka asks on the terminal to install things
    return importlib.import_module(name)


def _open_bus() -> Any:  # noqa: ANN401
    try:
        return _import("board").I2C()
    except (ImportError, AttributeError, NotImplementedError, RuntimeError, ValueError, OSError) as error:
        raise SensorMissing(f"This machine's I2C bus cannot be had: {_first_line(error)}.", CHECK_WIRING) from error


def _open_light(settings: InstrumentSettings) -> Light:
    with _in_words():
        if settings.pwm_backend == "gpiozero":
            return _gpiozero_light(settings)
        if settings.pwm_backend == "blinka":
            return _pwmio_light(settings)
        try:
            return _pwmio_light(settings)
        except (ImportError, NotImplementedError):  # Blinka has no PWM for this board
            return _gpiozero_light(settings)


def _pwmio_light(settings: InstrumentSettings) -> Light:
    board, pwmio = _import("board"), _import("pwmio")

    def make(bcm: int) -> Any:  # noqa: ANN401
        return pwmio.PWMOut(getattr(board, f"D{bcm}"), frequency=round(settings.pwm_frequency), duty_cycle=0)

    return PwmioLight(_all_or_none(settings, make, lambda output: output.deinit()))


def _gpiozero_light(settings: InstrumentSettings) -> Light:
    gpiozero = _import("gpiozero")

    def make(bcm: int) -> Any:  # noqa: ANN401
        return gpiozero.PWMLED(bcm, frequency=settings.pwm_frequency)

    return GpiozeroLight(_all_or_none(settings, make, lambda led: led.close()))


def _all_or_none(settings: InstrumentSettings, make: Callable[[int], Any], unmake: Callable[[Any], None]) -> list[Any]:
    """Make the three pins, or give back those that were made."""
    with contextlib.ExitStack() as undo:
        made = []
        for bcm in (settings.red, settings.green, settings.blue):
            made.append(make(bcm))
            undo.callback(unmake, made[-1])
        undo.pop_all()
        return made


@contextlib.contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except LightError:
        raise
    except ImportError as error:
        raise LightError(f"The light's PWM library is not installed: {_first_line(error)}.", INSTALL) from error
    except Exception as error:  # the GPIO libraries have bases of their own, and none in common
        raise LightError(f"The light's PWM pins cannot be had: {_first_line(error)}.", CHECK_PINS) from error


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
