"""Whether the machine's clock was set by somebody who knows the time.

Three are asked, the cheapest first: the file by which systemd-timesyncd says so; the kernel (``adjtimex``, which chrony
tells, too); and, where the kernel may not be asked, as within the service's sandbox, ``timedatectl``.
"""

import ctypes
import threading
import time
from collections.abc import Callable
from pathlib import Path

from retrolux.device.host import ASK_TIMEDATECTL, SYNCHRONIZED, Run, run_program

EVERY = 60.0  # seconds from one asking of timedatectl to the next, while it does not say yes
STA_UNSYNC = 0x40  # linux/timex.h


class _Timex(ctypes.Structure):
    """``struct timex`` as far as it is read (adjtimex(2)); with modes 0 nothing is set."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        *((name, ctypes.c_long) for name in ("offset", "freq", "maxerror", "esterror")),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),
    )


def ask_kernel() -> bool | None:
    """Return whether the kernel holds its clock to be synchronised; None where it does not answer."""
    try:
        answer = _Timex()
        failed = ctypes.CDLL(None).adjtimex(ctypes.byref(answer)) < 0
    except (OSError, AttributeError):
        return None
    return None if failed else not answer.status & STA_UNSYNC


class Synchronisation:
    """Whether this machine's clock is synchronised, told at once at each reading.

    Parameters
    ----------
    root : Path
        Where the system's files are.
    kernel : callable
        Returns what the kernel says, None where it says nothing.
    run : callable
        Runs ``timedatectl``.
    monotonic : callable
        Seconds.
    """

    def __init__(
        self,
        root: Path = Path("/"),
        kernel: Callable[[], bool | None] = ask_kernel,
        run: Run = run_program,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._root, self._kernel, self._run, self._monotonic = root, kernel, run, monotonic
        self._asked: float | None = None
        self._told: bool | None = None
        self._asking = threading.Lock()

    def known(self) -> bool | None:
        """Return whether the clock is synchronised, None where nobody says.

        Takes microseconds; but where timedatectl alone can tell, the first question waits for it, 3 s at most, and
        later ones get what it said last, at most a minute or a reading ago.
        """
        if (self._root / SYNCHRONIZED).exists():
            return True
        told = self._kernel()
        return self._by_program() if told is None else told

    def _by_program(self) -> bool | None:
        if self._asked is None:
            self._ask()
        told = self._told
        if not told and self._asked is not None and self._monotonic() - self._asked >= EVERY:
            threading.Thread(target=self._ask, name="clock", daemon=True).start()
        return told

    def _ask(self) -> None:
        if self._asking.acquire(blocking=False):  # one is enough
            try:
                answer = (self._run(ASK_TIMEDATECTL) or "").strip()
                self._told = {"yes": True, "no": False}.get(answer)
                self._asked = self._monotonic()
            finally:
                self._asking.release()
