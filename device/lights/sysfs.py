"""The light on a Raspberry Pi's hardware PWM, through the kernel's files in ``/sys/class/pwm``.

Written here because the library for it (rpi-hardware-pwm) is under the GPL, knows the controller only by a number that
changed with the kernel, and cannot be pointed at other files than the machine's own. The interface is the kernel's:
Documentation/ABI/testing/sysfs-class-pwm.
"""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from retrolux.device.clock import Clock
from retrolux.device.errors import LightError
from retrolux.device.lights.light import Light, all_or_none

HEADER_PWM = "1f00098000.pwm"  # the RP1's PWM0, which the header's pins can reach; PWM1 is the fan's
TICK = 20  # ns, of the RP1's PWM clock of 50 MHz
READY_SECONDS = 2.0  # until udev has given a new channel's files to the group gpio
POLL_SECONDS = 0.01
OVERLAY = (
    "Add dtoverlay=pwm-2chan,pin=12,func=4,pin2=13,func2=4 to /boot/firmware/config.txt, restart, and connect a third "
    "pin with `pinctrl set 19 a3`; device/README.md has the whole of it."
)
GROUP = "Add the user to the group gpio (sudo usermod -aG gpio NAME), and see that no other program drives the PWM."


class Files(Protocol):
    """The kernel's files, real or emulated; paths are relative to ``/sys/class/pwm``."""

    def read(self, path: str) -> str:
        """Return a file's text. Raises OSError."""

    def write(self, path: str, text: str) -> None:
        """Write to a file. Raises OSError."""

    def controllers(self) -> dict[str, str]:
        """Return each controller, such as ``pwmchip2``, with the name of its device."""


class KernelFiles:
    """The machine's own.

    Parameters
    ----------
    root : Path, optional
        Where they are.
    """

    def __init__(self, root: Path = Path("/sys/class/pwm")) -> None:
        self._root = root

    def read(self, path: str) -> str:
        """See :class:`Files`."""
        return (self._root / path).read_text(encoding="ascii")

    def write(self, path: str, text: str) -> None:
        """See :class:`Files`."""
        file = os.open(self._root / path, os.O_WRONLY | os.O_CLOEXEC)  # some may not be read, and none be made
        try:
            os.write(file, text.encode("ascii"))
        finally:
            os.close(file)

    def controllers(self) -> dict[str, str]:
        """See :class:`Files`."""
        return {c.name: (c / "device").resolve().name for c in sorted(self._root.glob("pwmchip*"))}


class Channel:
    """One channel of a controller, exported and dark.

    Parameters
    ----------
    files : Files
    controller : str
    number : int
    period : int
        In ns.
    clock : Clock
        By which it waits for its files.

    Raises
    ------
    OSError
    """

    def __init__(self, files: Files, controller: str, number: int, period: int, clock: Clock) -> None:
        self._files = files
        self._controller, self._number, self.period = controller, number, period
        with contextlib.suppress(OSError):  # a crash left it exported; whatever else it is shows below
            files.write(f"{controller}/export", str(number))
        self._prepare_once_it_may(clock)

    def set(self, pulse: int) -> None:
        """Set the length of the pulses, ns."""
        self._write("duty_cycle", pulse)

    def close(self) -> None:
        """Make it dark and give it back, each step also when one before it fails. Raises OSError."""
        with contextlib.ExitStack() as last_first:
            last_first.callback(self._files.write, f"{self._controller}/unexport", str(self._number))
            last_first.callback(self._write, "enable", 0)
            last_first.callback(self._write, "duty_cycle", 0)

    def _prepare_once_it_may(self, clock: Clock) -> None:
        until = clock.monotonic() + READY_SECONDS
        while True:
            try:
                return self._prepare()
            except (FileNotFoundError, PermissionError):
                if clock.monotonic() >= until:
                    raise
                clock.sleep(POLL_SECONDS)

    def _prepare(self) -> None:
        if int(self._read("period")) > 0:  # the kernel takes no pulse before it knows a period,
            self._write("duty_cycle", 0)  # and no period that is shorter than the pulse
        self._write("period", self.period)
        self._write("duty_cycle", 0)
        self._write("enable", 1)

    def _read(self, name: str) -> str:
        return self._files.read(f"{self._controller}/pwm{self._number}/{name}")

    def _write(self, name: str, value: int) -> None:
        self._files.write(f"{self._controller}/pwm{self._number}/{name}", str(value))


class SysfsLight(Light):
    """A light of three channels of the kernel's PWM: red, green, blue.

    Parameters
    ----------
    outputs : sequence of 3 Channel
    """

    backend = "sysfs"

    def __init__(self, outputs: Sequence[Channel]) -> None:
        period = outputs[0].period
        self.levels = period // TICK + 1
        super().__init__(outputs, 1e9 / period)

    def _drive(self, output: Channel, duty: float) -> float:
        pulse = round(duty * output.period / TICK) * TICK
        output.set(pulse)
        return pulse / output.period

    def _let_go(self, output: Channel) -> None:
        output.close()


def open_sysfs(files: Files, channels: Sequence[int], frequency: float, clock: Clock) -> SysfsLight:
    """Open a light on the header's PWM controller, dark.

    Parameters
    ----------
    channels : sequence of 3 int
        Of red, green and blue; see :func:`~retrolux.device.lights.wiring.hardware_channels`.
    frequency : float
        In Hz.

    Raises
    ------
    LightError
        Where the controller is not there: its overlay is not loaded.
    OSError
        Where a channel cannot be had.
    """
    controllers = [name for name, device in files.controllers().items() if device == HEADER_PWM]
    if not controllers:
        raise LightError("The kernel has no PWM controller for the header's pins.", OVERLAY)
    period = round(1e9 / frequency / TICK) * TICK

    def make(number: int) -> Channel:
        return Channel(files, controllers[0], number, period, clock)

    return SysfsLight(all_or_none(make, channels, Channel.close))
