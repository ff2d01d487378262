"""What a method says of a target besides its answer: can it be met, and is it like the readings?"""

from typing import TYPE_CHECKING

import numpy as np

from retrolux.models import forward, nearest, readings
from retrolux.models.ambient import Ambient
from retrolux.models.attainable import Attainable
from retrolux.models.conflicts import explained
from retrolux.models.forward import Forward
from retrolux.models.novelty import Novelty
from retrolux.models.posterior import Array
from retrolux.models.setting import Setting
from retrolux.models.state_space import StateSpace

if TYPE_CHECKING:
    from retrolux.models.method import Method

Names = tuple[str, ...]
_CLOSE = 0.25  # squared distance at the answer from which a nearer one is searched for
_FEW = 20  # settings that say nothing of what lies between them
_WORSE = 3.0  # times the method's own scatter: a light and ambient light that leave so much are no description


class Judge:
    """Judges the targets of a method, and keeps what it learnt of its readings for the next."""

    def __init__(self) -> None:
        self._novelties: dict[Names, Novelty] = {}
        self._known: dict[Names, Forward] = {}
        self._own: dict[Names, Forward] = {}
        self._trusted: dict[bool, bool] = {}

    def novelty(self, method: "Method", names: Names, values: Array) -> Array:
        """Return the p-values with which targets are like the readings; net of ambient light where the method is.

        Parameters
        ----------
        values : ndarray, shape (…, n_outputs)
        """
        if names not in self._novelties:
            rows = _settings(method, names)
            self._novelties[names] = Novelty.learn(rows, method._likelihood(names, rows))
        return self._novelties[names].p(method._comparable(names, values))

    def attainable(self, method: "Method", names: Names, asked: Array, x: Array, setting: Setting | None) -> Attainable:
        """Return whether a target in total counts can be met, and what comes nearest.

        Parameters
        ----------
        x : ndarray, shape (n_inputs,)
            The method's answer: where it meets the target, nothing is searched for.
        setting : Setting, optional
            What is known of the ambient light.
        """
        way = self._forward(method, names, setting)
        found = _found(way, asked[None], x[None]).first()
        return explained(way, asked, found, method.input_names, method.scale)

    def rows(self, method: "Method", names: Names, asked: Array, x: Array, setting: Setting | None) -> nearest.Rows:
        """Return whether targets can be met, and how near one comes to them; see :meth:`attainable`.

        Parameters
        ----------
        asked, x : ndarray, shapes (n_targets, n_outputs) and (n_targets, n_inputs)
        """
        return _found(self._forward(method, names, setting), asked, x)

    def _forward(self, method: "Method", names: Names, setting: Setting | None) -> Forward:
        """Return the way through the light and ambient light that are known, or else the method's own."""
        described = method._described(setting)
        if described is None or not self._trusts(method, *described, net=setting is not None):
            return self._in(self._by_prediction(method, names), names, setting)
        state, ambient = described
        if names not in self._known:
            seen = np.where(method.data.saturated, 0.0, method.data.outputs)[:, method.data.columns(names)]
            limits = forward.limits(seen, counts=method.scale.counts)
            self._known[names] = forward.known(state.of(names), method.data.inputs, limits)
        return self._known[names].under(ambient.of(names), lone=setting is not None)

    def _by_prediction(self, method: "Method", names: Names) -> Forward:
        if names not in self._own:
            inputs, outputs = _complete(method, names)
            limits = forward.limits(outputs, counts=method.scale.counts)
            outlook = method._outlook(names)
            self._own[names] = forward.own(names, outlook, inputs, outputs, limits, steps=method.scale.counts)
        return self._own[names]

    @staticmethod
    def _in(way: Forward, names: Names, setting: Setting | None) -> Forward:
        return way if setting is None else way.under(setting.ambient.of(names), lone=True)

    def _trusts(self, method: "Method", state: StateSpace, ambient: Ambient, *, net: bool) -> bool:
        """Return whether response and scatter describe the readings about as well as the method itself does."""
        if net not in self._trusted:
            names = tuple(name for name in method.output_names if name in state.names)
            part, there = state.of(names), ambient.of(names)
            half = np.full((1, len(method.input_names)), 0.5)
            total = part.scatter.covariance(half, part.response.gains)[0] + (0.0 if net else there.covariance)
            left = np.diag(method._residual_covariance(method.data.columns(names)))
            self._trusted[net] = bool(np.median(np.diag(total) / np.maximum(left, 1e-300)) < _WORSE**2)
        return self._trusted[net]


def _found(way: Forward, asked: Array, x: Array) -> nearest.Rows:
    """Return what comes nearest to targets, begun at a method's answers."""
    found = nearest.rows_at(way, asked, x.copy())
    missed = np.flatnonzero(~found.met)
    # the distance left at the nearest is what has a law
    far = np.flatnonzero(found.met & ((asked.shape[1] > x.shape[1]) | (found.squared > _CLOSE)))
    for rows, search in ((far, nearest.rows_descended), (missed, nearest.rows_nearest)):
        if len(rows):
            found.put(rows, search(way, asked[rows], found.take(rows)))
    return found


def _settings(method: "Method", names: Names) -> Array:
    """Return a reading of each setting, shape (n_rows, n_outputs); all of them where there are few settings.

    Repeats would make all but themselves look lonely.
    """
    inputs, outputs = _complete(method, names)
    first = np.unique(inputs, axis=0, return_index=True)[1]
    return outputs if len(first) < _FEW else outputs[np.sort(first)]


def _complete(method: "Method", names: Names) -> list[Array]:
    rows = readings.complete(method.data, method.input_names + names, 1)
    return np.hsplit(rows, [len(method.input_names)])
