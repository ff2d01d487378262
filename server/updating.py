"""Saved models that keep up with the log: what was logged since they were fitted, or last updated, they learn."""

import logging
import math
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from retrolux.device.log_queries import newest
from retrolux.models.errors import ModelError
from retrolux.models.model import Model
from retrolux.server.errors import MixedDevices
from retrolux.server.laboratory import Laboratory
from retrolux.server.readings import to_dataset

MOST = 100_000
"""Readings that are caught up with at once; where more are missing a fit is the better way."""
FEWEST = 50
"""Readings after which a model is saved, at least: each time wears the card."""
SHARE = 50
"""So much of its readings a model has to learn anew to be saved."""

_logger = logging.getLogger(__name__)


class Keeper:
    """Feeds the models of a laboratory with what its log has and they have not.

    It goes by the log, not by who measured: readings of other processes are learnt too, and those that a model missed
    because the program ended before it was saved.

    Parameters
    ----------
    laboratory : Laboratory
    locks : mapping of str to lock, optional
        By method; held while a model changes, so that nobody asks it meanwhile.
    """

    def __init__(self, laboratory: Laboratory, locks: Mapping[str, AbstractContextManager[Any]] | None = None) -> None:
        self._laboratory, self._locks = laboratory, locks or {}
        self._saved: dict[str, tuple[Model, int]] = {}

    def learn(self) -> dict[str, Any]:
        """Let every saved model learn what is new in the log, and save those that learnt much; see :meth:`known`."""
        for method in self._laboratory.store.methods():
            with self._locks.get(method, nullcontext()):
                model = self._laboratory.store.get(method)
                self._feed(model)
                if self._unsaved(model) >= max(FEWEST, model.n_rows / SHARE):
                    self._save(model)
        return self.known()

    def close(self) -> None:
        """Save every model that has learnt since it was saved."""
        for method in self._saved:
            with self._locks.get(method, nullcontext()):
                model = self._laboratory.store.get(method)
                if self._unsaved(model):
                    self._save(model)

    def known(self) -> dict[str, Any]:
        """Return by method how many readings a model knows, until when, and why it should be fitted again, or None."""
        models = [self._laboratory.store.get(method) for method in self._laboratory.store.methods()]
        return {m.method: {"n_rows": m.n_rows, "until": m.until, "stale": m.stale} for m in models}

    def _feed(self, model: Model) -> None:
        self._unsaved(model)  # remembers how many it knew
        if model.until is None or not model.scale.counts:
            return
        laboratory = self._laboratory
        records = newest(laboratory.log_path, MOST, since=math.nextafter(model.until, math.inf))
        device = laboratory.store.device(model.method)
        if not records or len(records) == MOST:
            return
        try:
            data, _ = to_dataset(
                records,
                source=str(laboratory.log_path),
                only=None if device == "unknown" else device,
                gain_ratios=laboratory.gain_ratios,
            )
            model.update(data)
        except (ModelError, MixedDevices) as error:
            _logger.info("%s learns nothing of %d new readings: %s", model.method, len(records), error)

    def _unsaved(self, model: Model) -> int:
        """Return how many readings a model has learnt since it was saved, or loaded."""
        kept, rows = self._saved.get(model.method, (None, 0))
        if kept is not model:
            self._saved[model.method] = model, model.n_rows
            return 0
        return model.n_rows - rows

    def _save(self, model: Model) -> None:
        store = self._laboratory.store
        store.save(model, store.device(model.method))
        self._saved[model.method] = model, model.n_rows
