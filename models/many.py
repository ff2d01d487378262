"""Many targets answered in one call, by each method's own answer."""

from typing import TYPE_CHECKING

import numpy as np

from retrolux.models import answering, branches, verdict
from retrolux.models.later import Later
from retrolux.models.nearest import Rows
from retrolux.models.novelty import UNUSUAL
from retrolux.models.posterior import Array, Posterior
from retrolux.models.settling import Wish
from retrolux.models.solutions import Cells, Solutions

if TYPE_CHECKING:
    from retrolux.models.method import Method
    from retrolux.models.setting import Setting

Names = tuple[str, ...]


def answered(method: "Method", names: Names, rows: Array, posterior: Posterior, setting: "Setting | None") -> Solutions:
    """Return a method's own answers with all that is to be said of them in numbers; see :func:`answering.told`.

    Parameters
    ----------
    rows : ndarray, shape (n_targets, len(names))
        Targets, net of ambient light where the setting knows it.
    posterior : Posterior
        The method's own answers.
    """
    own = posterior.scaled(method._honesty(names))
    found = setting.widened(own, names) if setting else own
    columns, scale = method.data.columns(names), method.scale
    offset = setting.ambient.mean if setting else np.zeros(len(method.output_names))
    asked = rows + offset[columns]
    reach = method.judge.rows(method, names, asked, found.mean, setting)
    own_net = method.predict(found.mean)
    several, there = _several(method, names, rows, posterior, own_net), _nearer(method, names, rows, found.mean, reach)
    net = own_net if there is found.mean else method.predict(there)
    found = found.moved(there)
    novelty = method.judge.novelty(method, names, rows)
    inputs = scale.own(found.mean)
    return Solutions(
        model=method.method,
        names=names,
        input_names=method.input_names,
        output_names=method.output_names,
        targets=asked,
        inputs=inputs,
        std=found.std * scale.width,
        low=scale.own(found.low),
        high=scale.own(found.high),
        later90=Later(lambda: found.ellipsoids * scale.width * np.broadcast_to(scale.width, inputs.shape[1:])[:, None]),
        predicted=net + offset,
        feasible=reach.met,
        in_domain=~verdict.outside(inputs, method._span).any(axis=1) & (novelty >= UNUSUAL),
        score=np.sqrt(reach.squared),
        p=reach.p,
        novelty_p=novelty,
        several=several,
    )


def _nearer(method: "Method", names: Names, rows: Array, answers: Array, reach: Rows) -> Array:
    """Return the answers, themselves where all targets can be met, else others as :func:`answering.nearer` has them."""
    far = np.flatnonzero(~reach.met)
    if not len(far):
        return answers
    there = answers.copy()
    there[far] = answering.nearer(method, names, rows[far], answers[far], reach.x[far])
    return there


def _several(method: "Method", names: Names, rows: Array, posterior: Posterior, predicted: Array) -> Cells:
    """Return for which targets :func:`answering.answered` looks for several answers, by what its own would give."""
    widest = posterior.std.max(axis=1)
    wide = widest > branches.WIDE
    if wide.any() and answering.unexplained(Wish(method, names, rows[0])):
        wide[:] = False
    if not method._bends(names):
        return np.asarray(wide)
    missed = np.abs((predicted[:, method.data.columns(names)] - rows) / method.noise(names))
    return np.asarray(wide | ((widest > branches.NARROW) & (missed.max(axis=1) > branches.MISSED)))
