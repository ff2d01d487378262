"""Where to measure next: the reading after which the inverse is expected to err least.

Expected information about the inverse is the variance of its answers that a reading takes away, averaged over the
targets that may be asked (I- or V-optimality: Atkinson, Donev & Tobias, *Optimum Experimental Designs*, 2007). Half of
them are asked of the light alone, half under the ambient light as it is then. So readings near the ends are taken for
the slopes, in the middle for the bends, and dark ones for where pulses begin and for the ambient light, as often as it
drifts.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import stats
from scipy.stats import qmc

from retrolux.models.belief import Belief
from retrolux.models.dataset import Dataset
from retrolux.models.exposure import CEILING
from retrolux.models.model import Array
from retrolux.models.readings import usual_targets
from retrolux.models.response import FEATURES, features
from retrolux.models.state_space import StateSpace, waits

EDGE = 0.02  # a duty whose pulses, and whose gaps, every light makes whole
LEVELS = (0.0, EDGE, 0.25, 0.5, 0.75, 0.9, 1 - EDGE, 1.0)
MOST = 512  # settings of all combinations of levels that are compared; of more, so many by chance
BETWEEN = 128  # further settings, anywhere
GROWTH = 1.25  # by which readings grow in number before noise and gains are learnt again
LATEST = 60  # readings that these are learnt from
DOUBT = 0.003  # of the ceiling: how well a linear response is believed near it


@dataclass(frozen=True)
class Choice:
    """A setting to measure, and why.

    Attributes
    ----------
    inputs : tuple of float
        In [0, 1].
    learns : str
        What it tells most of, in words.
    before, after : float
        Expected root mean square error of the inverse's inputs now, and after this reading; NaN while too little is
        known to say.
    """

    inputs: tuple[float, ...]
    learns: str
    before: float
    after: float


class ActiveDesign:
    """Chooses settings one after the other; the same readings so far lead to the same choice.

    Parameters
    ----------
    input_names : sequence of str
    targets : sequence of str, optional
        Outputs of the targets that the inverse will be asked; by default those of the paper, or else those that are
        least often saturated.
    ceiling : float
        Of the outputs, counts at the reference exposure.
    seed : int
        Of the settings that are compared.
    """

    def __init__(
        self,
        input_names: Sequence[str],
        *,
        targets: Sequence[str] | None = None,
        ceiling: float = CEILING,
        seed: int = 0,
    ) -> None:
        self.input_names = tuple(input_names)
        self.targets = None if targets is None else tuple(targets)
        self.ceiling = ceiling
        self.candidates = candidates(len(self.input_names), seed)
        self._learnt: tuple[str, StateSpace] | None = None
        self._believed: tuple[Dataset, Belief] | None = None

    @property
    def opening(self) -> Array:
        """The settings to begin with, whatever the instrument: the middle, darkness, each input alone."""
        n = len(self.input_names)
        return np.vstack([np.full(n, 0.5), np.zeros(n), np.where(np.eye(n) > 0, 0.9, EDGE)])

    def choose(self, data: Dataset | None) -> Choice:
        """Return the setting to measure after these readings, which are in the order of their times.

        Parameters
        ----------
        data : Dataset, optional
            Without, or with very few, the opening goes on.

        Raises
        ------
        UnknownColumn
            When there is no such target.
        """
        n, opening = 0 if data is None else len(data), self.opening
        if data is None or n < len(opening):
            return Choice(tuple(opening[n].tolist()), "a first impression", np.nan, np.nan)
        chosen = data.select(self.targets or usual_targets(data))
        belief = self._belief(self._state(chosen), chosen)
        return _best(belief.later(_usual_wait(chosen)), self.candidates, self.input_names, self.ceiling)

    def _belief(self, state: StateSpace, data: Dataset) -> Belief:
        """Return the belief after these readings; where it is known after the first of them, from there on."""
        known = self._believed
        if known is not None and known[1].state is state and _goes_on(data, known[0]):
            belief = known[1].continued(data, len(known[0]))
        else:
            belief = Belief.after(state, data)
        self._believed = data, belief
        return belief

    def _state(self, data: Dataset) -> StateSpace:
        """Return gains and noise, learnt anew at fixed numbers of readings, so that the choice depends on these alone.

        It takes longer than all the rest, and changes little from one reading to the next.
        """
        last = len(self.opening)
        while (following := max(last + 1, int(last * GROWTH))) <= len(data):
            last = following
        first = data.take(np.arange(last))
        if self._learnt is None or self._learnt[0] != first.hash:
            self._learnt = first.hash, StateSpace.learn(first.take(np.arange(max(0, last - LATEST), last)))
        return self._learnt[1]


def _goes_on(data: Dataset, before: Dataset) -> bool:
    """Return whether readings begin with these."""
    return len(data) >= len(before) and data.take(np.arange(len(before))).hash == before.hash


def _usual_wait(data: Dataset) -> float:
    """Return the seconds until the next reading; infinite where readings have no times, or each is a sitting's own."""
    seconds = waits(data)
    seconds = seconds[np.isfinite(seconds)]
    return float(np.median(seconds)) if len(seconds) else np.inf


def candidates(n_inputs: int, seed: int) -> Array:
    """Return settings worth comparing, shape (n_rows, n_inputs): combinations of levels, and some anywhere."""
    rng = np.random.default_rng(seed)
    if len(LEVELS) ** n_inputs <= MOST:
        levels = np.array(list(itertools.product(LEVELS, repeat=n_inputs)))
    else:
        levels = rng.choice(LEVELS, (MOST, n_inputs))
    between = qmc.Sobol(n_inputs, rng=rng).random(BETWEEN)
    return np.vstack([levels, np.round(EDGE + (1 - 2 * EDGE) * between, 3)])


def expected_error(belief: Belief) -> float:
    """Return the root mean square error expected of the inverse's inputs."""
    return float(np.sqrt((_weights(belief) @ _variances(belief)).mean()))


def _weights(belief: Belief) -> Array:
    """Return the mean square error of each input that an output's variance makes, shape (n_inputs, n_outputs)."""
    return np.asarray(np.linalg.pinv(belief.state.response.gains) ** 2)


def _variances(belief: Belief) -> Array:
    asked = _asked(belief.state.response.gains.shape[1])
    return np.asarray(np.einsum("cij,ij->c", belief.covariance, asked))


@cache
def _asked(n_inputs: int) -> Array:
    """Return the mean outer product of what targets ask: features between the ends, half of them with ambient light."""
    points = EDGE + (1 - 2 * EDGE) * qmc.Sobol(n_inputs, rng=np.random.default_rng(0)).random(256)
    alone = np.hstack([features(points), np.zeros((len(points), 1))])
    there = np.hstack([features(points), np.ones((len(points), 1))])
    return np.asarray((alone.T @ alone + there.T @ there) / (2 * len(points)))


def _best(belief: Belief, settings: Array, names: Sequence[str], ceiling: float) -> Choice:
    lever, total = belief.told(settings)
    relief = np.einsum("cmi,ij,cmj->cm", lever, _asked(len(names)), lever, optimize=True) / total
    relief *= _readable(belief, settings, total, ceiling)
    weights = _weights(belief)
    i = int(np.argmax(weights.sum(axis=0) @ relief))
    of_output = weights * relief[:, i]
    after = np.sqrt(max(expected_error(belief) ** 2 - of_output.sum() / len(names), 0.0))
    k, c = np.unravel_index(np.argmax(of_output), of_output.shape)
    learns = _in_words(lever[c, i], int(k), names)
    return Choice(tuple(settings[i].tolist()), learns, expected_error(belief), float(after))


def _readable(belief: Belief, settings: Array, total: Array, ceiling: float) -> Array:
    """Return how likely each output is to stay below its ceiling, shape (n_outputs, n_rows)."""
    state = belief.state
    expected = (state.response.predict(settings) + state.walk.mean).T
    return np.asarray(stats.norm.cdf((ceiling - expected) / (np.sqrt(total) + DOUBT * ceiling)))


PARTS = ("slope of {}", "start of {}'s pulses", "step of {} at full duty", "bend of {}")
"""What the features of an input tell of, in their order."""


def _in_words(lever: Array, k: int, names: Sequence[str]) -> str:
    """Return what a reading tells most of, of what inverts input k: the coefficient whose variance it takes most of."""
    less = (lever**2 * np.diag(_asked(len(names))))[[*range(k, len(lever) - 1, len(names)), -1]]
    part = int(np.argmax(less))
    return PARTS[part].format(names[k]) if part < FEATURES else "ambient light"
