"""The I²C bus as its users keep it: one that can be let go of and opened anew under them."""

import contextlib
import errno
from collections.abc import Callable
from typing import Any


class ReopenableBus:
    """A bus with the interface of ``busio.I2C``; the drivers of several chips may share it.

    Parameters
    ----------
    opening : callable
        Returns a newly opened bus; called at once, and at each :meth:`reopen`.
    """

    def __init__(self, opening: Callable[[], Any]) -> None:
        self._opening = opening
        self._bus: Any = opening()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the bus's own
        if self._bus is None:
            raise OSError(errno.EBADF, "the bus could not be opened again")
        return getattr(self._bus, name)

    def reopen(self) -> None:
        """Let go of the bus and open it anew. Raises what opening raises; a later call may then succeed."""
        with contextlib.suppress(OSError, RuntimeError, ValueError):  # it is given up in any case
            self.deinit()
        self._bus = self._opening()

    def deinit(self) -> None:
        """Let go of the bus; a second call does nothing."""
        bus, self._bus = self._bus, None
        if bus is not None:
            bus.deinit()
