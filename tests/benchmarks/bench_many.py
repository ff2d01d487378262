"""Ten thousand targets by one call of ``invert_many``, beside ``invert`` one by one, and the peer's own for many.

Of a mixture of several components an answer's ellipsoid is found when it is asked for, which neither the command line
nor HTTP does of many: it is not in the first figure, and is in one of its own. One by one, all have it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from retrolux.models import registry
from retrolux.models.dataset import Dataset
from retrolux.models.model import Array
from tests.benchmarks.conftest import Record
from tests.benchmarks.peers.lines import Backward, Programme
from tests.benchmarks.peers.mixture import Mixture
from tests.benchmarks.readings import NAMES, parted
from tests.benchmarks.timing import seconds, side_by_side

pytestmark = [pytest.mark.usefixtures("as_served"), pytest.mark.filterwarnings("ignore")]
N = 10_000
ONE_BY_ONE = 100
"""As many are asked one after the other, and their time taken a hundred times; so are as many of a peer's loop."""


def targets_of(data: Dataset) -> Array:
    """Counts of random inputs of the light, by a line through its readings."""
    line = np.linalg.lstsq(np.column_stack([np.ones(len(data)), data.inputs]), data.outputs, rcond=None)[0]
    return np.asarray(np.column_stack([np.ones(N), np.random.default_rng(2).random((N, 3))]) @ line)


def loop(method: str, data: Dataset, rows: Array) -> tuple[str, Callable[[], object], float]:
    """The peer's way, and what part of the targets it is given."""
    few = rows[:ONE_BY_ONE]
    if method == "linear":
        programme = Programme(data)
        return "SciPy's SLSQP in a loop", lambda: [programme.answer(row) for row in few], ONE_BY_ONE / N
    if method == "pls":
        backward = Backward(data)
        return "PLSRegression.predict", lambda: backward.predicted(rows), 1.0
    mixture = Mixture(data)
    return "gmr, condition and sample in a loop", lambda: [mixture.answer(row) for row in few], ONE_BY_ONE / N


@pytest.mark.gate
@pytest.mark.parametrize("method", ["linear", "pls", "gmm"])
def test_many(method: str, benchmark: Any, record: Record) -> None:
    data, _ = parted(180, 100)
    model, rows = registry.create(method, targets=NAMES).fit(data), targets_of(data)
    few = [dict(zip(NAMES, row, strict=True)) for row in rows[:ONE_BY_ONE].tolist()]

    def one_by_one() -> None:
        for target in few:
            model.invert(target)

    model.invert(few[0])
    times = side_by_side(benchmark, lambda: model.invert_many(NAMES, rows), one_by_one, rounds=3, warm=0)
    values = {"ours": times.medians["ours"], "peer": times.medians["peer"] * N / ONE_BY_ONE}
    record(f"many-{method}", f"{method}, {N:,} targets in one call", **values, beside="one by one")
    if method == "gmm":
        values["ours"] = float(
            np.median([seconds(lambda: model.invert_many(NAMES, rows).ellipsoid90) for _ in range(3)])
        )
        record("many-gmm-ellipsoids", f"gmm, {N:,} targets in one call, with ellipsoids", **values, beside="one by one")
        values["ours"] = times.medians["ours"]
    beside, act, part = loop(method, data, rows)
    values["peer"] = seconds(act) / part
    record(f"many-{method}-peer", f"{method}, {N:,} targets in one call", **values, beside=beside)
