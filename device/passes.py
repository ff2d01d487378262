"""Which integrations a set of channels needs: the AS7341 has ten photodiodes and six converters."""

from collections.abc import Collection
from dataclasses import dataclass

from retrolux.device.measurement import CHANNELS

CONVERTERS = 6
RAM_SIZE = 20

# Where each photodiode's halves stand in the multiplexer's RAM: (address, shift of its nibble), as the driver's
# SMUX_IN names them (F2L_F4L: F2's left half in the low nibble, F4's in the high one). NIR's is one piece.
_HALVES = {
    "415nm": ((0x01, 0), (0x10, 0)),
    "445nm": ((0x05, 0), (0x0C, 4)),
    "480nm": ((0x00, 4), (0x0F, 4)),
    "515nm": ((0x05, 4), (0x0D, 0)),
    "555nm": ((0x06, 4), (0x09, 4)),
    "590nm": ((0x04, 0), (0x0E, 4)),
    "630nm": ((0x07, 0), (0x0A, 0)),
    "680nm": ((0x03, 4), (0x0E, 0)),
    "clear": ((0x08, 4), (0x11, 4)),
    "nir": ((0x13, 0),),
}


@dataclass(frozen=True, slots=True)
class Pass:
    """One integration.

    Attributes
    ----------
    channels : tuple of at most 6 str
        Those of converter 0, 1, …; converters beyond them are not connected.
    """

    channels: tuple[str, ...]

    @property
    def ram(self) -> bytes:
        """The multiplexer's 20 bytes, RAM 0x00 to 0x13: both halves of each photodiode to its converter."""
        if len(self.channels) > CONVERTERS:
            raise ValueError(f"{len(self.channels)} channels for {CONVERTERS} converters")
        ram = bytearray(RAM_SIZE)
        for converter, channel in enumerate(self.channels):
            for address, shift in _HALVES[channel]:
                ram[address] |= (converter + 1) << shift
        return bytes(ram)


LOW = Pass(("415nm", "445nm", "480nm", "515nm", "clear", "nir"))
HIGH = Pass(("555nm", "590nm", "630nm", "680nm", "clear", "nir"))
"""The driver's own two: together all ten, with clear and NIR in both."""

SIX = Pass(("445nm", "515nm", "590nm", "630nm", "clear", "nir"))
"""The three LEDs' bands, 590 nm between them, clear and NIR: what models are mostly made of, in one integration."""


def passes_for(channels: Collection[str]) -> tuple[Pass, ...]:
    """Return the fewest integrations that give these channels.

    One for up to six: one of the three named above where it has them all, so that a channel keeps its converter from
    reading to reading, else a map made for them. More than six take the driver's own two.

    Parameters
    ----------
    channels : collection of str
        Of :data:`~retrolux.device.measurement.CHANNELS`, in any order; at least one.
    """
    wanted = tuple(c for c in CHANNELS if c in channels)
    if len(wanted) > CONVERTERS:
        return (LOW, HIGH)
    named = (p for p in (HIGH, LOW, SIX) if set(wanted) <= set(p.channels))
    return (next(named, Pass(wanted)),)
