"""ForestDiffusion is imported without what is not used of it, and nothing false is left behind."""

import builtins
import subprocess
import sys
from fractions import Fraction
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import pytest

from retrolux.models import forest_library, registry
from retrolux.models.errors import MissingLibrary
from retrolux.models.forest import ForestModel
from tests.models.conftest import SMALL, light

INSIDE = {"__name__": "ForestDiffusion.diffusion_with_trees_class"}
OUTSIDE = {"__name__": "somebody.else"}


def test_an_import_leaves_nothing_false_behind_and_nobody_without_the_real_ones():
    code = (
        "import builtins, sys; way = builtins.__import__; import retrolux.models.forest;"
        "assert builtins.__import__ is way;"
        "assert 'ForestDiffusion' in sys.modules;"
        "assert not {'catboost', 'lightgbm'} & set(sys.modules), 'imported, or stood in for';"
    )
    there = [name for name in forest_library.PUT_OFF if find_spec(name)]
    code += "".join(f"import {name}; assert {name}.__version__;" for name in there)
    ran = subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def test_meanwhile_others_import_as_ever():
    with forest_library._put_off():
        for name in forest_library.PUT_OFF:
            assert isinstance(builtins.__import__(name, INSIDE), forest_library._Later)
        assert builtins.__import__("json", INSIDE) is sys.modules["json"]
        with pytest.raises(ModuleNotFoundError):
            builtins.__import__("no_such_module", OUTSIDE)
        for name in forest_library.PUT_OFF:
            assert not isinstance(sys.modules.get(name), forest_library._Later)


def test_of_what_is_put_off_the_real_function_answers():
    assert forest_library._Later("fractions").Fraction(3, 4) == Fraction(3, 4)
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        forest_library._Later("no_such_module").Regressor(depth=3)


def test_the_way_of_importing_is_put_back_after_an_error():
    way = builtins.__import__
    with pytest.raises(ZeroDivisionError), forest_library._put_off():
        _ = 1 / 0
    assert builtins.__import__ is way


@pytest.mark.parametrize("absent", ["ForestDiffusion", "xgboost"])
def test_without_a_library_the_remedy_names_both_ways_to_install_it(monkeypatch, absent):
    monkeypatch.setitem(sys.modules, absent, None)
    with pytest.raises(MissingLibrary, match=absent) as caught:
        forest_library.load()
    assert "pip install '.[forest]'" in caught.value.remedy
    assert "xgboost-cpu" in caught.value.remedy
    assert "--no-deps ForestDiffusion" in caught.value.remedy


@pytest.mark.parametrize("absent", ["ForestDiffusion", "xgboost"])
def test_without_either_the_forest_is_not_available(monkeypatch, absent):
    assert "forest" in registry.available()
    found = registry.find_spec
    monkeypatch.setattr(registry, "find_spec", lambda name: None if name == absent else found(name))
    assert registry.available() == ("linear", "pls", "gmm", "bayes")


def test_a_saved_forest_names_the_xgboost_that_is_installed(tmp_path):
    model = ForestModel(settings=SMALL).fit(light(40, 1))
    model.save(tmp_path / "forest")
    saved = registry.storage.read_manifest(tmp_path / "forest")["libraries"]
    name = forest_library.distribution()
    assert saved[name] == metadata.version(name)
    assert saved["ForestDiffusion"] == metadata.version("ForestDiffusion")


MEMORY = """
import numpy as np
from retrolux.models import registry
from retrolux.models.dataset import Dataset
rng = np.random.default_rng(0)
inputs = rng.random((1000, 3))
outputs = 900 + inputs @ rng.uniform(300, 30000, (3, 10)) + 50 * rng.normal(size=(1000, 10))
names = ("R", "G", "B"), tuple(f"{i}nm" for i in range(10))
registry.create("forest", targets=names[1][:3]).fit(Dataset(inputs, outputs, np.zeros((1000, 10), dtype=bool), *names))
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells a process's peak of memory")
def test_a_fit_of_a_thousand_readings_takes_little_memory():
    """Of which nearly all goes to libraries: XGBoost for graphics cards takes more."""
    ran = subprocess.run([sys.executable, "-c", MEMORY], check=True, capture_output=True, text=True)
    peak = int(ran.stdout) / 1024
    assert peak < (200 if forest_library.distribution() == "xgboost-cpu" else 300)
