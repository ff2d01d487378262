"""How the machine does, read from the kernel's files: no program is started, and no device opened.

So it works within the service's sandbox, which has no ``/dev/vcio``, through which ``vcgencmd`` asks the firmware.
"""

from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from retrolux.device.host import NOW, SINCE_BOOT, alarm, text_of

THERMAL = "sys/class/thermal/thermal_zone0/temp"
THROTTLED = "sys/devices/platform/soc*/*firmware/get_throttled"


@dataclass(frozen=True, slots=True)
class Vitals:
    """What the kernel tells of the machine; each is None where it tells nothing.

    Attributes
    ----------
    temperature : float or None
        Of the processor, in °C.
    undervoltage : bool or None
        Whether the supply's voltage is too low, now or within the last two seconds.
    undervoltage_since_boot : bool or None
        Whether it was since the machine's start; only the older of the kernel's two files for it says.
    """

    temperature: float | None
    undervoltage: bool | None
    undervoltage_since_boot: bool | None

    def to_json(self) -> dict[str, Any]:
        """Return its fields."""
        return asdict(self)


def vitals(root: Path = Path("/")) -> Vitals:
    """Read the machine's vital signs.

    The alarm of ``rpi_volt`` (hwmon) is preferred: the firmware's bits (``get_throttled``) are in older kernels alone,
    where reading them writes a warning to the kernel's log, once.

    Parameters
    ----------
    root : Path
        Where the system's files are.
    """
    now, since = alarm(root), None
    if now is None and (bits := _throttled(root)) is not None:
        now, since = bool(bits & NOW), bool(bits & (NOW | SINCE_BOOT))
    return Vitals(_temperature(root), now, since)


def _temperature(root: Path) -> float | None:
    with suppress(ValueError):  # in thousandths of a degree
        return int(text_of(root / THERMAL) or "") / 1000
    return None


def _throttled(root: Path) -> int | None:
    for path in sorted(root.glob(THROTTLED)):
        with suppress(ValueError):
            return int(text_of(path) or "", 16)
    return None
