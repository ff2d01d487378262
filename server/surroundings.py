"""The ambient light that targets are met in: what a log tells of it, and of how it wanders."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from retrolux.models.ambient import Ambient
from retrolux.models.dataset import Dataset
from retrolux.models.errors import BadData, NotFitted, UnknownColumn
from retrolux.models.model import Model
from retrolux.models.sittings import PAUSE
from retrolux.models.state_space import StateSpace, Told
from retrolux.server.errors import MixedDevices
from retrolux.server.readings import GainRatios, to_dataset

FEWEST = 20
"""Readings from which response, ambient light and noise can be told apart."""

AFTER = 1e-3
"""Seconds by which a dark frame is taken to follow its reading."""

LATEST = 50
"""Readings of the log that tell the ambient light of now."""


class Surroundings:
    """Keeps the state space of the readings that were last learnt from, which all methods share."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: tuple[str, StateSpace] | None = None

    def state(self, data: Dataset) -> StateSpace | None:
        """Return the state space of readings; None where they have no times, or are too few."""
        if data.times is None or len(data) < FEWEST:
            return None
        with self._lock:
            if self._kept is None or self._kept[0] != data.hash:
                self._kept = data.hash, StateSpace.learn(data)
            return self._kept[1]


def with_dark_frames(records: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return records with the dark frame of each that has one as a reading of its own, just after it."""
    return [each for record in records for each in (record, *_dark_frame(record))]


def _dark_frame(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if not record.get("dark"):
        return []
    night = [0.0] * len(record["in"])
    own = {"in": night, "duty": night, "out": record["dark"], "saturated": [], "time": record["time"] + AFTER}
    return [{**record, **own}]


def ambient_now(
    model: Model, records: Sequence[Mapping[str, Any]], when: float, *, only: str, gain_ratios: GainRatios = None
) -> Ambient | None:
    """Return the ambient light at a time, from the latest readings; None where they do not tell it.

    Parameters
    ----------
    model : Model
        Which knows the light alone, or does not.
    records : sequence of mapping
        The log's latest, in its order.
    when : float
        Seconds since the epoch.
    only : str
        The instrument whose readings count.
    """
    found = told(model, [r for r in records if recent(r, when)], when, only=only, gain_ratios=gain_ratios)
    return None if found is None else found.at(when)


def recent(record: Mapping[str, Any], when: float) -> bool:
    """Return whether a record is of about this time."""
    return isinstance(record.get("time"), int | float) and abs(when - record["time"]) < PAUSE


def told(
    model: Model, records: Sequence[Mapping[str, Any]], when: float, *, only: str, gain_ratios: GainRatios
) -> Told | None:
    """Return what recent readings tell of the ambient light; None where they tell nothing. See :func:`ambient_now`."""
    try:
        data, _ = to_dataset(with_dark_frames(records), source="the log", only=only, gain_ratios=gain_ratios)
        world = model.world
        names = [name for name in world.names if name in data.output_names]
        return None if len(names) < len(world.names) else world.told(data, when)
    except (BadData, NotFitted, UnknownColumn, MixedDevices):
        return None  # nothing is known, which is an answer
