"""Readings as the light's response, plus ambient light that wanders, plus noise; and how the three are learnt.

``y(t) = response(x) + a(t) + e``: the ambient light ``a`` is a random walk in all outputs at once that begins anew with
each sitting, ``e`` scatters as :class:`~retrolux.models.scatter.Scatter` says. What is unknown of them is found by
expectation conditional maximisation (Meng & Rubin, 1993), with weak priors that keep little data solvable.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from retrolux.models import storage
from retrolux.models.ambient import Ambient
from retrolux.models.conditional import Fit
from retrolux.models.dataset import Dataset
from retrolux.models.kalman import SHORTEST, Observed, Track, Walk, excess, follow, smooth
from retrolux.models.model import Array, Progress
from retrolux.models.response import FEATURES, Response, features
from retrolux.models.scatter import Scatter, read_together
from retrolux.models.sittings import PAUSE

ROUNDS = 24
SHAPE = 0.01  # of a slope: standard deviation that steps and bends are thought to have
SMALLEST = 2e-4  # of an output's own variation: what is no scatter any more
FEW = 10  # steps that the prior of the walk's rate counts for
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

        Saturated outputs count for what they are: at least their ceiling.
        """
        rows = in_order(data.take(np.arange(len(data))[-MOST:]))
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
        rows = in_order(data.select(self.names))
        if rows.times is None or not len(rows) or when - rows.times[-1] >= PAUSE:
            return self.ever()
        track = self.follow(rows)
        mean, covariance = self.walk.later(track.mean[-1], track.covariance[-1], when - float(rows.times[-1]))
        return Ambient(self.names, mean, covariance)

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


def in_order(data: Dataset) -> Dataset:
    """Return readings in the order of their times, where they have any."""
    return data if data.times is None else data.take(np.argsort(data.times, kind="stable"))


def waits(rows: Dataset) -> Array:
    """Return the seconds since the reading before, infinite where a sitting begins, shape (n_rows,)."""
    if rows.times is None:
        return np.full(len(rows), np.inf)
    seconds = np.diff(rows.times, prepend=-np.inf)
    return np.where(seconds >= PAUSE, np.inf, seconds)


def _first_guess(rows: Dataset) -> StateSpace:
    """Return a line by least squares on changes from reading to reading, which do not see much of the ambient light."""
    together = np.isfinite(waits(rows))
    if together.sum() < 2 * rows.inputs.shape[1]:
        together = np.full(len(rows), False)
    floor = (SMALLEST * np.maximum(rows.outputs.std(axis=0), 1e-12)) ** 2
    columns = [_slopes(rows, i, together) for i in range(len(rows.output_names))]
    shapes = np.zeros((len(columns), (FEATURES - 1) * rows.inputs.shape[1]))
    response = Response(np.hstack([np.array(columns), shapes]))
    rest = np.where(rows.saturated, np.nan, rows.outputs - response.predict(rows.inputs))
    jumps = np.diff(rest, axis=0)[together[1:]] if together.any() else rest - np.nanmedian(rest, axis=0)
    size = (np.nanmedian(np.abs(jumps), axis=0) / 0.6745) ** 2 / 2
    scatter = Scatter(0.3 * size + floor, np.full(rows.inputs.shape[1], 4e-6), 1e-7, read_together(rows.output_names))
    walk = Walk(
        np.nanmean(rest, axis=0), np.diag(np.nanvar(rest, axis=0) + floor), np.diag(0.1 * size + floor) / _usual(rows)
    )
    return StateSpace(rows.output_names, response, scatter, walk)


def _slopes(rows: Dataset, i: int, together: np.ndarray) -> Array:
    """Return one output's slopes by least squares: of changes within sittings, or of readings where these are few."""
    good = ~rows.saturated[:, i]
    if together.any():
        pairs = together[1:] & good[1:] & good[:-1]
        changes = np.diff(rows.inputs, axis=0)[pairs], np.diff(rows.outputs[:, i])[pairs]
        return np.asarray(np.linalg.lstsq(*changes, rcond=None)[0])
    x, y = rows.inputs[good], rows.outputs[good, i]
    return np.asarray(np.linalg.lstsq(x - x.mean(axis=0), y - y.mean(), rcond=None)[0])


def _usual(rows: Dataset) -> float:
    seconds = waits(rows)
    seconds = seconds[np.isfinite(seconds)]
    return max(float(np.median(seconds)), SHORTEST) if len(seconds) else SHORTEST


def _improved(found: StateSpace, rows: Dataset) -> StateSpace:
    """Return the three parts after one more round."""
    seen = found.observed(rows)
    mean, covariance, cross = smooth(seen, follow(found.walk, seen))
    walk = _improved_walk(found, seen, mean, covariance, cross)
    filled = np.where(rows.saturated, _expected(found, rows, mean, seen), rows.outputs)
    response = _improved_response(found, rows, filled - mean, seen.noise)
    rest = np.where(rows.saturated, np.nan, rows.outputs - mean - response.predict(rows.inputs))
    scatter = _improved_scatter(found.scatter, response.gains, rows, rest, covariance)
    return StateSpace(found.names, response, scatter, walk)


def _improved_walk(found: StateSpace, seen: Observed, mean: Array, covariance: Array, cross: Array) -> Walk:
    """Return the walk whose steps are those of the smoothed one; few steps leave it diagonal and small."""
    on = np.flatnonzero(np.isfinite(seen.waits))
    middle = mean.mean(axis=0)
    spread = (mean - middle).T @ (mean - middle) + covariance.sum(axis=0)
    start = (spread + OWN * np.diag(np.diag(spread))) / len(mean)
    if not len(on):
        return Walk(middle, start, found.walk.rate)
    steps = mean[on] - mean[on - 1]
    both = covariance[on] + covariance[on - 1] - cross[on] - cross[on].transpose(0, 2, 1)
    seconds = np.maximum(seen.waits[on], SHORTEST)
    grown = (steps / seconds[:, None]).T @ steps + (both / seconds[:, None, None]).sum(axis=0)
    held = np.diag(np.diag(grown)) * (OWN * len(on)) + np.diag(_floor(found) * FEW / np.median(seconds))
    return Walk(middle, start, (grown + held) / (len(on) + FEW))


def _floor(found: StateSpace) -> Array:
    return np.asarray((SMALLEST * np.maximum(np.abs(found.response.gains).max(axis=1), 1e-12)) ** 2)


def _expected(found: StateSpace, rows: Dataset, mean: Array, seen: Observed) -> Array:
    """Return what saturated outputs are expected to have been, above their ceilings."""
    light = found.response.predict(rows.inputs) + mean
    spread = np.sqrt(np.diagonal(seen.noise, axis1=1, axis2=2))
    out = light.copy()
    for i, j in np.argwhere(rows.saturated):
        out[i, j] += spread[i, j] * excess((rows.outputs[i, j] - light[i, j]) / spread[i, j])[0]
    return out


def _improved_response(found: StateSpace, rows: Dataset, light: Array, noise: Array) -> Response:
    """Return the response by generalised least squares, its steps and bends held near zero by a normal prior."""
    z, weight = features(rows.inputs), np.linalg.inv(noise)
    shape = found.response.coefficients.shape
    precision = np.einsum("rab,rj,rk->ajbk", weight, z, z, optimize=True).reshape(np.prod(shape), -1)
    told = np.einsum("rab,rb,rj->aj", weight, light, z, optimize=True).ravel()
    size = SHAPE * np.abs(found.response.gains) + np.sqrt(_floor(found))[:, None]
    prior = np.hstack([np.full_like(size, 1e-6) / size.max() ** 2, *(size**-2.0,) * (FEATURES - 1)]).ravel()
    unit = 1 / np.sqrt(np.diag(precision) + prior)
    scaled = (precision + np.diag(prior)) * np.outer(unit, unit)
    return Response((unit * np.linalg.solve(scaled, unit * told)).reshape(shape))


def _improved_scatter(scatter: Scatter, gains: Array, rows: Dataset, rest: Array, covariance: Array) -> Scatter:
    """Return the scatter whose causes are as large as the rest tells (expectation of a factor model)."""
    causes, variances = scatter.causes(rows.inputs, gains)
    here = ~np.isnan(rest)
    causes = causes * here[:, :, None]
    total = np.where(here, scatter.floor, 1.0)[:, :, None] * np.eye(rest.shape[1]) + (
        causes * variances[:, None, :]
    ) @ causes.transpose(0, 2, 1)
    gain = np.linalg.solve(total, causes * variances[:, None, :]).transpose(0, 2, 1)
    both = here[:, :, None] & here[:, None, :]
    squares = np.where(both, np.nan_to_num(rest)[:, :, None] * np.nan_to_num(rest)[:, None, :] + covariance, 0.0)
    left = variances[:, :, None] * np.eye(variances.shape[1]) - gain @ causes * variances[:, None, :]
    sizes = np.diagonal(gain @ squares @ gain.transpose(0, 2, 1) + left, axis1=1, axis2=2)
    alone = np.eye(rest.shape[1]) - causes @ gain
    own = np.diagonal(
        alone @ squares @ alone.transpose(0, 2, 1) + causes @ left @ causes.transpose(0, 2, 1), axis1=1, axis2=2
    )
    floor = (own * here).sum(axis=0) / np.maximum(here.sum(axis=0), 1)
    least = (SMALLEST * np.maximum(np.abs(gains).max(axis=1), 1e-12)) ** 2
    return replace(
        scatter,
        floor=np.maximum(floor, least),
        pulses=_by_input(sizes[:, :-1], variances[:, :-1] > 0, scatter.pulses),
        supply=float(np.maximum(sizes[:, -1].mean(), 1e-12)),
    )


def _by_input(sizes: Array, pulsed: np.ndarray, before: Array) -> Array:
    """Return the mean size of each input's pulses over the rows and passes that have any."""
    n = len(before)
    total = (sizes * pulsed).sum(axis=0).reshape(-1, n).sum(axis=0)
    count = pulsed.sum(axis=0).reshape(-1, n).sum(axis=0)
    return np.where(count > 0, np.maximum(total / np.maximum(count, 1), 1e-12), before)
