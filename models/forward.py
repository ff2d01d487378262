"""What outputs inputs give, how steeply, and how far a reading scatters about them: all that attainability asks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator
from scipy.stats import qmc

from retrolux.models.ambient import Ambient
from retrolux.models.exposure import CEILING
from retrolux.models.posterior import Array
from retrolux.models.readings import spread
from retrolux.models.response import FEATURES, features
from retrolux.models.state_space import StateSpace

Cells = NDArray[np.bool_]

_STRIDE = 1e-3  # of an input, for differences
_MOST_CORNERS = 6  # inputs whose corners are all tried
_POINTS = 256  # evenly spread settings that a search may begin at
_EACH = 4  # readings to each feature that is looked for in what a prediction leaves
_SEVERAL = 3  # readings at an end that tell a step there from scatter
_SMALLEST = 1e-6  # of an output's own variation: what is no scatter any more


@dataclass(frozen=True, eq=False)
class Forward:
    """The way from inputs to some outputs.

    Attributes
    ----------
    names : tuple of str
    predict : callable
        Expected outputs, shape (n_rows, n_outputs), of inputs, shape (n_rows, n_inputs).
    covariance : callable
        Covariance of a reading at each of some settings about its expected outputs, both given as rows, shape
        (n_rows, n_outputs, n_outputs), or (n_outputs, n_outputs) where it is the same everywhere, in counts squared:
        the reading's noise, the ambient light's uncertainty and that of the prediction itself.
    cloud : ndarray, shape (n_points, n_inputs)
        Settings at which a search may begin, the corners among them.
    floor, ceiling : ndarray, shape (n_outputs,)
        Least and largest counts that can be read; infinite where nothing is known of such a bound.
    dof : float
        Degrees of freedom with which the covariance is known.
    gradient : callable, optional
        Differences of the expected outputs between two rows of points that are inside (0, 1), each by its own input,
        divided by theirs, shape (n_rows, n_outputs, n_inputs), given the points' sums; where that has a closed form.
    """

    names: tuple[str, ...]
    predict: Callable[[Array], Array]
    covariance: Callable[[Array, Array], Array]
    cloud: Array
    floor: Array
    ceiling: Array
    dof: float
    gradient: Callable[[Array], Array] | None = None

    @cached_property
    def cloud_outputs(self) -> Array:
        """What the cloud gives, shape (n_points, n_outputs)."""
        return self.predict(self.cloud)

    @cached_property
    def reach(self) -> tuple[Array, Array]:
        """Least and largest counts of each output over the cloud, cut to what can be read; each (n_outputs,)."""
        outputs = np.clip(self.cloud_outputs, self.floor, self.ceiling)
        return outputs.min(axis=0), outputs.max(axis=0)

    def slopes(self, x: Array) -> Array:
        """Return derivatives by differences within (0, 1), shape (n_rows, n_outputs, n_inputs), for rows of inputs."""
        if self.gradient is not None:
            above, below = (np.minimum(np.maximum(x + s, _STRIDE / 10), 1 - _STRIDE / 10) for s in (_STRIDE, -_STRIDE))
            return self.gradient(above + below)
        rows, n = x.shape
        steps = np.concatenate([_STRIDE * np.eye(n), -_STRIDE * np.eye(n)])
        points = np.minimum(np.maximum(x[:, None, :] + steps, _STRIDE / 10), 1 - _STRIDE / 10)
        both = self.predict(points.reshape(-1, n)).reshape(rows, 2 * n, -1)
        i = np.arange(n)
        run = points[:, i, i] - points[:, n + i, i]
        return np.asarray(((both[:, :n] - both[:, n:]) / run[:, :, None]).transpose(0, 2, 1))

    def under(self, ambient: Ambient, *, lone: bool) -> "Forward":
        """Return the same way in ambient light that is known so far, for a way of the light alone.

        Parameters
        ----------
        lone : bool
            Whether readings, and so the floor, are of the light alone: that little less than nothing is then no wonder.
        """
        changed = replace(
            self,
            predict=lambda rows: self.predict(rows) + ambient.mean,
            covariance=lambda x, outputs: self.covariance(x, outputs - ambient.mean) + ambient.covariance,
            floor=np.full(len(self.names), -np.inf) if lone else self.floor,
        )
        changed.__dict__["cloud_outputs"] = self.cloud_outputs + ambient.mean
        return changed

    def of(self, columns: Sequence[int]) -> "Forward":
        """Return the way to some of the outputs, by index."""
        i = list(columns)
        part = replace(
            self,
            names=tuple(self.names[j] for j in i),
            predict=lambda rows: self.predict(rows)[:, i],
            covariance=self._part(i),
            gradient=None if self.gradient is None else partial(_some, self.gradient, i),
            floor=self.floor[i],
            ceiling=self.ceiling[i],
        )
        part.__dict__["cloud_outputs"] = self.cloud_outputs[:, i]
        return part

    def by_output(self) -> "Forward":
        """Return the same way with each output's scatter its own, that at half of every input.

        By the whole covariance the nearest outputs may be far away along a direction in which readings scatter
        together; right for how likely a reading is, of no use to who wants the counts.
        """
        half = np.full((1, self.cloud.shape[1]), 0.5)
        whole = np.broadcast_to(self.covariance(half, self.predict(half)), (1, len(self.names), len(self.names)))
        scatter = np.diag(np.diag(whole[0]))
        plain = replace(self, covariance=lambda _x, _outputs: scatter)
        plain.__dict__["cloud_outputs"] = self.cloud_outputs
        return plain

    def _part(self, columns: list[int]) -> Callable[[Array, Array], Array]:
        def covariance(x: Array, outputs: Array) -> Array:
            every = self.predict(x)
            every[:, columns] = outputs
            return self.covariance(x, every)[..., columns, :][..., columns]

        return covariance


def known(state: StateSpace, seen: Array, limits: tuple[Array, Array]) -> Forward:
    """Return the way through a light whose response is known, without ambient light.

    Parameters
    ----------
    state : StateSpace
        Of the outputs that are asked for.
    seen : ndarray, shape (n_rows, n_inputs)
        The readings' inputs: the response is the less sure the further it lies from their middle.
    limits : tuple of ndarray
        Floor and ceiling.
    """
    gains, leverage, scatter = state.response.gains, _leverage(seen), state.scatter
    pooled = scatter.covariance(np.full((1, seen.shape[1]), 0.5), gains)[0]

    def covariance(x: Array, _: Array) -> Array:
        return np.asarray(scatter.quickly(x, gains) + leverage(x)[:, None, None] * pooled)

    def gradient(sums: Array) -> Array:  # a bend x (1 − x) has this difference exactly
        return np.asarray(state.response.slopes(sums / 2))

    return Forward(state.names, state.response.predict, covariance, _cloud(seen), *limits, _dof(seen), gradient)


def _some(gradient: Callable[[Array], Array], columns: list[int], sums: Array) -> Array:
    return gradient(sums)[:, columns]


def own(  # noqa: PLR0913 - what a way is made of
    names: tuple[str, ...],
    predict: Callable[[Array], Array],
    inputs: Array,
    outputs: Array,
    limits: tuple[Array, Array],
    *,
    steps: bool = True,
) -> Forward:
    """Return the way by a method's own forward prediction, with the scatter of the readings about it.

    What it leaves by the steps and bends that a light may have (:func:`~retrolux.models.response.features`) is added
    where there are readings enough: at the ends of the range, where it is decided what can be met, a straight line
    would be wrong by more than the noise.

    Parameters
    ----------
    predict : callable
        Of these outputs.
    inputs, outputs : ndarray, shape (n_rows, n_inputs), (n_rows, n_outputs)
        Of the readings that are complete in these outputs.
    limits : tuple of ndarray, each of shape (n_outputs,)
        Least and largest outputs that can be read.
    steps : bool
        Whether outputs may step where an input leaves 0 or comes to 1, as those of a light do.
    """
    predict = _with_ends(predict, inputs, outputs, steps=steps)
    fitted = predict(inputs)
    spread, leverage = _Spread.of(fitted, outputs - fitted), _leverage(inputs)

    def covariance(x: Array, outputs: Array) -> Array:
        return np.asarray(spread.at(outputs) + leverage(x)[:, None, None] * spread.pooled)

    return Forward(names, predict, covariance, _cloud(inputs), *limits, _dof(inputs))


def _with_ends(
    predict: Callable[[Array], Array], inputs: Array, outputs: Array, *, steps: bool
) -> Callable[[Array], Array]:
    z = features(inputs)
    if len(z) < _EACH * (z.shape[1] + 1):
        return predict
    varies = _told(z, inputs.shape[1], steps=steps)
    rest = outputs - predict(inputs)
    added = np.linalg.lstsq(np.column_stack([np.ones(len(z)), z[:, varies]]), rest, rcond=1e-10)[0]
    return lambda rows: np.asarray(predict(rows) + added[0] + features(rows)[:, varies] @ added[1:])


def _told(z: Array, n: int, *, steps: bool) -> Cells:
    """Return which features readings tell: those that vary, and of steps those with several readings on either side."""
    step = np.arange(z.shape[1]) // n % (FEATURES - 1) > 0
    on = (z > 0).sum(axis=0)
    told = np.minimum(on, len(z) - on) >= _SEVERAL
    return np.asarray(np.where(step, told & steps, np.ptp(z, axis=0) > 0))


def limits(outputs: Array, *, counts: bool = True) -> tuple[Array, Array]:
    """Return the least and largest counts to be read: 0 and the sensor's ceiling unless readings say otherwise.

    What is no counts of a sensor has no limits.
    """
    if not counts:
        return np.full(outputs.shape[1], -np.inf), np.full(outputs.shape[1], np.inf)
    floor = np.where((outputs < 0).any(axis=0), -np.inf, 0.0)
    return floor, np.where((outputs > CEILING).any(axis=0), np.inf, float(CEILING))


def surface(predict: Callable[[Array], Array], n_inputs: int) -> Callable[[Array], Array]:
    """Return a smooth surface through predictions that are slow or rough: a thin-plate spline of some hundred of them.

    The forest's mean is made of steps, and takes ten milliseconds: a search along it would be neither sure nor quick.
    """
    points = np.vstack([_corners(n_inputs), _even(n_inputs)])
    values = predict(points)
    unit = np.maximum(np.ptp(values, axis=0), 1e-12)
    spline = RBFInterpolator(points, values / unit, smoothing=1e-3)
    return lambda rows: np.asarray(spline(rows) * unit)


@dataclass(frozen=True, eq=False)
class _Spread:
    """A scatter that grows with the counts: variance ``still + growth · (counts − least)²``, correlations alike.

    Both parts by least squares on the squared residuals, neither negative.
    """

    still: Array
    growth: Array
    least: Array
    correlation: Array
    pooled: Array

    @classmethod
    def of(cls, fitted: Array, residuals: Array) -> "_Spread":
        """Return the scatter of residuals, each of shape (n_rows, n_outputs)."""
        tiny = (_SMALLEST * np.maximum(np.ptp(fitted, axis=0), 1e-12)) ** 2
        variance, least = (residuals**2).mean(axis=0) + tiny, fitted.min(axis=0)
        size = (fitted - least) ** 2
        growth = _growth(size, residuals**2, variance)
        still = np.maximum(variance - growth * size.mean(axis=0), 0.0) + tiny
        z = residuals / np.sqrt(still + growth * size)
        correlation = z.T @ z / len(z)
        unit = np.sqrt(np.diag(correlation)) + 1e-300
        correlation = 0.99 * correlation / np.outer(unit, unit)
        np.fill_diagonal(correlation, 1.0)
        pooled = correlation * np.sqrt(np.outer(variance, variance))
        return cls(still, growth, least, correlation, pooled)

    def at(self, counts: Array) -> Array:
        """Return the covariance at rows of counts, shape (n_rows, n_outputs, n_outputs)."""
        size = np.sqrt(self.still + self.growth * np.maximum(counts - self.least, 0.0) ** 2)
        return np.asarray(self.correlation * size[:, :, None] * size[:, None, :])


def _growth(size: Array, squares: Array, variance: Array) -> Array:
    """Return how fast squared residuals grow with squared counts, at most so that they begin at a hundredth."""
    about = size - size.mean(axis=0)
    slope = (about * squares).sum(axis=0) / np.maximum((about**2).sum(axis=0), 1e-300)
    return np.asarray(np.clip(slope, 0.0, 0.99 * variance / np.maximum(size.mean(axis=0), 1e-300)))


def _leverage(seen: Array) -> Callable[[Array], Array]:
    """Return the leverage of settings in a line through the readings: their part of a reading's variance."""
    centre = seen.mean(axis=0)
    gram = np.linalg.pinv((seen - centre).T @ (seen - centre), hermitian=True)
    return lambda x: np.asarray(1 / len(seen) + (((x - centre) @ gram) * (x - centre)).sum(axis=1))


def _dof(seen: Array) -> float:
    return float(max(len(seen) - seen.shape[1] - 1, 1))


def _cloud(seen: Array) -> Array:
    """Return corners, evenly spread settings, and some of the readings' own."""
    return np.vstack([_corners(seen.shape[1]), _even(seen.shape[1]), seen[spread(len(seen), _POINTS)]])


@cache
def _corners(n: int) -> Array:
    if n <= _MOST_CORNERS:
        return np.array(list(product((0.0, 1.0), repeat=n)))
    return np.vstack([np.zeros(n), np.ones(n), np.eye(n), 1 - np.eye(n)])


@cache
def _even(n: int) -> Array:
    return np.asarray(qmc.Sobol(n, scramble=False).random(_POINTS))
