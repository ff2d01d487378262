"""Automatic exposure: each channel read at a gain and time at which its counts mean most, under one light."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from retrolux.device.measurement import Exposure
from retrolux.device.sensor import Counts
from retrolux.device.settings import GAINS

LOWEST, AIM, HIGHEST = 0.10, 0.55, 0.90  # of a channel's ceiling
DIMMER = 8.0  # factor by which the light is taken to be too strong where a channel saturates
LONGER = 4  # windows that a channel too faint for the largest gain is given
SHORTER = 4  # part of a window for one too bright for the smallest
ROUNDS = 8  # readings at most; from the usual gain to either end of the range take four

Read = Callable[[tuple[str, ...], Exposure], Counts]


@dataclass(frozen=True)
class Automatic:
    """Asks for automatic exposure in place of an :class:`Exposure`."""


AUTO = Automatic()


def read_automatically(read: Read, channels: tuple[str, ...], usual: Exposure) -> Counts:
    """Read each channel between 10 % and 90 % of its ceiling, where the sensor can.

    Parameters
    ----------
    read : callable
        Reads channels at an exposure, under a light that stays.
    channels : tuple of str
    usual : Exposure
        Where the search begins. Its window is kept, or a multiple of it, so that whole periods stay whole; only light
        too strong for gain 0.5 shortens it.

    Returns
    -------
    Counts
        With each channel's own exposure; those still at their ceiling are named in ``saturated``.
    """
    wanted = dict.fromkeys(channels, usual)
    settled: dict[str, tuple[int, Exposure, bool]] = {}
    for last in [False] * (ROUNDS - 1) + [True]:
        for exposure, group in _groups(wanted):
            counts = read(group, exposure)
            for channel in group:
                made = counts.exposures.get(channel, exposure)
                full = channel in counts.saturated
                better = _better(exposure, counts.outputs[channel], made.ceiling, saturated=full)
                if last or better == exposure:
                    settled[channel] = counts.outputs[channel], made, full
                    del wanted[channel]
                else:
                    wanted[channel] = better
        if not wanted:
            break
    return Counts(
        {c: settled[c][0] for c in channels},
        tuple(c for c in channels if settled[c][2]),
        {c: settled[c][1] for c in channels},
    )


def _groups(wanted: dict[str, Exposure]) -> Iterable[tuple[Exposure, tuple[str, ...]]]:
    """Return the channels that want the same exposure, together."""
    every = dict.fromkeys(wanted.values())
    return [(e, tuple(c for c, own in wanted.items() if own == e)) for e in every]


def _better(exposure: Exposure, count: int, ceiling: int, *, saturated: bool) -> Exposure:
    """Return the exposure to try next; the same where this one does, or no other could do better."""
    if not saturated and LOWEST * ceiling <= count <= HIGHEST * ceiling:
        return exposure
    factor = 1 / DIMMER if saturated else AIM * ceiling / max(count, 1)
    gain = max((g for g in GAINS if g <= exposure.gain * factor), default=GAINS[0])
    if gain != exposure.gain:
        return replace(exposure, gain=gain)
    return _other_time(exposure, brighter=factor > 1)


def _other_time(exposure: Exposure, *, brighter: bool) -> Exposure:
    if brighter and exposure.gain == GAINS[-1] and exposure.seconds < 0.5:
        parts = LONGER * (exposure.atime + 1)
        if parts <= 256:
            return replace(exposure, atime=parts - 1)
        return replace(exposure, astep=min(LONGER * (exposure.astep + 1) - 1, 65534))
    if not brighter and exposure.gain == GAINS[0] and exposure.atime + exposure.astep > 2 * SHORTER:
        return replace(exposure, astep=max((exposure.astep + 1) // SHORTER - 1, 1))
    return exposure
