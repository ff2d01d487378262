"""The multiplexer's map: which half of which photodiode each nibble of its RAM connects (the driver's SMUX_IN)."""

RAM_SIZE = 20

# by address: the channel of the low nibble and of the high one; None where nothing that we emulate is connected
HALVES: tuple[tuple[str | None, str | None], ...] = (
    (None, "480nm"),
    ("415nm", None),
    (None, None),
    (None, "680nm"),
    ("590nm", None),
    ("445nm", "515nm"),
    (None, "555nm"),
    ("630nm", None),
    (None, "clear"),
    (None, "555nm"),
    ("630nm", None),
    (None, None),
    (None, "445nm"),
    ("515nm", None),
    ("680nm", "590nm"),
    (None, "480nm"),
    ("415nm", None),
    (None, "clear"),
    (None, None),
    ("nir", None),
)

SINGLE = "nir"  # its photodiode is one piece, so its one connection counts as both halves


def routed(ram: bytes) -> dict[int, list[str]]:
    """Return, for each converter 0 … 5, the halves that this RAM connects to it; a whole photodiode stands twice."""
    routes: dict[int, list[str]] = {}
    for value, halves in zip(ram, HALVES, strict=True):
        for converter, half in zip((value & 0xF, value >> 4), halves, strict=True):
            if half is not None and converter:
                routes.setdefault(converter - 1, []).extend([half] * (2 if half == SINGLE else 1))
    return routes
