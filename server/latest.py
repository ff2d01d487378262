"""What a log's latest readings tell of the ambient light, kept until the log, the model or their age says otherwise."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from retrolux.device.log import latest_records
from retrolux.models.ambient import Ambient
from retrolux.models.model import Model
from retrolux.models.state_space import Told
from retrolux.server.readings import GainRatios
from retrolux.server.surroundings import AFTER, LATEST, recent, told

MOST = 8
"""Answers that are kept: a few models, a log or two."""

Stamp = tuple[int, int, int]
Record = Mapping[str, Any]


class Latest:
    """Reads the end of a log when it has changed, and follows the ambient light through it once.

    Between readings the ambient light is known the less the longer ago the last of them was; that is worked out anew at
    each question.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: OrderedDict[Path, tuple[Stamp, list[dict[str, Any]]]] = OrderedDict()
        self._told: OrderedDict[tuple[object, ...], tuple[Model, list[dict[str, Any]], Told | None]] = OrderedDict()

    def ambient(self, model: Model, log: Path, when: float, gain_ratios: GainRatios) -> Ambient | None:
        """Return the ambient light at a time as a log tells it; None where it does not.

        Parameters
        ----------
        when : float
            Seconds since the epoch.
        """
        with self._lock:
            records = self._latest(log)
            found = self._of(model, log, records, when, gain_ratios)
        return None if found is None else found.at(when)

    def _of(
        self, model: Model, log: Path, records: list[dict[str, Any]], when: float, gain_ratios: GainRatios
    ) -> Told | None:
        near = [r for r in records if recent(r, when)]
        key = (id(model), log, _ages(near, when), tuple((gain_ratios or {}).items()))
        kept = self._told.get(key)
        # the model is kept beside the answer, so that no other one can come by its id
        if kept is not None and kept[1] is records:
            self._told.move_to_end(key)
            return kept[2]
        only = str(records[-1].get("device", "")) if records else ""
        found = told(model, near, when, only=only, gain_ratios=gain_ratios)
        _keep(self._told, key, (model, records, found))
        return found

    def _latest(self, log: Path) -> list[dict[str, Any]]:
        """Return the log's latest records: the very same list as long as the file has not changed."""
        stamp = stamped(log)
        kept = self._records.get(log)
        if kept is not None and stamp is not None and kept[0] == stamp:
            return kept[1]
        records = latest_records(log, LATEST)
        if stamp is not None:
            _keep(self._records, log, (stamp, records))
        return records


def _ages(records: list[dict[str, Any]], when: float) -> tuple[tuple[float, bool, bool], ...]:
    """Return which readings count, and whether they, and dark frames with them, were made by then."""
    return tuple((r["time"], r["time"] <= when, r["time"] + AFTER <= when) for r in records)


def stamped(log: Path) -> Stamp | None:
    """Return size, time of the last change and inode, taken before the file is read: what changes later is seen."""
    try:
        status = log.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino


def _keep(where: OrderedDict[Any, Any], key: object, value: object) -> None:
    where[key] = value
    where.move_to_end(key)
    while len(where) > MOST:
        where.popitem(last=False)
