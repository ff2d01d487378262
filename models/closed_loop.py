"""Correct an inverse by what its answers were measured to give.

Near one setting, whatever a model gets wrong (the ambient light of the moment, a slope that is a little off, an LED's
own heat) is an offset of each channel that hardly changes from shot to shot. Its estimate is a Kalman update by the
difference of measured and predicted counts, with the reading's noise: a shot moves it as far as a reading can be
trusted, and no farther. Nothing here knows of an instrument.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from retrolux.models.ambient import Ambient
from retrolux.models.kalman import update
from retrolux.models.model import Array, Model
from retrolux.models.solution import Solution

MISFIT = 0.001
"""Relative standard deviation of what a response gets wrong at one setting however many readings it was learnt from."""
SETTLED = 0.5
"""Standard deviations of one reading: what may be unknown of the outputs when the loop ends before its last shot."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One measured try.

    Attributes
    ----------
    inputs : mapping of str to float
        What was asked of the light.
    expected, measured : mapping of str to float
        Counts of each channel at the reference exposure; a saturated one is not among the measured.
    error : mapping of str to float
        Measured less wanted, of the target's channels, in standard deviations of one reading.
    """

    inputs: Mapping[str, float]
    expected: Mapping[str, float]
    measured: Mapping[str, float]
    error: Mapping[str, float]

    @property
    def rms(self) -> float:
        """Root mean square of the error, in standard deviations of one reading; infinite where nothing was seen."""
        return float(np.sqrt(np.mean(np.square(list(self.error.values()))))) if self.error else float("inf")


class ClosedLoop:
    """Inputs for a target, better with each shot.

    Parameters
    ----------
    model : Model
        Which knows the light alone.
    target : mapping of str to float
        Counts at the reference exposure.
    ambient : Ambient
        As it is known before the first shot.
    seed : int
        Of the draws that some methods need.

    Raises
    ------
    NotFitted
        When the model's readings did not tell the light from the ambient light.
    """

    def __init__(self, model: Model, target: Mapping[str, float], ambient: Ambient, *, seed: int = 0) -> None:
        self._model, self._target, self._seed = model, dict(target), seed
        self._world = model.world
        self._offset = ambient.of(self._world.names)
        self.shots: list[Shot] = []
        self.solution = self._asked()

    def _asked(self) -> Solution:
        return self._model.invert(self._target, seed=self._seed, ambient=self._offset)

    @property
    def inputs(self) -> Array:
        """The inputs to try next, or to settle on, shape (n_inputs,)."""
        return np.array([self.solution.inputs[name] for name in self._model.input_names])

    @property
    def noise(self) -> Array:
        """Standard deviation of a reading in the target's channels, shape (n_targets,)."""
        return np.asarray(np.sqrt(np.diag(self._noise(self.inputs))[self._columns]))

    @property
    def unsure(self) -> float:
        """Root mean square of what is not known of the outputs, in standard deviations of one reading."""
        left = np.diag(self._offset.covariance)[self._columns]
        return float(np.sqrt(np.mean(left / self.noise**2)))

    @property
    def settled(self) -> bool:
        """Whether the latest shot met the target within the noise of a reading, and the offset is known better."""
        return bool(self.shots) and self.shots[-1].rms <= 1 and self.unsure <= SETTLED

    def see(self, measured: Mapping[str, float], made: Sequence[float] | None = None, seconds: float = 0.0) -> Shot:
        """Learn from what the inputs were measured to give, and correct them.

        Parameters
        ----------
        measured : mapping of str to float
            Counts at the reference exposure, without saturated channels.
        made : sequence of float, optional
            The duties that the light really made of the inputs.
        seconds : float
            Since the reading before: the ambient light may wander in that time.
        """
        asked = self.inputs
        inputs = asked if made is None else np.asarray(made, dtype=np.float64)
        light = self._light(asked, inputs)
        seen = np.array([measured.get(name, np.nan) for name in self._world.names])
        shot = self._shot(asked, light + self._offset.mean, seen)
        self._learn(seen - light, light, inputs, seconds)
        self.shots.append(shot)
        self.solution = self._asked()
        return shot

    def _light(self, asked: Array, made: Array) -> Array:
        """Return what the model expects of the light alone, moved to the duties that were really made."""
        rounding = np.diff(self._world.response.predict(np.array([asked, made])), axis=0)[0]
        known = self.solution.ambient or {}
        return np.asarray([self.solution.predicted[n] - known[n] for n in self._world.names] + rounding)

    def _shot(self, asked: Array, expected: Array, seen: Array) -> Shot:
        names, there = self._world.names, ~np.isnan(seen)
        missed = [(n, self._measured_of(seen, n) - t) for n, t in self._target.items()]
        error = {n: float(e / s) for (n, e), s in zip(missed, self.noise, strict=True) if not np.isnan(e)}
        return Shot(
            dict(zip(self._model.input_names, asked.tolist(), strict=True)),
            dict(zip(names, expected.tolist(), strict=True)),
            {n: float(v) for n, v, t in zip(names, seen, there, strict=True) if t},
            error,
        )

    def _measured_of(self, seen: Array, name: str) -> float:
        return float(seen[self._world.names.index(name)])

    def _learn(self, offset: Array, light: Array, inputs: Array, seconds: float) -> None:
        mean, covariance = self._offset.mean, self._offset.covariance
        if self.shots:
            mean, covariance = self._world.walk.later(mean, covariance, seconds)
        else:
            covariance = covariance + self._misfit(light, inputs)
        after = update(mean, covariance, offset, self._noise(inputs), np.full(len(offset), np.nan))
        self._offset = Ambient(self._world.names, *after)

    def _misfit(self, light: Array, inputs: Array) -> Array:
        """Return the covariance of what the response gets wrong here; the part of its readings' noise is p / n."""
        learnt = self._world.response.coefficients.shape[1] / self._model.n_rows
        return np.asarray(learnt * self._noise(inputs) + np.diag((MISFIT * light) ** 2))

    def _noise(self, inputs: Array) -> Array:
        world = self._world
        return np.asarray(world.scatter.covariance(inputs[None], world.response.gains)[0])

    @property
    def _columns(self) -> list[int]:
        return [self._world.names.index(name) for name in self._target]
