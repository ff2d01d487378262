"""A line with its prediction interval: what least squares and partial least squares have in common."""

from dataclasses import asdict, dataclass
from typing import Self

import numpy as np

from retrolux.models import quantiles, storage
from retrolux.models.conditional import TAIL, Conditional, Fit
from retrolux.models.errors import ModelUnreadable
from retrolux.models.model import Array, Posterior
from retrolux.models.posterior import LEVEL


@dataclass(frozen=True, eq=False)
class Regression(Conditional, Fit):
    """``wanted = intercept + given · slopes``, with a scatter that grows away from the readings' middle.

    A prediction's covariance is ``covariance · (1 + h)`` with the leverage
    ``h = 1/n + s · gram⁻¹ · s``, ``s = (given − centre) · axes``; the interval takes Student's t with ``dof`` degrees
    of freedom (Draper & Smith, *Applied Regression Analysis*).

    Attributes
    ----------
    intercept : ndarray, shape (n_wanted,)
    slopes : ndarray, shape (n_given, n_wanted)
    covariance : ndarray, shape (n_wanted, n_wanted)
        Of a reading's scatter about the line.
    centre : ndarray, shape (n_given,)
    axes : ndarray, shape (n_given, n_axes)
        Directions that the regression used.
    gram_inverse : ndarray, shape (n_axes, n_axes)
    n, dof : float
        Readings, and degrees of freedom of the covariance.
    """

    intercept: Array
    slopes: Array
    covariance: Array
    centre: Array
    axes: Array
    gram_inverse: Array
    n: float
    dof: float

    def mean(self, given: Array) -> Array:
        """Return the line's value for each row."""
        line: Array = self.intercept + given @ self.slopes
        return line

    def derivative(self, given: Array) -> Array:  # noqa: ARG002 - the same everywhere
        """Return the line's slopes, shape (n_wanted, n_given)."""
        return self.slopes.T.copy()

    def leverage(self, given: Array) -> Array:
        """Return each row's leverage, shape (n_rows,)."""
        scores = (given - self.centre) @ self.axes
        return np.asarray(1 / self.n + np.einsum("ri,ij,rj->r", scores, self.gram_inverse, scores))

    def posterior(self, given: Array, *, samples: int, seed: int) -> Posterior:  # noqa: ARG002 - needs no draws
        """Return the prediction interval in closed form."""
        return student(self.mean(given), (1 + self.leverage(given))[:, None, None] * self.covariance, self.dof)

    def draw(self, given: Array, *, seed: int) -> Array:
        """Return one draw of the multivariate t about the line for each row."""
        rng = np.random.default_rng(seed)
        noise = rng.standard_normal((len(given), len(self.intercept))) @ root(self.covariance)
        spread = np.sqrt((1 + self.leverage(given)) * self.dof / rng.chisquare(self.dof, len(given)))
        return self.mean(given) + noise * spread[:, None]

    def to_files(self) -> dict[str, bytes]:
        """Return one npz file."""
        return {"line.npz": storage.pack({name: np.asarray(value) for name, value in asdict(self).items()})}

    @classmethod
    def from_files(cls, files: dict[str, bytes]) -> Self:
        """Rebuild the line. Raises ModelUnreadable."""
        try:
            arrays = storage.unpack(files["line.npz"])
            n, dof = float(arrays.pop("n")), float(arrays.pop("dof"))
            return cls(**arrays, n=n, dof=dof)
        except (KeyError, TypeError) as error:
            raise ModelUnreadable(f"A saved line is incomplete: {error}.", "Fit the model again.") from error


def student(mean: Array, matrix: Array, dof: float) -> Posterior:
    """Return the posterior of a multivariate t distribution; its standard deviation needs more than two degrees.

    Parameters
    ----------
    mean : ndarray, shape (n_rows, n)
    matrix : ndarray, shape (n_rows, n, n)
        Of its scale. Nine tenths lie within n times the 90 % point of F, by its inverse.
    """
    n = mean.shape[1]
    scale = np.sqrt(np.diagonal(matrix, axis1=1, axis2=2))
    half = quantiles.student(1 - TAIL, dof) * scale
    wider = n * quantiles.fisher(LEVEL, n, dof) / quantiles.chi2(LEVEL, n)
    return Posterior(mean, scale * np.sqrt(dof / max(dof - 2, 1)), mean - half, mean + half, matrix * wider)


def root(covariance: Array) -> Array:
    """Return a symmetric square root of a positive semi-definite matrix."""
    values, vectors = np.linalg.eigh(covariance)
    square_root: Array = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    return square_root
