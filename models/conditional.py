"""What is known of some columns once others are given."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Self

import numpy as np

from retrolux.models import quantiles
from retrolux.models.errors import NoDerivative
from retrolux.models.model import Array, Posterior
from retrolux.models.posterior import LEVEL, SURE

TAIL = 0.05
"""Probability outside each end of the central 90 % interval."""


class Fit(ABC):
    """What was learnt from a set of columns, in a form that can be kept on disk."""

    @abstractmethod
    def to_files(self) -> dict[str, bytes]:
        """Return the fit as named files' contents."""

    @classmethod
    @abstractmethod
    def from_files(cls, files: dict[str, bytes]) -> Self:
        """Rebuild the fit from :meth:`to_files`. Raises ModelUnreadable."""


class Conditional(ABC):
    """Distribution of the wanted columns given others; knows nothing of bounds."""

    @abstractmethod
    def mean(self, given: Array) -> Array:
        """Return the expected wanted columns, shape (n_rows, n_wanted), for rows of given ones."""

    def derivative(self, given: Array) -> Array:  # noqa: ARG002 - there is none
        """Return the derivative of the mean at one point, shape (n_wanted, n_given). Raises NoDerivative."""
        raise NoDerivative(
            f"The mean of {type(self).__name__} has no derivative that is known.",
            "Ask linear, pls, gmm or bayes.",
        )

    @abstractmethod
    def posterior(self, given: Array, *, samples: int, seed: int) -> Posterior:
        """Return mean, standard deviation and central 90 % interval for rows of given columns."""

    @abstractmethod
    def draw(self, given: Array, *, seed: int) -> Array:
        """Return one draw of the wanted columns for each row of given ones."""


def summarise(draws: Array) -> Posterior:
    """Return moments and quantiles of draws, shape (n_rows, n_draws, n_wanted)."""
    low, high = np.quantile(draws, (TAIL, 1 - TAIL), axis=1)
    mean = draws.mean(axis=1)
    return Posterior(mean, draws.std(axis=1, ddof=1), low, high, _holding(draws - mean[:, None]))


def _holding(away: Array) -> Array:
    """Return covariances of deviations, of such a size that the 90 % ellipsoid holds nine tenths of them.

    Tails that are heavier than a normal distribution's make a covariance larger than its middle asks for.
    """
    covariance = np.einsum("rdi,rdj->rij", away, away) / max(away.shape[1] - 1, 1)
    safe = covariance + SURE**2 * np.eye(away.shape[2])
    squared = (away * np.linalg.solve(safe, away.transpose(0, 2, 1)).transpose(0, 2, 1)).sum(axis=2)
    share = np.quantile(squared, LEVEL, axis=1) / quantiles.chi2(LEVEL, away.shape[2])
    return np.asarray(covariance * share[:, None, None])


def bounded(posterior: Posterior) -> Posterior:
    """Return a posterior with its mean and interval clipped to [0, 1].

    A standard deviation above that of a uniform distribution over the bounds, 1/√12, says no more than this one.
    """
    mean, low, high = (np.clip(a, 0.0, 1.0) for a in (posterior.mean, posterior.low, posterior.high))
    return Posterior(mean, np.minimum(posterior.std, 12**-0.5), low, high, posterior.covariance)


@dataclass(frozen=True, eq=False)
class Resampled(Conditional):
    """Columns of readings when nothing is given: drawn again, as whoever measured chose them.

    Attributes
    ----------
    rows : ndarray, shape (n_readings, n_wanted)
    """

    rows: Array

    def mean(self, given: Array) -> Array:
        """Return the readings' mean for each row."""
        return np.tile(self.rows.mean(axis=0), (len(given), 1))

    def posterior(self, given: Array, *, samples: int, seed: int) -> Posterior:  # noqa: ARG002 - needs no draws
        """Return the readings' own moments and quantiles for each row."""
        return summarise(np.tile(self.rows, (len(given), 1, 1)))

    def draw(self, given: Array, *, seed: int) -> Array:
        """Return a reading for each row, drawn with replacement."""
        return np.random.default_rng(seed).choice(self.rows, len(given))
