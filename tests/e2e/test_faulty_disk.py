"""The C library's calls fail, by libfiu: what cannot be brought to disk is refused, and nothing else is lost by it."""

import json
import shutil
import subprocess
import sys
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.e2e.faulty_disk import FAULTS

ROUNDS = 12
HARMLESS = {"short writes", "no file can be renamed"}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if shutil.which("fiu-run") is None:
        pytest.skip("libfiu is not installed: apt-get install fiu-utils")
    command = ["fiu-run", "-x", sys.executable, "-m", "tests.e2e.faulty_disk"]
    done = subprocess.run(
        [*command, str(tmp_path_factory.mktemp("faulty")), str(ROUNDS)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("kind", FAULTS)
def test_a_reading_is_on_disk_or_refused(found: dict[str, Any], kind: str) -> None:
    came = found[kind]
    assert sum(came["statuses"].values()) == ROUNDS
    assert set(came["statuses"]) <= {"200", "507"}
    assert ("507" in came["statuses"]) == (kind not in HARMLESS)
    assert came["types"] == ([] if kind in HARMLESS else ["/problems/log-unwritable"])
    assert came["lit"] == 0
    assert came["after"] == {"200": ROUNDS}  # as soon as the disk works again
    assert (came["lost"], came["twice"]) == (0, 0)
    # what was refused is not in the log, but where it could not be taken back either
    assert came["more"] == 0 or "taken back" in kind
    assert came["files"] > 2 or kind == "no file can be renamed"


@pytest.mark.parametrize(
    ("kind", "words"), [("disk full", "Free space"), ("read-only", "read-only"), ("sync fails", "The disk fails")]
)
def test_the_remedy_is_the_faults_own(found: dict[str, Any], kind: str, words: str) -> None:
    (remedy,) = found[kind]["remedies"]
    assert remedy.startswith(words) or words in remedy
