"""What a command loads: counted in an interpreter of its own, since a clock would only tell how busy the machine is."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"scipy", "sklearn", "pandas", "xgboost", "lightgbm", "ForestDiffusion", "gmr", "joblib"}
COUNTED = """
import atexit, json, sys
from pathlib import Path
atexit.register(lambda: Path("modules.json").write_text(json.dumps(sorted(sys.modules))))
from retrolux.server.cli import main
main()
"""


def loaded(home: Path, *arguments: str, expected: int = 0) -> set[str]:
    """Run a command in an interpreter of its own and return the modules that it has loaded when it ends.

    A server is told to end as soon as it listens. The exit code must be the one expected.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("RETROLUX", "XDG", "STATE_"))}
    command = [sys.executable, "-c", COUNTED, *arguments]
    with subprocess.Popen(
        command, cwd=home, env=kept | {"HOME": str(home)}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        for line in process.stderr:
            if "listening on" in line:
                process.terminate()
    assert process.returncode == expected
    return set(json.loads((home / "modules.json").read_text()))


def heavy(modules: set[str]) -> set[str]:
    return {name.split(".")[0] for name in modules} & HEAVY


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
    assert not heavy(modules)
    assert not {name.split(".")[0] for name in modules} & (besides | {"flask"})
    assert not {name for name in modules if name.startswith("retrolux.models.")} - {
        "retrolux.models.errors",
        "retrolux.models.scale",
    }
    assert len(modules) <= most


def test_a_server_that_is_ready_has_loaded_no_model(tmp_path: Path) -> None:
    modules = loaded(tmp_path, "serve", "--port", "0")
    assert not heavy(modules)
    assert not {"retrolux.server.laboratory", "retrolux.server.thinking", "retrolux.models.model"} & modules
    assert len(modules) <= 720
