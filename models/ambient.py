"""What is known of the ambient light at a moment."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from retrolux.models.errors import UnknownColumn
from retrolux.models.posterior import Array


@dataclass(frozen=True, eq=False)
class Ambient:
    """A normal distribution of the counts that the light does not make.

    Attributes
    ----------
    names : tuple of str
        Of the outputs.
    mean : ndarray, shape (n_outputs,)
        In counts at the reference exposure.
    covariance : ndarray, shape (n_outputs, n_outputs)
    """

    names: tuple[str, ...]
    mean: Array
    covariance: Array

    @classmethod
    def none(cls, names: Sequence[str]) -> "Ambient":
        """Return that there is none, for certain."""
        return cls(tuple(names), np.zeros(len(names)), np.zeros((len(names), len(names))))

    def of(self, names: Sequence[str]) -> "Ambient":
        """Return what is known of these outputs, in this order. Raises UnknownColumn."""
        if tuple(names) == self.names:
            return self
        for name in names:
            if name not in self.names:
                raise UnknownColumn(f"Nothing is known of the ambient light of {name!r}.", "Leave it out.")
        i = [self.names.index(name) for name in names]
        return Ambient(tuple(names), self.mean[i], self.covariance[np.ix_(i, i)])
