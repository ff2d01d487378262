"""A file that holds the duties of three outputs, and outlives the process that set them, as real pins do."""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

DARK = (0.0, 0.0, 0.0)


class PinFile:
    """Three duties as text, red, green and blue: ``0.47,0.23,0.52``, in the dark ``0,0,0``.

    Parameters
    ----------
    path : Path
        Its folder must be there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> tuple[float, ...]:
        """Return the duties, each in [0, 1]; dark where there is no file, or one of something else. Raises OSError."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            duties = tuple(float(duty) for duty in self._path.read_text(encoding="ascii").split(","))
            if len(duties) == len(DARK) and all(0 <= duty <= 1 for duty in duties):
                return duties
        return DARK

    def write(self, duties: Sequence[float]) -> None:
        """Hold these from now on: whoever reads sees the ones before or these. Raises OSError."""
        new = self._path.with_name(f"{self._path.name}.new")
        new.write_text(",".join(f"{duty:g}" for duty in duties) + "\n", encoding="ascii")
        os.replace(new, self._path)  # noqa: PTH105 - as it is called where atomic replacing is spoken of
