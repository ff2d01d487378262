"""Sittings: stretches of readings without a long pause, which share one afternoon's ambient light."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retrolux.models.errors import BadData

PAUSE = 600.0
"""Seconds. Readings less than this apart belong to one sitting."""


def sittings(*times: ArrayLike, pause: float = PAUSE) -> tuple[NDArray[np.intp], ...]:
    """Return which sitting each reading of one or several logs belongs to.

    The logs are put on one time line: what was read, or simulated, at the same time has the same sitting.

    Parameters
    ----------
    *times : array_like, shape (n_rows,)
        Seconds since 1970, of each log, in any order.
    pause : float
        Seconds without a reading after which another sitting begins.

    Returns
    -------
    tuple of ndarray of int, shape (n_rows,)
        For each log; sittings count from 0 in the order of time.

    Raises
    ------
    BadData
        When a time is not finite.
    """
    logs = [np.asarray(t, dtype=np.float64).ravel() for t in times]
    every = np.concatenate(logs)
    if not np.isfinite(every).all():
        raise BadData("The readings contain a time that is not finite.", "Leave these readings out.")
    order = np.argsort(every, kind="stable")
    index = np.empty(len(every), dtype=np.intp)
    index[order] = np.cumsum(np.diff(every[order], prepend=every[order][:1]) >= pause)
    return tuple(np.split(index, np.cumsum([len(log) for log in logs])[:-1]))
