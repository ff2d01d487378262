"""What a command loads: counted in an interpreter of its own, since a clock would only tell how busy the machine is."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"scipy", "sklearn", "pandas", "xgboost", "lightgbm", "ForestDiffusion", "gmr", "joblib", "flask"}
COUNTED = """
import atexit, json, sys
from pathlib import Path
atexit.register(lambda: Path("modules.json").write_text(json.dumps(sorted(sys.modules))))
from retrolux.server.cli import main
main()
"""


def loaded(home: Path, *arguments: str) -> set[str]:
    """Run a command in an interpreter of its own and return the modules that it has loaded when it ends."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("RETROLUX", "XDG", "STATE_"))}
    subprocess.run(
        [sys.executable, "-c", COUNTED, *arguments],
        cwd=home, env=kept | {"HOME": str(home)}, capture_output=True, check=True, timeout=120,
    )  # fmt: skip
    return set(json.loads((home / "modules.json").read_text()))


@pytest.mark.parametrize(
    ("arguments", "most", "besides"),
    [
        (["--help"], 150, {"numpy", "pydantic", "rich"}),
        (["measure", "--help"], 470, set()),
        (["measure", "0.1", "0.2", "0.3"], 540, set()),
        (["measure", "0.1", "0.2", "0.3", "--dark", "after", "--json"], 540, set()),
    ],
    ids=["help", "help of measure", "measure", "measure with a dark frame"],
)
def test_a_command_loads_no_more_than_it_needs(
    tmp_path: Path, arguments: list[str], most: int, besides: set[str]
) -> None:
    modules = loaded(tmp_path, *arguments)
    assert not {name.split(".")[0] for name in modules} & (HEAVY | besides)
    assert not {name for name in modules if name.startswith("retrolux.models.")} - {
        "retrolux.models.errors",
        "retrolux.models.scale",
    }
    assert len(modules) <= most
