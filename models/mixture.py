"""A Gaussian mixture over named columns by gmr, its number of components chosen by BIC, and what it says given some."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import islice
from typing import Self

import numpy as np
from gmr import GMM
from gmr.gmm import kmeansplusplus_initialization
from scipy import linalg, special
from scipy.special import logsumexp, softmax

from retrolux.models import mixture_quantiles, storage
from retrolux.models.conditional import TAIL, Conditional, Fit
from retrolux.models.errors import ModelUnreadable
from retrolux.models.expectation_maximisation import Table, rounds
from retrolux.models.later import Later
from retrolux.models.mixture_ellipsoids import Ellipsoids
from retrolux.models.model import Array, Posterior, Progress
from retrolux.models.moments import Moments
from retrolux.models.posterior import LEVEL

_MOST = 6  # components tried
_RESTARTS = 3
_ITERATIONS = 100
_SCALE = 10.0  # of whitened columns, see Mixture
_FLOOR = 0.05  # of the whole scatter, added to each component's covariance: none can shrink to a few readings
_WIDEST = 180  # columns; gmr multiplies densities, and the ones of more columns, of 10⁻¹·⁶ each, are 0
_MANY = 60  # given columns from which on their unit is chosen anew
_RIDGE = 1e-7  # of a column's variance: readings without noise stay solvable


@dataclass(frozen=True, eq=False)
class Mixture(Fit):
    """A mixture in units in which gmr is safe.

    gmr takes the larger of a Cholesky factor's determinant and 2·10⁻¹⁶ (its ``mvn.py``), which would make the weights
    wrong for columns as nearly dependent as these in units of their scatter. Each column is therefore measured in
    tenths of its scatter given all others: the determinant of every marginal covariance is then above 1 (Hadamard).

    Attributes
    ----------
    centre, unit : ndarray, shape (n_columns,)
    priors : ndarray, shape (n_components,)
    means : ndarray, shape (n_components, n_columns)
    covariances : ndarray, shape (n_components, n_columns, n_columns)
    n : float
        Readings.
    """

    centre: Array
    unit: Array
    priors: Array
    means: Array
    covariances: Array
    n: float

    @classmethod
    def learn(cls, table: Array, *, seed: int, progress: Progress | None = None) -> Self:
        """Fit mixtures of one component and more until BIC grows, and return the best; of very many columns, of one.

        Parameters
        ----------
        table : ndarray, shape (n_rows, n_columns)
        """
        if table.shape[1] > _WIDEST:
            return cls.single(Moments.of(table))
        white = _White.of(table)
        return cls._of(white, _best(white.table, seed, progress))

    @classmethod
    def single(cls, told: Moments) -> Self:
        """Return the mixture of one component, by the readings' moments."""
        spread = told.deviations
        correlation = told.covariance / np.outer(spread, spread)
        unit = 0.1 / np.sqrt(np.diag(np.linalg.inv(correlation + _RIDGE * np.eye(len(spread)))))
        covariance = correlation / np.outer(unit, unit)
        return cls(told.mean, spread * unit, np.ones(1), np.zeros((1, len(unit))), covariance[None], told.n)

    def again(self, table: Array) -> Self:
        """Return the mixture of as many components of other readings, found from where these components are.

        So it takes fewer rounds of expectation maximisation than from anywhere.
        """
        white = _White.of(table)
        turn = np.linalg.inv(white.back) * (self.unit / white.spread)[:, None]
        means = (self.means + (self.centre - white.centre) / self.unit) @ turn
        start = GMM(len(self.priors), self.priors.copy(), means, turn.T @ self.covariances @ turn, random_state=0)
        return self._of(white, _expectation_maximisation(white.table, len(self.priors), 0, start))

    @classmethod
    def _of(cls, white: "_White", found: GMM) -> Self:
        unit = 0.1 / np.sqrt(np.diag(np.linalg.inv(white.correlation)))
        turn = white.back / unit
        covariances = turn.T @ found.covariances @ turn
        return cls(white.centre, white.spread * unit, found.priors, found.means @ turn, covariances, len(white.table))

    def given(self, given: Sequence[int], wanted: Sequence[int]) -> "MixtureGiven":
        """Return the distribution of some columns given others, both by index."""
        return MixtureGiven(self, np.asarray(given, dtype=int), np.asarray(wanted, dtype=int))

    def to_files(self) -> dict[str, bytes]:
        """Return one npz file."""
        return {"mixture.npz": storage.pack({name: np.asarray(value) for name, value in asdict(self).items()})}

    @classmethod
    def from_files(cls, files: dict[str, bytes]) -> Self:
        """Rebuild the mixture. Raises ModelUnreadable."""
        try:
            arrays = storage.unpack(files["mixture.npz"])
            n = float(arrays.pop("n"))
            return cls(**arrays, n=n)
        except (KeyError, TypeError) as error:
            raise ModelUnreadable(f"A saved mixture is incomplete: {error}.", "Fit the model again.") from error


@dataclass(frozen=True, eq=False)
class _White:
    """A table in columns of no correlation, and the way back: ``(row − centre) / spread = white · back``."""

    table: Array
    centre: Array
    spread: Array
    correlation: Array
    back: Array

    @classmethod
    def of(cls, table: Array) -> "_White":
        centre, spread = table.mean(axis=0), table.std(axis=0)
        standard = (table - centre) / spread
        correlation = standard.T @ standard / len(table) + _RIDGE * np.eye(len(centre))
        values, vectors = np.linalg.eigh(correlation)
        back = (vectors * np.sqrt(values)) @ vectors.T / _SCALE
        return cls(standard @ np.linalg.inv(back), centre, spread, correlation, back)


@dataclass(frozen=True, eq=False)
class MixtureGiven(Conditional):
    """Some columns of a mixture given others.

    A component's conditional covariance is that of a regression on as many columns as are given. With
    ``p = given + 1`` it is multiplied by ``n_k / (n_k − p)``, which makes it unbiased, and by ``1 + p / n_k``, the
    share of the regression's own uncertainty in a prediction, averaged over the readings.
    """

    mixture: Mixture
    columns: np.ndarray[tuple[int, ...], np.dtype[np.int_]]
    wanted: np.ndarray[tuple[int, ...], np.dtype[np.int_]]

    def mean(self, given: Array) -> Array:
        """Return the mixture's conditional mean for each row."""
        weights, means = self._components(given)
        return np.asarray(means[:, 0] if len(self._pieces.log) == 1 else (weights[:, :, None] * means).sum(axis=1))

    def derivative(self, given: Array) -> Array:
        """Return the derivative of the conditional mean at one point, shape (n_wanted, n_given).

        With weights w, conditional means m, slopes G of the components and s the gradients of the logarithms of their
        densities: ``Σ w G + Σ w m (s − Σ w s)ᵀ``.
        """
        m, n = self.mixture, len(self.columns)
        joint, x = self._joint(), self._standard(given[None])[0]
        inverse = np.linalg.inv(joint.covariances[:, :n, :n])
        slopes = joint.covariances[:, n:, :n] @ inverse
        left = x - joint.means[:, :n]
        means = joint.means[:, n:] + np.einsum("kij,kj->ki", slopes, left)
        score = -np.einsum("kij,kj->ki", inverse, left)
        log = np.log(joint.priors) + (np.linalg.slogdet(inverse)[1] + (score * left).sum(axis=1)) / 2
        weights = softmax(log)
        whole = np.einsum("k,kij->ij", weights, slopes) + (weights[:, None] * means).T @ (score - weights @ score)
        return np.asarray(whole * self._shrink * m.unit[self.wanted][:, None] / m.unit[self.columns])

    def posterior(self, given: Array, *, samples: int, seed: int) -> Posterior:  # noqa: ARG002 - needs no draws
        """Return exact moments, and the quantiles of each column's own mixture.

        The ellipsoid of several components takes as long as all else: it is found when it is asked for.
        """
        weights, means = self._components(given)
        pieces = self._pieces
        if len(pieces.log) == 1:
            alone = np.broadcast_to(pieces.covariances, (len(given), *pieces.covariances.shape[1:]))
            half = special.ndtri(1 - TAIL) * pieces.std
            mean = means[:, 0]
            return Posterior(mean, np.broadcast_to(pieces.std[0], mean.shape), mean - half, mean + half, alone)
        mean = (weights[:, :, None] * means).sum(axis=1)
        away = means - mean[:, None]
        covariance = np.einsum("rk,kij->rij", weights, pieces.covariances)
        covariance += np.einsum("rk,rki,rkj->rij", weights, away, away)
        std = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
        low, high = mixture_quantiles.quantile((TAIL, 1 - TAIL), weights, means, pieces.std)
        share = Later(lambda: pieces.ellipsoids.holding(LEVEL, weights, away, covariance)[:, None, None])
        return Posterior(mean, std, low, high, share.then(lambda by: covariance * by))

    def draw(self, given: Array, *, seed: int) -> Array:
        """Return one sample for each row; where all rows are alike, those of one mixture."""
        if (given == given[:1]).all():
            return sampled(self.at(given[0]), len(given), seed)
        weights, means = self._components(given)
        rng, roots = np.random.default_rng(seed), self._pieces.roots_of_rest
        passed = rng.random(len(given))[:, None] > np.cumsum(weights, axis=1)
        which = np.minimum(passed.sum(axis=1), len(roots) - 1)  # a sum of weights may be a little less than 1
        normal, drawn = rng.standard_normal((len(given), len(self.wanted))), means[np.arange(len(given)), which]
        for k, root in enumerate(roots):
            drawn[which == k] += normal[which == k] @ root.T
        return np.asarray(drawn)

    def at(self, given: Array) -> GMM:
        """Return the conditional mixture for one row, shape (n_given,), in the wanted columns' own units."""
        weights, means = self._components(given[None])
        return GMM(len(weights[0]), weights[0], means[0], self._pieces.covariances)

    @cached_property
    def _pieces(self) -> "_Pieces":
        """What does not depend on the values that are given."""
        m, n = self.mixture, len(self.columns)
        joint = self._joint()
        inside = joint.covariances[:, :n, :n]
        slopes = joint.covariances[:, n:, :n] @ np.array([linalg.pinvh(part) for part in inside])
        left = joint.covariances[:, n:, n:] - slopes @ joint.covariances[:, :n, n:]
        unit, rows = m.unit[self.wanted], m.n * m.priors
        wider = rows / np.maximum(rows - n - 1, 1.0) * (1 + (n + 1) / np.maximum(rows, 1.0))
        covariances = _positive(left) * wider[:, None, None] * np.outer(unit, unit)
        log = np.log(np.maximum(m.priors, 1e-300)) - np.linalg.slogdet(inside)[1] / 2
        # one component needs no weights, and readings without noise leave it without a root
        roots = np.linalg.inv(np.linalg.cholesky(inside)) if len(m.priors) > 1 else np.zeros_like(inside)
        return _Pieces(log, joint.means[:, :n], roots, joint.means[:, n:], slopes, covariances)

    def _components(self, given: Array) -> tuple[Array, Array]:
        """Return weights and means of the components, shapes (n_rows, n_components) and (…, n_wanted)."""
        m, pieces = self.mixture, self._pieces
        left = self._standard(given) - pieces.given[:, None]  # component by component, for BLAS
        means = (left @ pieces.slopes.transpose(0, 2, 1) + pieces.wanted[:, None]).transpose(1, 0, 2)
        if len(pieces.log) == 1:
            weights = np.ones((len(given), 1))
        else:
            white = left @ pieces.roots.transpose(0, 2, 1)
            logs = pieces.log[:, None] - (white * white).sum(axis=2) / 2
            parts = np.exp(logs - logs.max(axis=0))
            weights = np.ascontiguousarray((parts / parts.sum(axis=0)).T)
        return weights, means * m.unit[self.wanted] + m.centre[self.wanted]

    def _joint(self) -> GMM:
        m, used = self.mixture, np.concatenate([self.columns, self.wanted])
        scale = np.repeat([self._shrink, 1.0], [len(self.columns), len(self.wanted)])
        covariances = m.covariances[:, used][:, :, used] * np.outer(scale, scale)
        return GMM(len(m.priors), m.priors, m.means[:, used] * scale, covariances)

    @cached_property
    def _shrink(self) -> float:
        """What given columns are measured in, where they are many: else gmr's determinants are beyond every number."""
        n = len(self.columns)
        if n < _MANY:
            return 1.0
        block = self.mixture.covariances[:, self.columns][:, :, self.columns]
        return float(np.exp(-np.linalg.slogdet(block)[1].min() / 2 / n))

    def _standard(self, given: Array) -> Array:
        m = self.mixture
        return np.asarray((given - m.centre[self.columns]) / m.unit[self.columns] * self._shrink)


@dataclass(frozen=True, eq=False)
class _Pieces:
    """Of each component: log weight and volume, means, the given columns' whitening, slopes and what is left.

    Covariances are in the wanted columns' own units, all else in the mixture's.
    """

    log: Array
    given: Array
    roots: Array
    wanted: Array
    slopes: Array
    covariances: Array

    @cached_property
    def std(self) -> Array:
        """Standard deviations, shape (n_components, n_wanted)."""
        return np.sqrt(np.diagonal(self.covariances, axis1=1, axis2=2))

    @cached_property
    def roots_of_rest(self) -> Array:
        """Triangular roots of the covariances, in the shape of these."""
        unit = np.sqrt(np.diagonal(self.covariances, axis1=1, axis2=2).max(axis=0))
        return np.asarray(unit[:, None] * np.linalg.cholesky(self.covariances / np.outer(unit, unit)))

    @cached_property
    def ellipsoids(self) -> Ellipsoids:
        """What says how large ellipsoids have to be."""
        return Ellipsoids(self.covariances)


def _positive(covariances: Array) -> Array:
    """Return covariances without the negative eigenvalues that rounding leaves where readings have no noise."""
    values, vectors = np.linalg.eigh((covariances + covariances.transpose(0, 2, 1)) / 2)
    values = np.maximum(values, 1e-6 * values.max(axis=1, keepdims=True))
    return np.asarray((vectors * values[:, None]) @ vectors.transpose(0, 2, 1))


def _best(table: Array, seed: int, progress: Progress | None) -> GMM:
    best, least, since = None, np.inf, 0
    for k in range(1, _MOST + 1):
        for restart in range(_RESTARTS if k > 1 else 1):
            mixture = _expectation_maximisation(table, k, seed + restart)
            bic = _bic(mixture, table)
            if bic < least:
                best, least, since = mixture, bic, 0
        since += 1
        if progress:
            progress(k / _MOST)
        if since > 2 or len(table) < 2 * (k + 1):
            break
    return best


def _expectation_maximisation(table: Array, k: int, seed: int, start: GMM | None = None) -> GMM:
    """Return a mixture, with a floor put under the covariances after every round; of one component, gmr's."""
    if k == 1:  # has all readings; where these have no noise, gmr widens it a little
        return GMM(1, covariances=_first(table, 1), random_state=seed).from_samples(table, n_iter=1)
    floor, before = _FLOOR * _SCALE**2 * np.eye(table.shape[1]), -np.inf
    every = rounds(Table(table), start or _start(table, k, seed), floor)
    for mixture, now in islice(every, _ITERATIONS):
        found = mixture
        if abs(now - before) < 1e-3 * len(table):
            break
        before = now
    return found


def _start(table: Array, k: int, seed: int) -> GMM:
    """Return the mixture that gmr begins with, its means by k-means++."""
    covariances, random = _first(table, k), np.random.RandomState(seed)
    means = kmeansplusplus_initialization(table, k, random)
    return GMM(k, np.full(k, 1 / k), means, covariances, random_state=random)


def _first(table: Array, k: int) -> Array:
    """Return the covariances that gmr begins with, by Gini's formula: it goes through all pairs of readings.

    Of each column they have the mean distance of two readings, by the number of components, as standard deviation.
    """
    n = len(table)
    pairs = (2 * np.arange(n) - n + 1) @ np.sort(table, axis=0)
    apart = pairs / max(n * (n - 1) / 2, 1)
    return np.tile(np.diag((apart / k) ** 2), (k, 1, 1))


def _bic(mixture: GMM, table: Array) -> float:
    k, d = mixture.means.shape
    parameters = k * (d + d * (d + 1) / 2) + k - 1
    return float(parameters * np.log(len(table)) - 2 * _log_likelihood(mixture, table))


def _log_likelihood(mixture: GMM, table: Array) -> float:
    parts = [mixture.extract_mvn(i).to_norm_factor_and_exponents(table) for i in range(mixture.n_components)]
    logs = [np.log(prior) + np.log(norm) + e for prior, (norm, e) in zip(mixture.priors, parts, strict=True)]
    return float(logsumexp(logs, axis=0).sum())


def sampled(mixture: GMM, n: int, seed: int) -> Array:
    """Return n samples of a mixture, shape (n, n_columns), in no order of its components."""
    # drawn in units of each column's own spread: NumPy compares a covariance with its factors by absolute numbers
    unit = np.sqrt(mixture.covariances.diagonal(axis1=1, axis2=2).max(axis=0))
    unit = np.where(unit > 0, unit, 1.0)
    covariances = mixture.covariances / np.outer(unit, unit)
    symmetric = (covariances + covariances.transpose(0, 2, 1)) / 2
    random = np.random.RandomState(seed)  # gmr takes no Generator
    standard = GMM(len(mixture.priors), mixture.priors, mixture.means / unit, symmetric, random_state=random)
    return np.asarray(random.permutation(standard.sample(n) * unit))
