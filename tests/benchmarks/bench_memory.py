"""Most memory of a process that fits the forest to 1,000 readings: with the whole extra, and with less of it.

The less is ``xgboost-cpu`` and ForestDiffusion without its dependencies, in a virtual environment whose interpreter
``RETROLUX_SLIM_PYTHON`` names; nothing else is measured under that name.
"""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.benchmarks.children import Child
from tests.benchmarks.conftest import Record
from tests.benchmarks.readings import NAMES, simulated

N = 1000
SLIM = "RETROLUX_SLIM_PYTHON"
LARGE = ("catboost", "lightgbm", "pandas")
LIBRARIES = "import numpy, scipy.optimize, sklearn\n"
FIT = """
import numpy as np
from importlib.util import find_spec
from retrolux.models import forest_library, registry
from retrolux.models.dataset import Dataset
file = np.load(sys.argv[1])
names = tuple(file["names"].tolist())
data = Dataset(file["inputs"], file["outputs"], np.zeros(file["outputs"].shape, bool), ("R", "G", "B"), names)
registry.create("forest", targets=names).fit(data)
told = [forest_library.distribution(), *(name for name in sys.argv[2:] if find_spec(name))]
"""


@pytest.mark.parametrize("slim", [False, True], ids=["default", "slim"])
def test_a_fit_of_a_thousand(slim: bool, benchmark: Any, record: Record, child: Child, tmp_path: Path) -> None:
    pytest.importorskip("ForestDiffusion", reason="the extra `forest` is not installed")
    python = os.environ.get(SLIM) if slim else sys.executable
    words = "xgboost-cpu, ForestDiffusion alone" if slim else "the whole extra"
    key, what = "forest-memory" + "-slim" * slim, f"forest, peak memory of a fit of {N:,} readings, {words}"
    if not python:
        record(key, what, "MB", ours=None, remark=f"not measured: {SLIM} is not set")
        pytest.skip(f"{SLIM} is not set")
    data = simulated(N)
    table = tmp_path / "readings.npz"
    np.savez(table, inputs=data.inputs, outputs=data.outputs, names=np.array(NAMES))
    found, most = benchmark.pedantic(lambda: child.told(FIT, str(table), *LARGE, python=python), rounds=1)
    if slim:
        assert found == ["xgboost-cpu"], f"{python} has {', '.join(found)}"
    _, bare = child.told(LIBRARIES, python=python)
    benchmark.extra_info["peak, MB"] = most
    record(key, what, "MB", ours=most, peer=bare, beside="NumPy, SciPy, scikit-learn imported")
