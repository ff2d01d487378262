"""Identifiers that sort by time: ULIDs."""

import os
import time

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32


def new_id(seconds: float | None = None) -> str:
    """Return a ULID of 26 characters: 48 bits of milliseconds since the epoch, then 80 random bits."""
    milliseconds = int(1000 * (time.time() if seconds is None else seconds))
    number = (milliseconds << 80) | int.from_bytes(os.urandom(10), "big")
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))
