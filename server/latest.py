"""What a log's latest readings tell of the ambient light, kept until the log, the model or their age says otherwise."""

import math
import threading
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from retrolux.device.log import latest_records
from retrolux.models.ambient import Ambient
from retrolux.models.model import Model
from retrolux.models.sittings import PAUSE
from retrolux.models.state_space import Told
from retrolux.server.readings import GainRatios
from retrolux.server.stamp import Stamp, stamped
from retrolux.server.surroundings import AFTER, LATEST, recent, told

MOST = 8
"""Answers that are kept: a few models, a log or two."""

Record = Mapping[str, Any]


class Latest:
    """Reads the end of a log when it has changed, and follows the ambient light through it once.

    Between readings the ambient light is known the less the longer ago the last of them was; that is worked out anew at
    each question.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: OrderedDict[Path, tuple[Stamp, list[dict[str, Any]]]] = OrderedDict()
        self._told: OrderedDict[tuple[object, ...], _Told] = OrderedDict()

    def ambient(self, model: Model, log: Path, when: float, gain_ratios: GainRatios) -> Ambient | None:
        """Return the ambient light at a time as a log tells it; None where it does not.

        Parameters
        ----------
        when : float
            Seconds since the epoch.
        """
        with self._lock:
            kept = self._of(model, log, self._latest(log), when, gain_ratios)
        return kept.at(when)

    def _of(
        self, model: Model, log: Path, records: list[dict[str, Any]], when: float, gain_ratios: GainRatios
    ) -> "_Told":
        key = (id(model), log, tuple((gain_ratios or {}).items()))
        kept = self._told.get(key)
        if kept is not None and kept.holds(records, when):
            self._told.move_to_end(key)
            return kept
        only = str(records[-1].get("device", "")) if records else ""
        near = [r for r in records if recent(r, when)]
        found = told(model, near, when, only=only, gain_ratios=gain_ratios)
        made = _Told(model, records, when, _until(records, when), found)
        _keep(self._told, key, made)
        return made

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


class _Told:
    """What records tell of the ambient light from a time on, as long as the same of them count.

    The model is kept with it, so that no other one can come by its id.
    """

    def __init__(
        self, model: Model, records: list[dict[str, Any]], since: float, until: float, found: Told | None
    ) -> None:
        self._model, self._records, self._since, self._until, self._found = model, records, since, until, found
        self._latest: tuple[float, Ambient | None] = (since, self._then(since))

    def holds(self, records: list[dict[str, Any]], when: float) -> bool:
        return self._records is records and self._since <= when < self._until

    def at(self, when: float) -> Ambient | None:
        """Return the ambient light at a time; the very same when a question asks again."""
        if self._latest[0] != when:
            self._latest = when, self._then(when)
        return self._latest[1]

    def _then(self, when: float) -> Ambient | None:
        return None if self._found is None else self._found.at(when)


def _until(records: list[dict[str, Any]], when: float) -> float:
    """Return when next a reading begins or ceases to count, or has been made, or a dark frame with it."""
    times = [r["time"] for r in records if isinstance(r.get("time"), int | float)]
    changes = (time + change for time in times for change in (-PAUSE, 0.0, AFTER, PAUSE))
    return min((change for change in changes if change > when), default=math.inf)


def _keep(where: OrderedDict[Any, Any], key: object, value: object) -> None:
    where[key] = value
    where.move_to_end(key)
    while len(where) > MOST:
        where.popitem(last=False)
