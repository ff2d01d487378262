"""From the log's records to the arrays that models work on: the one seam between the two rooms."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from retrolux.device.log import each_record
from retrolux.device.log_queries import devices
from retrolux.device.measurement import INPUTS, Measurement
from retrolux.device.series import exists
from retrolux.models.dataset import Dataset
from retrolux.server import columns
from retrolux.server.errors import MixedDevices

_logger = logging.getLogger(__name__)

GainRatios = Mapping[float, float] | None


def load_dataset(path: Path, *, only: str | None = None, gain_ratios: GainRatios = None) -> tuple[Dataset, str]:
    """Read a log and return its columns and the instrument that made it.

    Parameters
    ----------
    path : Path
        A log in any of its forms.
    only : str, optional
        Take the readings of this device alone.
    gain_ratios : mapping of float to float, optional
        Calibrated gain steps, without which a log of several settings is refused.

    Raises
    ------
    LogUnreadable, MixedDevices, BadData, MixedSettings
    """
    if (found := columns.gathered(path)) is not None and all(_is_wanted(name, only) for name in found.devices):
        _refuse_several(found.devices, str(path))
        data = Dataset.from_gathering(found.gathering, gain_ratios=gain_ratios)
        return _told(data, found.devices, str(path))
    return to_dataset(each_record(path), source=str(path), only=only, gain_ratios=gain_ratios)


def load_own(path: Path, device: str, *, gain_ratios: GainRatios = None) -> tuple[Dataset, str]:
    """Return a log's columns, of this instrument alone where it holds those of several; see :func:`load_dataset`."""
    try:
        return load_dataset(path, gain_ratios=gain_ratios)
    except MixedDevices:
        return load_dataset(path, only=device, gain_ratios=gain_ratios)


def to_dataset(
    records: Iterable[Mapping[str, Any]], *, source: str, only: str | None = None, gain_ratios: GainRatios = None
) -> tuple[Dataset, str]:
    """Return the columns of these records and the one instrument that made them; see :func:`load_dataset`."""
    chosen: Counter[str] = Counter()
    data = Dataset.from_records(_chosen(records, source, only, chosen), gain_ratios=gain_ratios)
    return _told(data, chosen, source)


def _told(data: Dataset, chosen: Counter[str], source: str) -> tuple[Dataset, str]:
    if len(data) < chosen.total():
        _logger.warning("%s: %d readings lack some of the channels; left out.", source, chosen.total() - len(data))
    return data, next(iter(chosen), "unknown")


def _chosen(
    records: Iterable[Mapping[str, Any]], source: str, only: str | None, seen: Counter[str]
) -> Iterator[Mapping[str, Any]]:
    """Yield the records of one instrument, and count them by its name. Raises MixedDevices."""
    for record in records:
        if _is_wanted(record.get("device"), only):
            seen[columns.device_of(record)] += 1
            yield record
    _refuse_several(seen, source)


def _is_wanted(device: object, only: str | None) -> bool:
    return only is None or is_of(device, only)


def _refuse_several(seen: Counter[str], source: str) -> None:
    if len(seen) > 1:
        raise MixedDevices(
            f"{source} holds readings of several instruments: {', '.join(sorted(seen))}.",
            "Choose one with --only DEVICE, or keep a log for each.",
        )


def refuse_mixing(path: Path, device: str) -> None:
    """Raise MixedDevices where a log holds another instrument's readings, so that no collection makes it useless."""
    others = devices(path) if exists(path) else set()
    strangers = sorted(name for name in others if not is_of(name, device))
    if strangers:
        raise MixedDevices(
            f"{path} holds readings of {', '.join(strangers)}; {device} would be mixed with them.",
            "Choose another log with -o.",
        )


def is_of(device: object, name: str) -> bool:
    """Return whether a record's device is the one of this name; a remote's has its own device behind its address."""
    return device == name or (isinstance(device, str) and device.startswith(f"{name} ("))


def mean_counts(readings: Sequence[Measurement], gain_ratios: GainRatios = None) -> dict[str, float]:
    """Return each channel's mean over readings, in counts at the reference exposure."""
    data = Dataset.from_records([m.to_record() for m in readings], input_names=INPUTS, gain_ratios=gain_ratios)
    return dict(zip(data.output_names, np.mean(data.outputs, axis=0).tolist(), strict=True))
