"""Settings of an active design: each chosen when it is its turn, from the run's readings so far."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from retrolux.device.measurement import INPUTS, REFERENCE, Exposure
from retrolux.models.dataset import Dataset
from retrolux.models.design import ActiveDesign, Choice

ACTIVE = "active"
"""The design that chooses as it goes, beside those of :mod:`retrolux.device.designs`."""


class Chosen:
    """The settings of one run.

    The same readings so far lead to the same choice, so that a run goes on where it stopped.

    Parameters
    ----------
    exposure : Exposure
        Of the readings: their ceiling is that of its counts, at the reference exposure.
    seed : int
        Of the settings that are compared.
    readings : iterable of mapping, optional
        The run's records so far.
    targets : sequence of str, optional
        Outputs of the targets that an inverse will be asked.
    """

    def __init__(
        self,
        exposure: Exposure,
        seed: int,
        readings: Iterable[Mapping[str, Any]] = (),
        targets: Sequence[str] | None = None,
    ) -> None:
        brighter = exposure.gain / REFERENCE.gain * exposure.seconds / REFERENCE.seconds
        self._design = ActiveDesign(INPUTS, targets=targets, ceiling=exposure.ceiling / brighter, seed=seed)
        self._records = list(readings)

    def next(self) -> Choice:
        """Return the next setting, and why it is taken. Raises BadData, UnknownColumn."""
        return self._design.choose(Dataset.from_records(self._records) if self._records else None)

    def see(self, record: Mapping[str, Any]) -> None:
        """Take in a reading's record."""
        self._records.append(record)


def explained(choice: Choice) -> str:
    """Return a choice in words: what it tells most of, and how far the inverse is thought to err before it."""
    return choice.learns if math.isnan(choice.before) else f"{choice.learns}; inverse ± {choice.before:.4f} so far"
