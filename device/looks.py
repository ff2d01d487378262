"""The looks that a self-test takes: each colour alone, between two looks at the dark."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from retrolux.device.errors import FixedExposure
from retrolux.device.instrument import Instrument
from retrolux.device.measurement import REFERENCE, Exposure, Measurement

Array = NDArray[np.float64]

OWN = ("630nm", "515nm", "445nm")
"""The channel that sees most of red, of green and of blue."""

USUAL = (28830.0, 63452.0, 30177.0)
"""Counts of each in its own channel at full duty and the reference exposure: Claude-Light's."""

DUTY = 0.5  # no channel but clear comes near its ceiling
NIGHT = (0.0, 0.0, 0.0)
GAINS_TO_TRY = (128, 16, 2)
STEADY = 0.02  # of the usual light: where the ambient light changes by more between two frames, look again
TRIES = 3
MOST_SENSITIVE = Exposure(512, 255, 999)  # 0.7 s


@dataclass(frozen=True)
class Look:
    """One colour alone, and the dark before and after it; counts at the reference exposure, by channel."""

    before: Mapping[str, float]
    lit: Mapping[str, float]
    after: Mapping[str, float]
    saturated: frozenset[str]

    @property
    def drift(self) -> float:
        """How much the dark changed meanwhile, at worst in the three colours' own channels."""
        return max(abs(self.after[c] - self.before[c]) for c in OWN)

    def rise(self, channel: str) -> float:
        """Return what a channel gained when the light came on."""
        return self.lit[channel] - self.before[channel]

    def fall(self, channel: str) -> float:
        """Return what it lost when the light went off."""
        return self.lit[channel] - self.after[channel]

    def response(self, channel: str) -> float:
        """Return the light's part, the ambient light's drift taken for a straight line."""
        return (self.rise(channel) + self.fall(channel)) / 2


class Eyes:
    """Reads an instrument at an exposure of the test's own, or, where there is none to choose, at the instrument's.

    Parameters
    ----------
    instrument : Instrument

    Attributes
    ----------
    readings : int
        How many it made.
    fixed : bool
        Whether the exposure proved to be fixed.
    """

    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument
        self.readings = 0
        self.fixed = False

    def read(
        self, duties: Sequence[float], exposure: Exposure | None = None, channels: Sequence[str] | None = None
    ) -> Measurement:
        """Measure; at the instrument's own exposure where none is given or none can be. Raises DeviceError."""
        self.readings += 1
        if exposure is not None and not self.fixed:
            try:
                return self._instrument.measure(duties, channels, exposure)
            except FixedExposure:
                self.fixed = True
        return self._instrument.measure(duties, channels)


def look_at_colours(eyes: Eyes) -> list[Look]:
    """Return a look at red, green and blue, at a lower gain where a colour's channel saturates. Raises DeviceError."""
    for gain in GAINS_TO_TRY:
        looks = [_steady_look(eyes, k, replace(REFERENCE, gain=gain)) for k in range(3)]
        if eyes.fixed or not any(set(OWN) & look.saturated for look in looks):
            break
    return looks


def _steady_look(eyes: Eyes, colour: int, exposure: Exposure) -> Look:
    for _ in range(TRIES):
        look = _look(eyes, colour, exposure)
        if look.drift < STEADY * min(USUAL):
            break
    return look


def _look(eyes: Eyes, colour: int, exposure: Exposure) -> Look:
    duties = alone(colour, DUTY)
    frames = [eyes.read(d, exposure) for d in (NIGHT, duties, NIGHT)]
    before, lit, after = (at_reference(frame) for frame in frames)
    return Look(before, lit, after, frozenset(c for frame in frames for c in frame.saturated))


def spoken(channel: str) -> str:
    """Return a channel's name as a sentence has it: ``515 nm``."""
    return channel.replace("nm", " nm")


def alone(colour: int, duty: float) -> tuple[float, ...]:
    """Return the duties at which one colour, 0, 1 or 2, shines alone."""
    return tuple(duty if k == colour else 0.0 for k in range(3))


def at_reference(reading: Measurement) -> dict[str, float]:
    """Return a reading's counts at the reference exposure, by nominal gains."""
    return {c: count * _factor(reading.exposure_of(c)) for c, count in reading.outputs.items()}


def _factor(exposure: Exposure | None) -> float:
    e = exposure or REFERENCE
    return REFERENCE.gain / e.gain * REFERENCE.seconds / e.seconds
