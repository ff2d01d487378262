"""From raw counts at a record's own settings to counts at the reference exposure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from retrolux.models.errors import BadData, MixedSettings

CEILING = 65535
"""Largest count of the sensor's converter (AS7341 datasheet page 32)."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Gain and integration time of one cell; the defaults are the reference, 128 × 280.78 ms.

    Attributes
    ----------
    gain : float
        Nominal gain, 0.5 … 512.
    atime, astep : int
        The integration time is (atime + 1)(astep + 1) · 2.78 µs (datasheet page 32).
    """

    gain: float = 128.0
    atime: int = 100
    astep: int = 999

    @classmethod
    def of(cls, record: Mapping[str, Any], channel: str) -> Self:
        """Return a record's setting for a channel; what is not given is the reference. Raises BadData."""
        gain, atime, astep = (_number(record, key, channel) for key in ("gain", "atime", "astep"))
        setting = cls(float(gain), int(atime), int(astep))
        if setting.gain <= 0 or setting.atime < 0 or setting.astep < 0:
            raise BadData(f"A reading has an impossible setting: {setting}.", "Leave this reading out.")
        return setting

    @property
    def steps(self) -> int:
        """The integration time in the sensor's steps of 2.78 µs."""
        return (self.atime + 1) * (self.astep + 1)

    @property
    def ceiling(self) -> int:
        """Count at which the sensor saturates (datasheet page 32)."""
        return min(CEILING, self.steps)


REFERENCE = Setting()


def scales(settings: Iterable[Setting], gain_ratios: Mapping[float, float] | None) -> dict[Setting, float]:
    """Return for each setting the number by which its counts are divided.

    Parameters
    ----------
    gain_ratios : mapping of float to float, optional
        Measured gain relative to that of nominal gain 128; without it the nominal gains are taken, which is right for
        one gain only: the steps are not exact (128×/64× = 1.8–2.1, datasheet page 37). Times are: the sensor counts
        them by one oscillator.

    Raises
    ------
    MixedSettings
        For several gains without a ratio for each of them.
    """
    present = set(settings)
    gains = {s.gain for s in present}
    if gain_ratios is None and len(gains) > 1:
        raise MixedSettings(
            f"The readings mix gains: {_listed(present)}.",
            "Use readings of one gain, or calibrate the gain steps: retrolux tune.",
        )
    return {s: _gain_ratio(s, gain_ratios, len(gains)) * s.steps / REFERENCE.steps for s in present}


def _gain_ratio(setting: Setting, ratios: Mapping[float, float] | None, n_gains: int) -> float:
    known = {128.0: 1.0} | {float(gain): float(ratio) for gain, ratio in (ratios or {}).items()}
    if setting.gain in known:
        return known[setting.gain]
    if n_gains == 1:
        return setting.gain / REFERENCE.gain
    raise MixedSettings(
        f"The readings mix gains, and gain {setting.gain:g} has no calibrated ratio.",
        "Calibrate this gain step, or use readings of one gain.",
    )


def _number(record: Mapping[str, Any], key: str, channel: str) -> float:
    value = record.get(key, getattr(REFERENCE, key))
    if isinstance(value, Mapping):
        value = value.get(channel, getattr(REFERENCE, key))
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadData(f"A reading's {key} is {value!r}, which is no number.", "Leave this reading out.")
    return value


def _listed(settings: Iterable[Setting]) -> str:
    return ", ".join(sorted(f"gain {s.gain:g} × {s.steps * 2.78e-3:.1f} ms" for s in settings))
