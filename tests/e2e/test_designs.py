"""How many readings an active design needs, on other units of the same design with PWM noise.

The whole, a quarter of an hour: ``pytest -m study tests/e2e/test_designs.py -s``.
"""

from collections.abc import Sequence

import numpy as np
import pytest

from retrolux.device.settings import InstrumentSettings
from retrolux.models.readings import PAPER
from retrolux.server.learning import Study
from retrolux.server.learning_sources import Simulated

SIZES = (5, 8, 12, 16, 20, 25, 30, 35, 40, 60)
LATER = (12, 20, 30, 40, 60, 100)  # where known ambient light leaves less to learn, and it takes longer


def readings_needed(
    unit: int, method: str, sizes: Sequence[int] = SIZES, *, seeds: int = 3, net: bool = True
) -> tuple[float, dict[str, float]]:
    """Return the error that 100 Latin-hypercube readings leave, and how many of other designs leave no more."""
    source = Simulated(f"sim:{unit}", InstrumentSettings(), PAPER)
    goal = Study(source, (method,), ("lhs",), (100,), seeds, net).curves().goals[method]
    curves = Study(source, (method,), ("active", "d-optimal"), sizes, seeds, net).curves(goal)
    return goal, {design: float(np.median(every)) for _, design, every in curves.needed()}


def test_forty_active_readings_are_worth_a_hundred_of_a_latin_hypercube() -> None:
    needed = [readings_needed(unit, "bayes", (8, 16, 40), seeds=1)[1]["active"] for unit in (1, 2, 3)]
    assert np.median(needed) <= 40, needed


@pytest.mark.study
@pytest.mark.parametrize("net", [True, False], ids=["of the light alone", "in known ambient light"])
@pytest.mark.parametrize("method", ["bayes", "linear"])
def test_twenty_units(method: str, net: bool, capsys: pytest.CaptureFixture[str]) -> None:
    found = [readings_needed(unit, method, SIZES if net else LATER, net=net) for unit in range(1, 21)]
    middle = {
        design: np.quantile([n[design] for _, n in found], (0.1, 0.5, 0.9), method="higher") for design in found[0][1]
    }
    with capsys.disabled():
        left = np.median([goal for goal, _ in found])
        print(
            f"\n{method}, net {net}: 100 of lhs leave {left:.5f}",
            {d: np.round(q, 1).tolist() for d, q in middle.items()},
        )
    if net or method == "bayes":  # a line has no bend: where that is all that counts, even readings serve it best
        assert middle["active"][1] <= 40
