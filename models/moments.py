"""Number, mean and scatter of readings: all that a line or a normal distribution learns of them, however many."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from retrolux.models.posterior import Array

_BLOCK = 65536  # rows that are taken in at a time


@dataclass(frozen=True, eq=False)
class Moments:
    """Sufficient statistics of a table, its scatter as a triangular root.

    The root is that of a QR decomposition, and takes in further rows by another one (Golub & Van Loan, *Matrix
    Computations*, 6.5): least squares on it is least squares on the rows, without squaring their condition as sums of
    products would. Parts are put together as in Chan, Golub & LeVeque (1983, *The American Statistician* 37, 242).

    Attributes
    ----------
    n : int
        Rows.
    mean : ndarray, shape (n_columns,)
    root : ndarray, shape (n_columns, n_columns)
        ``rootᵀ root`` is the sum of ``(row − mean)ᵀ (row − mean)``.
    """

    n: int
    mean: Array
    root: Array

    @classmethod
    def of(cls, table: Array) -> "Moments":
        """Return those of a table's rows, shape (n_rows, n_columns)."""
        return cls.joined([_of_block(table[at : at + _BLOCK]) for at in range(0, max(len(table), 1), _BLOCK)])

    @classmethod
    def joined(cls, parts: Iterable["Moments"]) -> "Moments":
        """Return those of several tables' rows together."""
        every = list(parts)
        known = [part for part in every if part.n]
        if len(known) < 2:
            return known[0] if known else every[0]
        n, first = sum(part.n for part in known), known[0].mean
        mean = first + sum(part.n / n * (part.mean - first) for part in known)
        apart = [np.sqrt(part.n) * (part.mean - mean) for part in known]
        return cls(n, mean, _triangle(np.vstack([*(part.root for part in known), apart])))

    @classmethod
    def without_each(cls, parts: Sequence["Moments"]) -> list["Moments"]:
        """Return those of all tables but one, for each of at least two, none of them empty."""
        n, mean, root = (np.array([getattr(part, name) for part in parts]) for name in ("n", "mean", "root"))
        others = np.array([[j for j in range(len(parts)) if j != i] for i in range(len(parts))])
        told = n[others].sum(axis=1)
        first = mean[others[:, :1]]
        middle = first + (n[others][:, :, None] / told[:, None, None] * (mean[others] - first)).sum(
            axis=1, keepdims=True
        )
        apart = np.sqrt(n[others])[:, :, None] * (mean[others] - middle)
        rows = np.concatenate([root[others].reshape(len(parts), -1, root.shape[2]), apart], axis=1)
        roots = np.linalg.qr(rows, mode="r")
        return [cls(int(k), m[0], r) for k, m, r in zip(told, middle, roots, strict=True)]

    def of_columns(self, columns: Sequence[int]) -> "Moments":
        """Return those of some columns, in this order."""
        return Moments(self.n, self.mean[columns], _triangle(self.root[:, columns]))

    @property
    def deviations(self) -> Array:
        """The columns' standard deviations, shape (n_columns,)."""
        return np.asarray(np.linalg.norm(self.root, axis=0) / np.sqrt(max(self.n, 1)))

    @property
    def covariance(self) -> Array:
        """The columns' covariance, divided by n, shape (n_columns, n_columns)."""
        return np.asarray(self.root.T @ self.root / max(self.n, 1))

    def stand_in(self) -> Array:
        """Return a few rows with the same mean and covariance, shape (2 n_columns, n_columns).

        What learns by these alone learns of them what it would of the readings.
        """
        apart = self.root * np.sqrt(len(self.root) / max(self.n, 1))
        return np.asarray(self.mean + np.vstack([apart, -apart]))


def _of_block(rows: Array) -> Moments:
    if not len(rows):
        return Moments(0, np.zeros(rows.shape[1]), np.zeros((rows.shape[1],) * 2))
    mean = rows.mean(axis=0)
    return Moments(len(rows), mean, _triangle(rows - mean))


def _triangle(rows: Array) -> Array:
    """Return the triangular factor of rows, square also where they are few."""
    factor = np.linalg.qr(rows, mode="r")
    missing = rows.shape[1] - len(factor)
    return np.vstack([factor, np.zeros((missing, rows.shape[1]))]) if missing else np.asarray(factor)
