"""A laboratory in a folder of its own, and the command line run in it."""

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from retrolux.device.designs import design
from retrolux.server.cli import main
from retrolux.server.config import Config
from retrolux.server.http import create_app
from retrolux.server.jobs import Jobs
from retrolux.server.laboratory import Laboratory

QUICK = ("linear", "pls", "gmm")
TARGET = {"445nm": 16384.0, "515nm": 16384.0, "630nm": 16384.0}


@dataclass(frozen=True)
class Outcome:
    """What a command left: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder with no configuration in reach."""
    for name in ("RETROLUX_CONFIG", "STATE_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def cli(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Run a command line in ``home`` and return what it left."""

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(a) for a in arguments])
        printed = capsys.readouterr()
        code = ended.value.code
        return Outcome(code if isinstance(code, int) else 0, printed.out, printed.err)

    monkeypatch.setattr(sys, "argv", ["retrolux"])
    return run


@pytest.fixture(scope="session")
def readings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of 60 Latin-hypercube readings of the simulator; read it, do not write it."""
    folder = tmp_path_factory.mktemp("readings")
    with Laboratory(Config(state=folder)) as lab:
        for point in design("lhs", 60, 7):
            lab.measure(point)
        return lab.log_path


@pytest.fixture
def laboratory(tmp_path: Path) -> Iterator[Laboratory]:
    """A laboratory on the simulator, its log empty."""
    with Laboratory(Config(state=tmp_path / "lab")) as lab:
        yield lab


@pytest.fixture(scope="session")
def saved(readings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of linear, PLS and mixture models of these readings; copy it."""
    lab = Laboratory(Config(state=tmp_path_factory.mktemp("saved")))
    data, device = lab.dataset(readings)
    for model in lab.fit(data, QUICK):
        lab.store.save(model, device)
    return lab.store.folder


@pytest.fixture
def fitted(laboratory: Laboratory, saved: Path) -> Laboratory:
    """A laboratory with saved linear, PLS and mixture models."""
    shutil.copytree(saved, laboratory.store.folder)
    return laboratory


@pytest.fixture
def jobs(laboratory: Laboratory) -> Iterator[Jobs]:
    queue = Jobs(laboratory.journal)
    yield queue
    queue.close()


@pytest.fixture
def client(laboratory: Laboratory, jobs: Jobs) -> FlaskClient:
    """A client of the HTTP interface, without a network."""
    return create_app(laboratory, jobs).test_client()
