"""Saved models that keep up with the log: what was logged since they were fitted, or last updated, they learn."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from retrolux.device.errors import DeviceError
from retrolux.device.log_queries import newest
from retrolux.models.dataset import Dataset
from retrolux.models.errors import ModelError
from retrolux.models.model import Model
from retrolux.server.columns import device_of
from retrolux.server.errors import MixedDevices
from retrolux.server.laboratory import Laboratory
from retrolux.server.readings import is_of, to_dataset
from retrolux.server.stamp import Stamp, stamped

MOST = 20_000
"""Readings that are caught up with at once; where more are missing a fit is the better way."""
WATCHED = 200
"""Readings that a model which is not updated is compared with at once."""
FEWEST = 50
"""Readings after which a model is saved, at least: each time wears the card."""
SHARE = 50
"""So much of its readings a model has to learn anew to be saved."""

_logger = logging.getLogger(__name__)


@dataclass
class _Place:
    """How far a model has come in the log.

    Attributes
    ----------
    model : Model
    saved : int
        Readings that it knew when it was saved, or loaded.
    learnt, seen : float or None
        Time of the latest reading that it has learnt, and of the latest that was looked at for it.
    stamp : tuple, optional
        Of the log when it was last looked at.
    behind : bool
        Whether so much was logged that it has to be fitted again.
    """

    model: Model
    saved: int
    learnt: float | None
    seen: float | None
    stamp: Stamp | None = None
    behind: bool = False


class Keeper:
    """Feeds the models of a laboratory with what its log has and they have not.

    It goes by the log, not by who measured: readings of other processes are learnt too, and those that a model missed
    because the program ended before it was saved. Readings are new when their time is later than that of the latest
    which the model knows; what was logged with an earlier one waits for a fit. Nobody may ask a method's model while it
    is here.

    Parameters
    ----------
    laboratory : Laboratory
    learns : bool
        Else models stay as they were saved, and are only told of.
    """

    def __init__(self, laboratory: Laboratory, *, learns: bool = True) -> None:
        self._laboratory, self._learns = laboratory, learns
        self._places: dict[str, _Place] = {}

    def up_to_date(self, method: str) -> Model:
        """Return the method's model, which knows the log as it is; saved where it learnt much.

        A log that has not changed since costs one look at its size. Raises NoModel, ModelUnreadable.
        """
        place = self._place(method)
        if self._learns and (stamp := stamped(self._laboratory.log_path)) != place.stamp:
            place.stamp = stamp
            self._feed(place)
            if place.model.n_rows - place.saved >= max(FEWEST, place.model.n_rows / SHARE):
                self._save(place)
        return place.model

    def save(self, method: str) -> None:
        """Save the method's model if it was asked and has learnt since it was saved."""
        place = self._places.get(method)
        if place is not None and place.model.n_rows > place.saved:
            self._save(place)

    def told(self, method: str) -> dict[str, Any]:
        """Return how many readings a model has learnt, until when, and why it should be fitted again, or None."""
        place = self._places.get(method) or self._place(method)
        model = place.model
        told = {"n_rows": model.n_rows, "until": place.learnt, "data_hash": model.data_hash}
        return told | {"stale": self._stale(place)}

    def _stale(self, place: _Place) -> str | None:
        return f"More than {MOST} readings were logged since it was fitted." if place.behind else place.model.stale

    def _place(self, method: str) -> _Place:
        """Return where the method's model is: a fit that has replaced it begins anew."""
        model = self._laboratory.store.get(method)
        place = self._places.get(method)
        if place is None or place.model is not model:
            place = self._places[method] = _Place(model, model.n_rows, model.until, model.until)
        return place

    def _feed(self, place: _Place) -> None:
        model = place.model
        if place.seen is None or not model.scale.counts or self._stale(place):
            return
        try:
            self._take(place, self._new(place))
        except (DeviceError, ModelError, MixedDevices) as error:
            _logger.info("%s learns nothing of the new readings: %s", model.method, error)

    def _new(self, place: _Place) -> list[dict[str, Any]]:
        """Return the model's latest reading and those after it; that one shows whether settings are still the same."""
        most = MOST if place.model.updates else WATCHED
        found = newest(self._laboratory.log_path, most + 1, since=place.seen)
        later = [record for record in found if place.seen is None or record["time"] > place.seen]
        place.behind = place.model.updates and len(later) > most
        if later:
            place.seen = max(record["time"] for record in later)
        return [] if place.behind or not later else found

    def _take(self, place: _Place, records: Sequence[Mapping[str, Any]]) -> None:
        model, before = place.model, -math.inf if place.learnt is None else place.learnt
        own = self._own(model, records)
        if not own:
            return
        laboratory = self._laboratory
        found, _ = to_dataset(own, source=str(laboratory.log_path), gain_ratios=laboratory.gain_ratios)
        data = _after(found, before if model.updates else model.until or before)
        if len(data):
            model.update(data)
            place.learnt = model.until if model.updates else place.learnt

    def _own(self, model: Model, records: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Return the readings of the model's instrument that have all of its outputs, as a fit would take them."""
        device, outputs = self._laboratory.store.device(model.method), set(model.output_names)
        return [record for record in records if is_of(device_of(record), device) and outputs <= record["out"].keys()]

    def _save(self, place: _Place) -> None:
        try:
            self._laboratory.store.keep(place.model)
        except OSError as error:
            _logger.warning("what %s has learnt could not be saved: %s", place.model.method, error)
        place.saved = place.model.n_rows


def _after(data: Dataset, time: float) -> Dataset:
    return data if data.times is None else data.take(data.times > time)
