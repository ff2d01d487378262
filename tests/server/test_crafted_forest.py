"""Trees that crash XGBoost, which is C++, or claim to be huge: the process that tries them may end, no other."""

import json
from pathlib import Path

import numpy as np
import pytest

from retrolux.models import registry, storage
from retrolux.models.dataset import Dataset
from retrolux.models.errors import BadArchive
from retrolux.server.config import Config
from retrolux.server.errors import ProcessEnded
from retrolux.server.minds import Beside
from retrolux.server.station import Station


@pytest.mark.slow
def test_trees_that_are_none_are_refused_in_words(tmp_path: Path) -> None:
    x = np.random.default_rng(0).random((30, 3))
    data = Dataset(x, 9000 * x @ np.ones((3, 2)) + 100, np.zeros((30, 2), bool), ("R", "G", "B"), ("515nm", "nir"))
    manifest, files = registry.create("forest").fit(data).packed()
    manifest = json.loads(json.dumps(manifest))
    name = min(name for name in files if name.endswith(".ubj"))
    whole = files[name]
    place = whole.index(b"L\0\0")
    huge = whole[:place] + b"L\x00\x00\x7f\xff\xff\xff\xff\xff" + whole[place + 9 :]
    large = whole.replace(b"#L\0\0\0\0\0\0", b"#L\0\0\0\0\x40\0", 1)
    mind = Beside(Station(Config(state=tmp_path)), 60)
    for kind, trees in {"cut": whole[: len(whole) // 2], "none": b"", "huge": huge, "large": large}.items():
        folder = tmp_path / kind
        storage.write(folder, manifest, files | {name: trees})
        with pytest.raises((BadArchive, ProcessEnded)) as refused:
            mind.trial({"model": "forest", "folder": str(folder)})
        assert refused.value.remedy
    storage.write(tmp_path / "whole", manifest, files)
    mind.trial({"model": "forest", "folder": str(tmp_path / "whole")})
