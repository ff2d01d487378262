"""How likely a mixture holds readings, and would have held each without having seen it."""

import numpy as np
from scipy.special import logsumexp

from retrolux.models.mixture import Mixture
from retrolux.models.novelty import Ranked, compared
from retrolux.models.posterior import Array

_RIDGE = 1e-9  # of a column's variance: an output that is there twice, in two units, has none of its own
_LEAST = 1e-3  # of a component's volume that is left of it without one reading


def density(mixture: Mixture, columns: list[int], rows: Array) -> Ranked:
    """Return the negative logarithm of the mixture's density in some columns, with what it was for left-out readings.

    A component loses a reading in closed form: its weight w in the component known, the squared distance D becomes
    D / (1 − w) / (1 − w D / (1 − w)), and the determinant shrinks by the last factor (Sherman & Morrison, 1950).

    Parameters
    ----------
    columns : list of int
        Of the mixture's columns.
    rows : ndarray, shape (n_rows, len(columns))
        The readings, in these columns.
    """
    kept = compared(rows)
    components = _components(mixture, columns)
    standard = (kept - mixture.centre[columns]) / mixture.unit[columns]
    logs, squared = _parts(components, standard)
    share = np.exp(logs - logsumexp(logs, axis=1, keepdims=True))
    held = np.maximum(mixture.n * mixture.priors, 1.0)
    w = np.minimum(share / held, 0.5)
    left = np.maximum(1 - w / (1 - w) * squared, _LEAST)
    less = np.log1p(-w) * (1 + len(columns) / 2) - np.log(left) / 2  # fewer readings, and a smaller volume
    without = logs + squared / 2 - squared / (1 - w) / left / 2 + less

    def score(targets: Array) -> Array:
        at = (targets - mixture.centre[columns]) / mixture.unit[columns]
        logs, _ = _parts(components, at.reshape(-1, len(columns)))
        return np.asarray(-np.logaddexp.reduce(logs, axis=1).reshape(at.shape[:-1]))

    return Ranked(score, -logsumexp(without, axis=1))


Component = tuple[Array, Array, float]
"""Mean, the inverse of the covariance's root, and the logarithm of weight and volume."""


def _components(mixture: Mixture, columns: list[int]) -> list[Component]:
    found = []
    for prior, mean, whole in zip(mixture.priors, mixture.means, mixture.covariances, strict=True):
        part = whole[np.ix_(columns, columns)]
        root = np.linalg.cholesky(part + _RIDGE * np.diag(np.diag(part)))
        level = float(np.log(prior + 1e-300) - np.log(np.diag(root)).sum())
        found.append((mean[columns], np.linalg.inv(root), level))
    return found


def _parts(components: list[Component], rows: Array) -> tuple[Array, Array]:
    """Return each component's log density with its weight, and squared distances, shape (n_rows, n_components)."""
    squared = np.column_stack([(((rows - mean) @ back.T) ** 2).sum(axis=1) for mean, back, _ in components])
    return np.array([level for *_, level in components]) - squared / 2, squared
