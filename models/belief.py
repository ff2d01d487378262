"""What readings so far tell of the response, as a covariance: it does not depend on what the next one will say."""

from dataclasses import dataclass, replace

import numpy as np

from retrolux.models.dataset import Dataset
from retrolux.models.kalman import SHORTEST
from retrolux.models.model import Array
from retrolux.models.response import FEATURES, features
from retrolux.models.state_space import SHAPE, StateSpace, waits

BARELY = 1e-4  # of an output's largest gain: what steps and bends may be of an input that hardly reaches it


@dataclass(frozen=True, eq=False)
class Belief:
    """How unsure the response of each output is, and the ambient light that is with it, each output by itself.

    The response is a line in its features and the ambient light a random walk, so that what a reading will tell is
    known before it is made (a Kalman filter's covariance: Anderson & Moore, *Optimal Filtering*, 1979).

    Attributes
    ----------
    state : StateSpace
        Gains, scatter and walk, as far as they are known.
    covariance : ndarray, shape (n_outputs, 4 n_inputs + 1, 4 n_inputs + 1)
        Of the response's coefficients, then of the ambient light as it is now.
    """

    state: StateSpace
    covariance: Array

    @classmethod
    def before(cls, state: StateSpace) -> "Belief":
        """Return the belief before any reading: a line of any slope, steps and bends of about a hundredth of it."""
        gains = np.abs(state.response.gains)
        most = gains.max(axis=1, keepdims=True)
        shape = SHAPE * gains + BARELY * most
        spread = np.hstack([np.broadcast_to(most, gains.shape), *(shape,) * (FEATURES - 1), most])
        return cls(state, np.array([np.diag(row**2) for row in spread]))

    @classmethod
    def after(cls, state: StateSpace, data: Dataset) -> "Belief":
        """Return the belief after these readings, in their order; a saturated output is taken to have told nothing."""
        return cls.before(state).continued(data, 0)

    def continued(self, data: Dataset, first: int) -> "Belief":
        """Return the belief after the readings from this one on, counted from 0; it is of those before."""
        belief, rows = self, data.select(self.state.names)
        for i, seconds in list(enumerate(waits(rows)))[first:]:
            later = belief if i == 0 else belief.later(float(seconds))
            belief = later.having_read(rows.inputs[i], ~rows.saturated[i])
        return belief

    def later(self, seconds: float) -> "Belief":
        """Return the belief some time later; in another sitting, after an infinite time, the ambient light is anew."""
        covariance = self.covariance.copy()
        if np.isinf(seconds):
            covariance[:, -1, :] = covariance[:, :, -1] = 0
            covariance[:, -1, -1] = np.diag(self.state.walk.covariance)
        else:
            covariance[:, -1, -1] += np.diag(self.state.walk.rate) * max(seconds, SHORTEST)
        return replace(self, covariance=covariance)

    def having_read(self, inputs: Array, seen: np.ndarray) -> "Belief":
        """Return the belief after one more reading.

        Parameters
        ----------
        inputs : ndarray, shape (n_inputs,)
        seen : ndarray of bool, shape (n_outputs,)
            Outputs that are not saturated.
        """
        told, total = self.told(inputs[None])
        lever = told[:, 0]
        weight = np.where(seen, 1 / total[:, 0], 0.0)
        return replace(self, covariance=self.covariance - weight[:, None, None] * lever[:, :, None] * lever[:, None, :])

    def told(self, inputs: Array) -> tuple[Array, Array]:
        """Return what readings of these inputs would tell.

        Parameters
        ----------
        inputs : ndarray, shape (n_rows, n_inputs)

        Returns
        -------
        lever : ndarray, shape (n_outputs, n_rows, 4 n_inputs + 1)
            Covariance of the reading with what is believed.
        total : ndarray, shape (n_outputs, n_rows)
            Variance of the reading.
        """
        seen = np.hstack([features(inputs), np.ones((len(inputs), 1))])
        lever = np.asarray(seen @ self.covariance)
        noise = self.state.scatter.covariance(inputs, self.state.response.gains)
        own = np.diagonal(noise, axis1=1, axis2=2).T
        return lever, np.asarray((lever * seen).sum(axis=2) + own)
