"""Partial least squares of several small tables at once, in the numbers of scikit-learn's ``PLSRegression``.

A regression is cross-validated on ten tables and made of one. scikit-learn takes some milliseconds for each, most of
them in hundreds of rounds of the power method, which stops where a round moves the weights by a thousandth at most.
Here every round's weights are known by the eigenvectors of what it multiplies with, so that the first at which to stop
is found by looking at them all.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from retrolux.models.posterior import Array, Progress

ROUNDS = 2000
CLOSE = 1e-6  # squared: scikit-learn's own tolerance
_LOOK = (1, 33, 129, 513, ROUNDS)  # ends of the rounds that are looked at together
_NOTHING = 10 * np.finfo(np.float64).eps  # of a column's scatter: what is left of it is rounding
_TINY = 1e-300


@dataclass(frozen=True, eq=False)
class Latent:
    """Regressions of wanted columns on given ones, a table each; of fewer components, they are the first of these.

    Attributes
    ----------
    axes : ndarray, shape (n_tables, n_given, n_components)
        What given columns, from their mean, are turned to; in their own units.
    loadings : ndarray, shape (n_tables, n_wanted, n_components)
        In the wanted columns' own units.
    """

    axes: Array
    loadings: Array

    def slopes(self, n: int) -> Array:
        """Return the slopes by the first n components, shape (n_tables, n_given, n_wanted)."""
        return np.asarray(self.axes[:, :, :n] @ self.loadings[:, :, :n].transpose(0, 2, 1))


def fitted(given: Array, wanted: Array, n_components: int, progress: Progress | None = None) -> Latent:
    """Return the regressions of tables, shapes (n_tables, n_rows, n_given) and (n_tables, n_rows, n_wanted)."""
    (x, x_std), (y, y_std), found = _standard(given), _standard(wanted), []
    for component in _components(x, y, n_components):
        found.append(component)
        if progress:
            progress(len(found) / n_components)
    weights, known, loadings = (np.stack(part, axis=2) for part in zip(*found, strict=True))
    upper = known.transpose(0, 2, 1) @ weights
    rotations = weights @ np.linalg.pinv(upper, rcond=n_components * np.finfo(np.float64).eps)
    return Latent(rotations / x_std[:, :, None], loadings * y_std[:, :, None])


def _standard(tables: Array) -> tuple[Array, Array]:
    """Return columns from their mean, in units of their deviation, and that."""
    away = tables - tables.mean(axis=1, keepdims=True)
    std = away.std(axis=1, ddof=1)
    std[std == 0] = 1.0
    return away / std[:, None], std


def _components(x: Array, y: Array, n: int) -> Iterator[tuple[Array, Array, Array]]:
    """Yield weights and loadings of given columns, and loadings of wanted ones, of one component after the other."""
    for _ in range(n):
        y = np.where((np.abs(y) < _NOTHING).all(axis=1, keepdims=True), 0.0, y)
        weights = _weights(x.transpose(0, 2, 1) @ y)
        scores = x @ weights[:, :, None]
        size = np.maximum((scores * scores).sum(axis=1), _TINY)
        known, loadings = ((scores * part).sum(axis=1) / size for part in (x, y))
        yield weights, known, loadings
        x, y = x - scores * known[:, None], y - scores * loadings[:, None]


def _weights(products: Array) -> Array:
    """Return what scikit-learn takes for the first left singular vectors, shape (n_tables, n_given); 0 for none."""
    values, vectors = np.linalg.eigh(products @ products.transpose(0, 2, 1))
    ratio = np.maximum(values, 0.0) / np.maximum(values[:, -1:], _TINY)
    start = (vectors.transpose(0, 2, 1) @ _first(products)[:, :, None])[:, :, 0]
    rounds = np.zeros(len(products)) if products.shape[2] == 1 else _rounds(ratio, start * start)
    found = (vectors @ (ratio ** rounds[:, None] * start)[:, :, None])[:, :, 0]
    largest = np.take_along_axis(found, np.abs(found).argmax(axis=1)[:, None], axis=1)
    return np.asarray(found * np.sign(largest) / np.maximum(np.linalg.norm(found, axis=1), _TINY)[:, None])


def _first(products: Array) -> Array:
    """Return the direction that the power method begins with: that of the first wanted column with anything left."""
    column = (np.abs(products) > 0).any(axis=1).argmax(axis=1)
    start = np.take_along_axis(products, column[:, None, None], axis=2)[:, :, 0]
    return np.asarray(start / np.maximum(np.linalg.norm(start, axis=1), _TINY)[:, None])


def _rounds(ratio: Array, share: Array) -> Array:
    """Return the first round that moves the weights by no more than is close, shape (n_tables,); or the last.

    Parameters
    ----------
    ratio : ndarray, shape (n_tables, n_given)
        Eigenvalues, over the largest.
    share : ndarray, shape (n_tables, n_given)
        Squared parts of the eigenvectors in the direction that is begun with.
    """
    found, left = np.full(len(ratio), float(ROUNDS - 1)), np.arange(len(ratio))
    for first, end in pairwise(_LOOK):
        close = _moved(ratio[left], share[left], np.arange(first, end)) < CLOSE
        stops = np.asarray(close.any(axis=1))
        found[left[stops]] = first + close[stops].argmax(axis=1)
        left = left[~stops]
        if not len(left):
            break
    return found


def _moved(ratio: Array, share: Array, rounds: NDArray[np.intp]) -> Array:
    """Return the squared distances by which rounds move the weights, shape (n_tables, n_rounds)."""
    powers = np.arange(2 * rounds[0] - 2, 2 * rounds[-1] + 1)
    logs = np.log(np.maximum(ratio, _TINY))
    sums = np.maximum((np.exp(powers[:, None] * logs[:, None]) @ share[:, :, None])[:, :, 0], _TINY)
    return np.asarray(2 - 2 * sums[:, 1::2] / np.sqrt(sums[:, 2::2] * sums[:, :-2:2]))
