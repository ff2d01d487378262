"""Most memory of a process that fits the forest to 1,000 readings, with all packages and without the large ones."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.benchmarks.children import Child
from tests.benchmarks.conftest import Record
from tests.benchmarks.readings import NAMES, simulated

N = 1000
LARGE = ("ForestDiffusion", "xgboost", "lightgbm", "catboost", "pandas")
"""What the extra ``forest`` brings; hidden from the slim process as if it were not installed."""

LIBRARIES = "import numpy, scipy.optimize, sklearn\n"
FIT = """
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in sys.argv[2:]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hidden())
import numpy as np
from retrolux.models import registry
from retrolux.models.dataset import Dataset
from retrolux.models.errors import MissingLibrary
file = np.load(sys.argv[1])
names = tuple(file["names"].tolist())
data = Dataset(file["inputs"], file["outputs"], np.zeros(file["outputs"].shape, bool), ("R", "G", "B"), names)
try:
    registry.create("forest", targets=names).fit(data)
    told = True
except MissingLibrary:
    told = False
"""


@pytest.mark.parametrize("slim", [False, True], ids=["default", "slim"])
def test_a_fit_of_a_thousand(slim: bool, benchmark: Any, record: Record, child: Child, tmp_path: Path) -> None:
    data = simulated(N)
    table = tmp_path / "readings.npz"
    np.savez(table, inputs=data.inputs, outputs=data.outputs, names=np.array(NAMES))
    hidden = LARGE if slim else ()
    fitted, most = benchmark.pedantic(lambda: child.told(FIT, str(table), *hidden), rounds=1)
    _, bare = child.told(LIBRARIES)
    benchmark.extra_info["peak, MB"] = most
    words = "without the extra's packages" if slim else "all packages"
    known = {"ours": most} if fitted else {"ours": None, "remark": "there is no forest without them"}
    key, what = "forest-memory" + "-slim" * slim, f"forest, peak memory of a fit of {N} readings, {words}"
    record(key, what, "MB", **known, peer=bare, beside="NumPy, SciPy, scikit-learn imported")
