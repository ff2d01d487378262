"""What the server is at, in words, for who looks at it from outside."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial


class Activity:
    """A board on which each thread writes what it is at."""

    def __init__(self) -> None:
        self._at: dict[object, str] = {}

    @contextmanager
    def doing(self, what: str) -> Iterator[Callable[[str], None]]:
        """Stand on the board as long as this lasts; call what it gives with other words as the work goes on."""
        place = object()
        self._at[place] = what
        try:
            yield partial(self._at.__setitem__, place)
        finally:
            del self._at[place]

    @property
    def words(self) -> str:
        """What is being done, each thing once; empty where nothing is."""
        told = dict.fromkeys(list(self._at.values()))
        exact = [w for w in told if not any(other.startswith(f"{w} ") for other in told)]
        return ", ".join(exact)
