"""Readings as the light's response, plus ambient light that wanders, plus noise; and how the three are learnt.

``y(t) = response(x) + a(t) + e``: the ambient light ``a`` is a random walk in all outputs at once that begins anew with
each sitting, ``e`` scatters as :class:`~retrolux.models.scatter.Scatter` says. What is unknown of them is found by
expectation conditional maximisation (Meng & Rubin, 1993), with weak priors that keep little data solvable.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from retrolux.models import storage
from retrolux.models.ambient import Ambient
from retrolux.models.conditional import Fit
from retrolux.models.dataset import Dataset
from retrolux.models.errors import BadData
from retrolux.models.kalman import SHORTEST, Observed, Track, Walk, completed, follow, smooth
from retrolux.models.model import Array, Progress
from retrolux.models.readings import spread
from retrolux.models.response import FEATURES, Response, features
from retrolux.models.scatter import Scatter, read_together
from retrolux.models.sittings import PAUSE

ROUNDS = 24
SHAPE = 0.01  # of a slope: standard deviation that steps and bends are thought to have
SMALLEST = 2e-4  # of an output's own variation: what is no scatter any more
FEW = 10  # steps that the prior of the walk's rate counts for
LEAST = 1e-12  # that a size is, so that none is 0
OWN = 1e-5  # of the ambient light's variance: what an output has for itself at least
MOST = 3000  # readings that are learnt from; more would not be worth the wait


@dataclass(frozen=True, eq=False)
class StateSpace(Fit):
    """The three parts, learnt.

    Attributes
    ----------
    names : tuple of str
        Of the outputs.
    response : Response
    scatter : Scatter
    walk : Walk
        Of the ambient light.
    """

    names: tuple[str, ...]
    response: Response
    scatter: Scatter
    walk: Walk

    @classmethod
    def learn(cls, data: Dataset, progress: Progress | None = None) -> "StateSpace":
        """Learn from readings in any order; those without times are taken as each from another sitting.

        Saturated outputs count for what they are: at least their ceiling. Of very many readings the latest are taken,
        or evenly spread ones where they have no times. Raises BadData for fewer than two.
        """
        if len(data) < 2:
            raise BadData(f"There are too few readings: {len(data)}; 2 are needed.", "Collect more readings.")
        rows = latest(data, MOST)
        found = _first_guess(rows)
        for i in range(ROUNDS):
            found = _improved(found, rows)
            if progress:
                progress((i + 1) / ROUNDS)
        return found

    def of(self, names: Sequence[str]) -> "StateSpace":
        """Return the part of these outputs, in this order. Raises ValueError."""
        i = [self.names.index(name) for name in names]
        both = np.ix_(i, i)
        scatter = replace(self.scatter, floor=self.scatter.floor[i], together=self.scatter.together[both])
        walk = Walk(self.walk.mean[i], self.walk.covariance[both], self.walk.rate[both])
        return StateSpace(tuple(names), Response(self.response.coefficients[i]), scatter, walk)

    def ever(self) -> Ambient:
        """Return the ambient light of whichever time: as it was in the readings."""
        return Ambient(self.names, self.walk.mean, self.walk.covariance)

    def now(self, data: Dataset, when: float) -> Ambient:
        """Return the ambient light at a time, from the readings before it of the same sitting."""
        return self.told(data, when).at(when)

    def told(self, data: Dataset, when: float) -> "Told":
        """Return what the readings before a time tell of the ambient light, which holds until there are others."""
        rows = _sitting(data.select(self.names), when)
        if rows is None or rows.times is None:
            return Told(self.names, self.walk, self.walk.mean, self.walk.covariance, None)
        track = self.follow(rows)
        return Told(self.names, self.walk, track.mean[-1], track.covariance[-1], float(rows.times[-1]))

    def follow(self, data: Dataset) -> Track:
        """Return the ambient light before and after each reading, as it was known then; rows in the order of time."""
        return follow(self.walk, self.observed(data))

    def smoothed(self, data: Dataset) -> Array:
        """Return the ambient light of each reading as all readings of its sitting tell it, shape (n_rows, n_outputs).

        Rows in the order of time.
        """
        seen = self.observed(data)
        return smooth(seen, follow(self.walk, seen))[0]

    def net(self, data: Dataset) -> Dataset:
        """Return readings in the order of time, less the ambient light that they tell of; saturated cells stay so."""
        rows = in_order(data)
        return replace(rows, outputs=rows.outputs - self.smoothed(rows))

    def to_files(self) -> dict[str, bytes]:
        """Return one npz file."""
        arrays = {
            "names": np.array(self.names),
            "coefficients": self.response.coefficients,
            "floor": self.scatter.floor,
            "pulses": self.scatter.pulses,
            "supply": np.array(self.scatter.supply),
            "together": self.scatter.together,
            "mean": self.walk.mean,
            "covariance": self.walk.covariance,
            "rate": self.walk.rate,
        }
        return {"state.npz": storage.pack(arrays)}

    @classmethod
    def from_files(cls, files: dict[str, bytes]) -> "StateSpace":
        """Rebuild the three parts. Raises ModelUnreadable, KeyError."""
        a = storage.unpack(files["state.npz"])
        scatter = Scatter(a["floor"], a["pulses"], float(a["supply"]), a["together"])
        walk = Walk(a["mean"], a["covariance"], a["rate"])
        return cls(tuple(a["names"].tolist()), Response(a["coefficients"]), scatter, walk)

    def observed(self, rows: Dataset) -> Observed:
        """Return readings as the walk sees them: without the light's response, and with its scatter."""
        light = self.response.predict(rows.inputs)
        rest = rows.outputs - light
        noise = self.scatter.covariance(rows.inputs, self.response.gains)
        values, bounds = np.where(rows.saturated, np.nan, rest), np.where(rows.saturated, rest, np.nan)
        return Observed(values, noise, bounds, waits(rows))


@dataclass(frozen=True, eq=False)
class Told:
    """What readings told of the ambient light, and when the last of them was made.

    Attributes
    ----------
    names : tuple of str
    walk : Walk
    mean, covariance : ndarray, shapes (n_outputs,) and (n_outputs, n_outputs)
        Just after it.
    time : float, optional
        Seconds since the epoch; None where the sitting has no readings yet, and the ambient light is as it ever was.
    """

    names: tuple[str, ...]
    walk: Walk
    mean: Array
    covariance: Array
    time: float | None

    def at(self, when: float) -> Ambient:
        """Return the ambient light at a time, until the next reading."""
        if self.time is None:
            return Ambient(self.names, self.mean, self.covariance)
        return Ambient(self.names, *self.walk.later(self.mean, self.covariance, when - self.time))


def in_order(data: Dataset) -> Dataset:
    """Return readings in the order of their times, where they have any."""
    if data.times is None or (data.times[1:] >= data.times[:-1]).all():  # as logs are: not copied
        return data
    return data.take(np.argsort(data.times, kind="stable"))


def latest(data: Dataset, most: int) -> Dataset:
    """Return the latest readings in their order, at most so many; evenly spread ones where they have no times."""
    if data.times is None:
        return data.take(spread(len(data), most))
    return data.take(np.argsort(data.times, kind="stable")[-most:])


def _sitting(data: Dataset, when: float) -> Dataset | None:
    """Return the readings before a time of the sitting that it belongs to; None where it begins one."""
    if data.times is None or not (data.times <= when).any():
        return None
    rows = in_order(data.take(data.times <= when))
    if rows.times is None or when - rows.times[-1] >= PAUSE:
        return None
    return rows.take(np.arange(len(rows)) >= np.flatnonzero(np.isinf(waits(rows)))[-1])


def waits(rows: Dataset) -> Array:
    """Return the seconds since the reading before, infinite where a sitting begins, shape (n_rows,)."""
    if rows.times is None:
        return np.full(len(rows), np.inf)
    seconds = np.diff(rows.times, prepend=-np.inf)
    return np.where(seconds >= PAUSE, np.inf, seconds)


def _first_guess(rows: Dataset) -> StateSpace:
    """Return a line by least squares on changes from reading to reading, which do not see much of the ambient light."""
    follows = np.isfinite(waits(rows))
    if follows.sum() < 2 * rows.inputs.shape[1]:
        follows = np.full(len(rows), False)
    never = rows.saturated.all(axis=0)  # unsaturated: the ceiling is the best guess then
    known = np.where(rows.saturated & ~never, np.nan, rows.outputs)
    slopes = np.array([_slopes(rows.inputs, column, follows) for column in known.T])
    response = Response(np.hstack([slopes, np.zeros((len(slopes), slopes.shape[1] * (FEATURES - 1)))]))
    rest = known - rows.inputs @ slopes.T
    return StateSpace(rows.output_names, response, *_first_spread(rows, rest, follows))


def _first_spread(rows: Dataset, rest: Array, follows: np.ndarray) -> tuple[Scatter, Walk]:
    """Return scatter and walk by what a line leaves: three parts of its jumps are scatter, one is the walk's steps."""
    floor = _least(rows)
    middle = np.array([_of_known(np.median, column) for column in rest.T])
    jumps = np.diff(rest, axis=0)[follows[1:]] if follows.any() else rest - middle
    size = np.array([_of_known(np.median, column) for column in np.abs(jumps).T]) ** 2 / 0.6745**2 / 2
    wide = np.array([_of_known(np.var, column) for column in rest.T])
    scatter = Scatter(0.3 * size + floor, np.full(rows.inputs.shape[1], 4e-6), 1e-7, read_together(rows.output_names))
    return scatter, Walk(middle, np.diag(wide + floor), np.diag(0.1 * size + floor) / _usual(rows))


def _of_known(figure: Callable[[Array], Any], column: Array) -> float:
    """Return a figure of what is not NaN, 0 where all is."""
    known = column[~np.isnan(column)]
    return float(figure(known)) if len(known) else 0.0


def _slopes(inputs: Array, column: Array, follows: np.ndarray) -> Array:
    """Return one output's slopes by least squares: of changes within sittings, or of readings where these are few."""
    there = ~np.isnan(column)
    pairs = follows[1:] & there[1:] & there[:-1]
    if pairs.sum() >= 2 * inputs.shape[1]:
        changes = np.diff(inputs, axis=0)[pairs], np.diff(column)[pairs]
        return np.asarray(np.linalg.lstsq(*changes, rcond=None)[0])
    x, y = (np.c_[np.ones(len(column)), inputs])[there], column[there]
    return np.asarray(np.linalg.lstsq(x, y, rcond=None)[0][1:])


def _usual(rows: Dataset) -> float:
    seconds = waits(rows)
    seconds = seconds[np.isfinite(seconds)]
    return max(float(np.median(seconds)), SHORTEST) if len(seconds) else SHORTEST


def _improved(found: StateSpace, rows: Dataset) -> StateSpace:
    """Return the three parts after one more round."""
    seen = found.observed(rows)
    smoothed, least = smooth(seen, follow(found.walk, seen)), _least(rows)
    walk = _improved_walk(found.walk, seen.waits, smoothed, least)
    mean, covariance, _ = smoothed
    response = _improved_response(found, rows.inputs, seen, mean, least)
    light = found.response.predict(rows.inputs) + _filled(seen, mean, seen.noise) - mean
    rest = np.where(rows.saturated, np.nan, light - response.predict(rows.inputs))
    left = rest[:, :, None] * rest[:, None, :] + covariance
    scatter = _improved_scatter(found.scatter, response.gains, rows.inputs, left, least)
    return StateSpace(found.names, response, scatter, walk)


def _filled(seen: Observed, ambient: Array, noise: Array) -> Array:
    """Return readings less the light's response, and what saturated cells are expected to have been.

    Of these their ceiling tells, the ambient light, and the cells that were read beside them.
    """
    values = seen.values.copy()
    for i in np.flatnonzero(np.isnan(values).any(axis=1)):
        values[i] = completed(ambient[i], noise[i], values[i], seen.bounds[i])[0]
    return values


def _improved_walk(walk: Walk, waits: Array, smoothed: tuple[Array, Array, Array], least: Array) -> Walk:
    """Return the walk whose steps are those of the smoothed one; few steps leave it diagonal and small."""
    (mean, covariance, cross), on = smoothed, np.flatnonzero(np.isfinite(waits))
    middle = mean.mean(axis=0)
    spread = (mean - middle).T @ (mean - middle) + covariance.sum(axis=0)
    start = (spread + OWN * np.diag(np.diag(spread))) / len(mean)
    if not len(on):
        return Walk(middle, start, walk.rate)
    steps = mean[on] - mean[on - 1]
    both = covariance[on] + covariance[on - 1] - cross[on] - cross[on].transpose(0, 2, 1)
    seconds = np.maximum(waits[on], SHORTEST)
    grown = (steps / seconds[:, None]).T @ steps + (both / seconds[:, None, None]).sum(axis=0)
    held = np.diag(np.diag(grown)) * (OWN * len(on)) + np.diag(least * FEW / np.median(seconds))
    return Walk(middle, start, (grown + held) / (len(on) + FEW))


def _least(rows: Dataset) -> Array:
    """Return the variance of each output below which nothing is taken for scatter."""
    size = np.maximum(np.ptp(rows.outputs, axis=0), 1e-3 * np.abs(rows.outputs).max(axis=0))  # some never vary
    return np.asarray((SMALLEST * np.maximum(size, LEAST)) ** 2)


def _improved_response(found: StateSpace, inputs: Array, seen: Observed, mean: Array, least: Array) -> Response:
    """Return the response that explains readings less their ambient light.

    Where each reading is a sitting of its own, its ambient light is as good as noise to the response, and taken for it:
    one round does then what would take many (Liu & Rubin, 1994).
    """
    noise = seen.noise
    if np.isinf(seen.waits).all():
        mean, noise = np.tile(found.walk.mean, (len(mean), 1)), noise + found.walk.covariance
    light = found.response.predict(inputs) + _filled(seen, mean, noise) - mean
    return _fitted(found.response.gains, inputs, light, noise, least)


def _fitted(gains: Array, inputs: Array, light: Array, noise: Array, least: Array) -> Response:
    """Return the response by generalised least squares, its steps and bends held near zero by a normal prior."""
    z, weight = features(inputs), np.linalg.inv(noise)
    shape = len(gains), z.shape[1]
    pairs = (z[:, :, None] * z[:, None, :]).reshape(len(z), -1)
    products = (weight.reshape(len(z), -1).T @ pairs).reshape(shape[0], shape[0], shape[1], shape[1])
    precision = products.transpose(0, 2, 1, 3).reshape(np.prod(shape), -1)
    told = np.einsum("rab,rb,rj->aj", weight, light, z, optimize=True).ravel()
    size = SHAPE * np.abs(gains) + np.sqrt(least)[:, None]
    anything = np.full_like(size, 1e-6) / size.max(axis=1, keepdims=True) ** 2
    prior = np.hstack([anything, *(size**-2.0,) * (FEATURES - 1)]).ravel()
    unit = 1 / np.sqrt(np.diag(precision) + prior)
    scaled = (precision + np.diag(prior)) * np.outer(unit, unit)
    return Response((unit * np.linalg.solve(scaled, unit * told)).reshape(shape))


def _improved_scatter(scatter: Scatter, gains: Array, inputs: Array, left: Array, least: Array) -> Scatter:
    """Return the scatter whose causes are as large as what is left tells: the expectation step of a factor model.

    Parameters
    ----------
    left : ndarray, shape (n_rows, n_outputs, n_outputs)
        Expected products of what is left of each reading, NaN where a cell is saturated: it tells little of the
        scatter, and slows the rounds down.
    least : ndarray, shape (n_outputs,)
        See :func:`_least`.
    """
    here = ~np.isnan(np.diagonal(left, axis1=1, axis2=2))
    causes, variances = scatter.causes(inputs, gains)
    sizes, own = _shares(np.where(here, scatter.floor, 1.0), causes * here[:, :, None], variances, np.nan_to_num(left))
    floor = (own * here).sum(axis=0) / np.maximum(here.sum(axis=0), 1)
    return replace(
        scatter,
        floor=np.maximum(np.where(here.any(axis=0), floor, scatter.floor), least),
        pulses=_by_input(sizes[:, :-1], variances[:, :-1] > 0, scatter.pulses),
        supply=float(np.maximum(sizes[:, -1].mean(), LEAST)),
    )


def _shares(floor: Array, causes: Array, variances: Array, left: Array) -> tuple[Array, Array]:
    """Return the expected squares of each row's causes and of each output's own scatter."""
    shared = causes * variances[:, None, :]
    total = floor[:, :, None] * np.eye(floor.shape[1]) + shared @ causes.transpose(0, 2, 1)
    gain: Array = np.asarray(np.linalg.solve(total, shared), np.float64).transpose(0, 2, 1)
    unsure: Array = variances[:, :, None] * np.eye(variances.shape[1]) - gain @ shared
    alone: Array = np.eye(floor.shape[1]) - causes @ gain
    sizes = _diagonals(gain, left) + np.diagonal(unsure, axis1=1, axis2=2)
    return sizes, _diagonals(alone, left) + _diagonals(causes, unsure)


def _diagonals(sides: Array, middle: Array) -> Array:
    """Return the diagonal of side · middle · sideᵀ for each row."""
    return np.asarray(((sides @ middle) * sides).sum(axis=2))


def _by_input(sizes: Array, pulsed: np.ndarray, before: Array) -> Array:
    """Return the mean size of each input's pulses over the rows and passes that have any."""
    n = len(before)
    total = (sizes * pulsed).sum(axis=0).reshape(-1, n).sum(axis=0)
    count = pulsed.sum(axis=0).reshape(-1, n).sum(axis=0)
    return np.where(count > 0, np.maximum(total / np.maximum(count, 1), LEAST), before)
