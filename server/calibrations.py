"""What instruments found out about themselves, in one file of the state folder."""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from retrolux.device.errors import BadInput
from retrolux.device.measurement import Exposure
from retrolux.device.settings import check_exposure
from retrolux.server.errors import BadConfiguration
from retrolux.server.stamp import Stamp, stamped


class Calibrations:
    """The file ``calibration.json``: for each device what ``retrolux tune`` found, and when.

    It is plain data, to be read, copied to another machine, or deleted to be as before.

    Parameters
    ----------
    path : Path
        Need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: tuple[Stamp | None, dict[str, Any]] = (None, {})

    def of(self, device: str) -> dict[str, Any]:
        """Return what is stored of a device; empty where nothing is. Raises BadConfiguration."""
        found = self._read().get(device, {})
        if not isinstance(found, dict):
            raise self._unreadable(f"{device} is no object")
        return found

    def exposure(self, device: str) -> Exposure | None:
        """Return the window that a device is measured with; None where it was not tuned. Raises BadConfiguration."""
        stored = self.of(device).get("exposure")
        if stored is None:
            return None
        try:
            exposure = Exposure(**stored)
            check_exposure(exposure)
        except (TypeError, BadInput) as error:
            raise self._unreadable(f"the exposure of {device} is {stored!r}") from error
        return exposure

    def gain_ratios(self, device: str) -> dict[float, float] | None:
        """Return a device's gains relative to gain 128; None where it was not tuned. Raises BadConfiguration."""
        stored = self.of(device).get("gain_ratios")
        if stored is None:
            return None
        try:
            ratios = {float(gain): float(ratio) for gain, ratio in stored.items()}
        except (AttributeError, TypeError, ValueError) as error:
            raise self._unreadable(f"the gain ratios of {device} are {stored!r}") from error
        if not all(0 < ratio < float("inf") for ratio in ratios.values()):
            raise self._unreadable(f"the gain ratios of {device} are {stored!r}")
        return ratios

    def store(self, device: str, found: Mapping[str, Any]) -> None:
        """Keep what was found, with the time; the file is replaced as a whole. Raises OSError."""
        every = self._read() | {device: {"time": time.time(), **found}}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_suffix(".new")
        with new.open("w", encoding="utf-8") as file:
            json.dump(every, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.path)

    def _read(self) -> dict[str, Any]:
        """Return the file's content, read once as long as it is the same."""
        stamp = stamped(self.path)
        if stamp is None or stamp != self._known[0]:
            self._known = stamp, self._content()
        return self._known[1]

    def _content(self) -> dict[str, Any]:
        try:
            document = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise self._unreadable(str(error)) from error
        if not isinstance(document, dict):
            raise self._unreadable("it is no object")
        return document

    def _unreadable(self, why: str) -> BadConfiguration:
        return BadConfiguration(f"{self.path} cannot be used: {why}.", "Delete it and run `retrolux tune` again.")
