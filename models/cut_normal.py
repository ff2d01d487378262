"""A normal distribution cut to [0, 1] in each component: its share inside, and draws.

Components are drawn one after the other, each between its bounds given those before it, and weighed by what lies
between them (Genz & Bretz, *Computation of Multivariate Normal and t Probabilities*, 2009, section 4.1). All is done
with logarithms, so that a mean thousands of standard deviations outside is no harder.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.stats import qmc

from retrolux.models.model import Array

SURE = 6.0  # standard deviations from a bound that cuts nothing off
NODES = 256
MORE = 8  # candidates for each draw
TINY = 1e-300  # instead of 0, of which there is no logarithm


@dataclass(frozen=True, eq=False)
class CutNormal:
    """A normal distribution of which only what lies in [0, 1] counts.

    Attributes
    ----------
    mean : ndarray, shape (n,)
        Before it is cut; may lie outside.
    covariance : ndarray, shape (n, n)
        Before it is cut; a component without variance is fixed.
    """

    mean: Array
    covariance: Array

    @cached_property
    def std(self) -> Array:
        """Standard deviations before it is cut, shape (n,)."""
        return np.sqrt(np.diag(self.covariance))

    @cached_property
    def cut(self) -> NDArray[np.intp]:
        """Return the components that a bound cuts, those first that lie farthest outside, as indices."""
        near = np.minimum(self.mean, 1 - self.mean) < SURE * self.std
        low, high = -self.mean[near] / self.std[near], (1 - self.mean[near]) / self.std[near]
        return np.flatnonzero(near & (self.std > 0))[np.argsort(_log_between(low, high), kind="stable")]

    def log_share(self) -> float:
        """Return the logarithm of the probability of [0, 1]; of several components to about one in a thousand."""
        n = len(self.cut)
        if n == 0:
            return 0.0
        log_weights = self._walked(_nodes(n - 1))[1]
        return float(special.logsumexp(log_weights) - np.log(len(log_weights)))

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """Return draws, shape (n, n_components)."""
        many = n if len(self.cut) < 2 else n * MORE
        standard, log_weights = self._walked(rng.random((many, len(self.cut))))
        if many > n:
            chosen = rng.choice(many, n, p=special.softmax(log_weights))
            standard = standard[chosen]
        return self._with_the_rest(standard, rng)

    def _walked(self, uniform: Array) -> tuple[Array, Array]:
        """Return standard normal coordinates of the cut components, and logarithms of their weights.

        Parameters
        ----------
        uniform : ndarray, shape (n_rows, n_cut or n_cut − 1)
            In [0, 1); the last component's coordinate may be left out.
        """
        root, mean = self._root, self.mean[self.cut]
        standard, log_weights = np.empty_like(uniform), np.zeros(len(uniform))
        for i in range(len(mean)):
            middle = mean[i] + standard[:, :i] @ root[i, :i]
            low, high = -middle / root[i, i], (1 - middle) / root[i, i]
            log_weights += _log_between(low, high)
            if i < uniform.shape[1]:
                standard[:, i] = _between(low, high, uniform[:, i])
        return standard, log_weights

    @cached_property
    def _root(self) -> Array:
        return np.asarray(np.linalg.cholesky(self.covariance[np.ix_(self.cut, self.cut)]), dtype=np.float64)

    def _with_the_rest(self, standard: Array, rng: np.random.Generator) -> Array:
        """Return all components, given the coordinates of those that a bound cuts."""
        free = np.setdiff1d(np.flatnonzero(self.std > 0), self.cut)
        out = np.tile(self.mean, (len(standard), 1))
        out[:, self.cut] += standard @ self._root.T
        back = np.linalg.solve(self._root, self.covariance[np.ix_(self.cut, free)])
        rest = self.covariance[np.ix_(free, free)] - back.T @ back
        noise = rng.standard_normal((len(standard), len(free))) @ np.linalg.cholesky(rest).T
        out[:, free] += standard @ back + noise
        return np.clip(out, 0, 1)


def _log_between(low: Array, high: Array) -> Array:
    """Return the logarithm of a standard normal variable's probability of lying between."""
    low, high = _leftwards(low, high)
    above = special.log_ndtr(high)
    return np.asarray(above + np.log(-np.expm1(np.minimum(special.log_ndtr(low) - above, -TINY))))


def _between(low: Array, high: Array, uniform: Array) -> Array:
    """Return the point between, of a standard normal variable, below which this part of what is there lies."""
    left, right = _leftwards(low, high)
    above = special.log_ndtr(right)
    part = np.exp(special.log_ndtr(left) - above)
    turned = np.where(low + high > 0, 1 - uniform, uniform)
    found = special.ndtri_exp(above + np.log(np.maximum(part + turned * (1 - part), TINY)))
    return np.asarray(np.clip(np.where(low + high > 0, -found, found), low, high))


def _leftwards(low: Array, high: Array) -> tuple[Array, Array]:
    """Return bounds, mirrored where most of what is between lies right of 0: there the logarithms are exact."""
    right = low + high > 0
    return np.where(right, -high, low), np.where(right, -low, high)


@lru_cache(maxsize=8)
def _nodes(dimension: int) -> Array:
    """Return points that fill the unit cube evenly, always the same ones, shape (n, dimension)."""
    if dimension == 0:
        return np.empty((1, 0))
    return np.asarray(qmc.Sobol(dimension, rng=0).random(NODES))
