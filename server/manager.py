"""The service manager that started this process, told how it does: the protocol of ``sd_notify(3)``.

Written here because it is one datagram, and the library for it (cysystemd, systemd-python) has to be compiled.
"""

import os
import socket
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Self

VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


class Manager:
    """Is told; where there is none, nothing happens.

    Parameters
    ----------
    address : str, optional
        Of its socket: a path, or a name that begins with ``@``.
    watchdog : float, optional
        Seconds without a sign of life after which it ends this process; None where it does not watch.
    """

    def __init__(self, address: str | None = None, watchdog: float | None = None) -> None:
        self._address = f"\0{address[1:]}" if address and address.startswith("@") else address
        self.watchdog = watchdog

    @classmethod
    def of(cls, environment: MutableMapping[str, str]) -> Self:
        """Return the one that the environment names, and take its variables away: child processes are not watched."""
        address, microseconds, pid = (environment.pop(name, "") for name in VARIABLES)
        watched = address and microseconds.isdecimal() and pid in {"", str(os.getpid())}
        known = address.startswith(("/", "@"))
        return cls(address if known else None, int(microseconds) / 1e6 if watched and known else None)

    @property
    def present(self) -> bool:
        """Whether there is one."""
        return self._address is not None

    def tell(self, *facts: str) -> None:
        """Send facts such as ``READY=1``; never waits and never fails, as a manager that is busy is no reason to."""
        if self._address is None:
            return
        message = "\n".join(" ".join(fact.split()) for fact in facts)
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
            sending.sendto(message.encode(), socket.MSG_DONTWAIT, self._address)
