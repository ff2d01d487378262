"""One reading more: ``Model.update`` and the first question after it, beside a fit of all readings anew and the same.

Readings are one Gaussian, so that ``gmm`` is, too; a mixture of several is fitted further, which takes longer. The
readings added never make a tenth more: at such growth a model also looks again at how honest its intervals are.
"""

from typing import Any

import numpy as np
import pytest

from retrolux.models import registry
from retrolux.models.dataset import Dataset
from retrolux.models.gmm import GmmModel
from retrolux.models.model import Model
from tests.benchmarks.conftest import Record
from tests.benchmarks.readings import NAMES, asked_of, straight
from tests.benchmarks.timing import Times, seconds

pytestmark = [pytest.mark.usefixtures("as_served"), pytest.mark.filterwarnings("ignore"), pytest.mark.gate]
SIZES = 1_000, 10_000
REFITS = 2
UPDATES = 30
BESIDE = "a fit of all readings"


@pytest.mark.parametrize("method", ["linear", "pls", "gmm"])
def test_one_reading_more(method: str, benchmark: Any, record: Record) -> None:
    times = benchmark.pedantic(lambda: {n: _in_turn(method, n, record) for n in SIZES}, rounds=1)
    few, many = (float(np.median(times[n].ours)) for n in SIZES)
    what = f"{method}, one reading more to {SIZES[1]:,}, beside one to {SIZES[0]:,}"
    record(f"update-{method}-flat", what, ours=many, peer=few, beside=f"to {SIZES[0]:,}")


def _in_turn(method: str, n: int, record: Record) -> Times:
    data = straight(n + UPDATES + 100)
    unseen = data.take(np.arange(n + UPDATES, len(data)))
    target = asked_of(unseen)[0]
    model = _fitted(method, data.take(np.arange(n)))
    model.invert(target)
    if isinstance(model, GmmModel):
        assert not model._bends(NAMES)  # one component

    def learnt(i: int) -> None:
        model.update(data.take(np.array([n + i])))
        model.invert(target)

    ours = [seconds(lambda i=i: learnt(i)) for i in range(UPDATES)]
    every = data.take(np.arange(n + UPDATES))
    refitted: list[Model] = []

    def learnt_anew() -> None:
        refitted.append(_fitted(method, every))
        refitted[-1].invert(target)

    peer = [seconds(learnt_anew) for _ in range(REFITS)]
    off = _apart(model, refitted[-1], unseen)
    times = Times(ours, peer)
    what, remark = f"{method}, one reading more to {n:,} and a question", f"answers at most {off:.1g} apart"
    record(f"update-{method}-{n}", what, **times.medians, beside=BESIDE, remark=remark)
    return times


def _fitted(method: str, data: Dataset) -> Model:
    return registry.create(method, targets=NAMES).fit(data)


def _apart(one: Model, other: Model, unseen: Dataset) -> float:
    """Return the largest difference of inputs, which are parts of 1, over targets that neither has seen."""
    pair = [model.invert_many(NAMES, unseen.outputs).inputs for model in (one, other)]
    return float(np.abs(pair[0] - pair[1]).max())
