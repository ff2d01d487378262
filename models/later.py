"""What takes long to find, and few ask for: found when it is first asked for."""

from collections.abc import Callable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Later:
    """An array that is made when it is first asked for, and kept.

    Parameters
    ----------
    make : callable
        Returns it.
    """

    def __init__(self, make: Callable[[], Array]) -> None:
        self._make = make

    @cached_property
    def value(self) -> Array:
        """The array."""
        return self._make()

    def then(self, change: Callable[[Array], Array]) -> "Later":
        """Return what follows from the array, made no sooner than that is asked for."""
        return Later(lambda: change(self.value))

    def __getstate__(self) -> dict[str, Array]:
        return {"value": self.value}  # what makes it cannot be sent to another process
