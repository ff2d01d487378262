"""The kernel's PWM files of a Raspberry Pi 5, emulated (Documentation/ABI/testing/sysfs-class-pwm)."""

import errno

from retrolux.device.lights.sysfs import HEADER_PWM, TICK
from retrolux.device.sim.pwm import EmulatedOutput

CHANNELS = 4
FAN = {"pwmchip0": "107d517a80.pwm", "pwmchip6": "1f0009c000.pwm"}  # what else a Pi 5 has


class KernelChannel(EmulatedOutput):
    """One channel: its files' numbers, and the pulses that they make."""

    def __init__(self) -> None:
        super().__init__(frequency=1.0)
        self.numbers = {"period": 0, "duty_cycle": 0, "enable": 0}

    def change(self, name: str, value: int) -> None:
        """Set a number as the kernel does. Raises OSError where it refuses."""
        if self.broken:
            raise OSError(errno.EIO, "Input/output error")
        if name not in self.numbers:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        changed = {**self.numbers, name: value}
        if not 0 <= changed["duty_cycle"] <= changed["period"] or not changed["period"]:
            raise OSError(errno.EINVAL, "Invalid argument")
        self.numbers = changed
        ticks, of = (round(changed[n] / TICK) for n in ("duty_cycle", "period"))
        self.frequency = 1e9 / (of * TICK)
        self.tell(changed["enable"] * ticks / of)


class EmulatedKernel:
    """The files of a controller for the header's pins, among those of the board's own.

    Parameters
    ----------
    number : int, optional
        Of the controller: 2 before Linux 6.12, then 0.

    Attributes
    ----------
    channels : tuple of KernelChannel
    exported : set of int
    slow : int
        How many more accesses to a channel's files are refused, until udev has been there.
    loaded : bool
        Whether the overlay is.
    """

    def __init__(self, number: int = 0) -> None:
        self.channels = tuple(KernelChannel() for _ in range(CHANNELS))
        self.exported: set[int] = set()
        self.slow = 0
        self.loaded = True
        self._controller = f"pwmchip{number}"
        self._fans = FAN if number else {"pwmchip4": FAN["pwmchip0"], "pwmchip6": FAN["pwmchip6"]}

    def controllers(self) -> dict[str, str]:
        """See :class:`~retrolux.device.lights.sysfs.Files`."""
        return self._fans | ({self._controller: HEADER_PWM} if self.loaded else {})

    def read(self, path: str) -> str:
        """See :class:`~retrolux.device.lights.sysfs.Files`."""
        channel, name = self._find(path)
        return f"{channel.numbers[name]}\n"

    def write(self, path: str, text: str) -> None:
        """See :class:`~retrolux.device.lights.sysfs.Files`."""
        if path in {f"{self._controller}/export", f"{self._controller}/unexport"}:
            return self._hand_out(path.endswith("/export"), int(text))
        channel, name = self._find(path)
        return channel.change(name, int(text))

    def _hand_out(self, wanted: bool, number: int) -> None:
        if wanted == (number in self.exported):
            raise OSError(errno.EBUSY if wanted else errno.EINVAL, "Device or resource busy")
        self.exported ^= {number}

    def _find(self, path: str) -> tuple[KernelChannel, str]:
        controller, channel, name = path.split("/")
        number = int(channel.removeprefix("pwm"))
        if controller != self._controller or number not in self.exported:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        if self.slow:
            self.slow -= 1
            raise PermissionError(errno.EACCES, "Permission denied")
        return self.channels[number], name
