"""Engines: other processes and a real cluster give the numbers that this process gives."""

import json
import pickle
import socket
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from retrolux.models import spreading
from retrolux.models.scale import Scale
from retrolux.server import engine as engines
from retrolux.server.engine import engine
from retrolux.server.errors import BadArgument, NoEngine
from tests.server.conftest import Outcome

Cli = Callable[..., Outcome]
CLOCK = {"fit_seconds", "invert_ms"}
SIZES = ["--sizes", "9,12", "--seeds", "2", "--device", "sim:3"]


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """The address of a scheduler with two worker processes on this machine."""
    distributed = pytest.importorskip("distributed", reason="the extra `dask` is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's own, of a port that is taken and the like
        with distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
        ) as cluster:
            yield cluster.scheduler_address


@pytest.fixture
def silenced() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as above, of the client
        yield


def timeless(document: Any) -> Any:
    """Return a document without what a clock says."""
    if isinstance(document, dict):
        return {key: timeless(value) for key, value in document.items() if key not in CLOCK}
    return [timeless(each) for each in document] if isinstance(document, list) else document


def models_of(folder: Path) -> dict[str, Any]:
    manifests = {path.parent.name: json.loads(path.read_text()) for path in folder.glob("*/manifest.json")}
    for manifest in manifests.values():
        del manifest["created"]
        manifest.get("light", {}).pop("created", None)
    return manifests


QUICK = "linear,gmm,bayes"
COMMANDS = {
    "evaluate": ["evaluate", "--train", "LOG", "--test", "LOG", "--models", QUICK],
    "evaluate one forest": ["evaluate", "--train", "LOG", "--test", "LOG", "--models", "forest"],
    "aim": ["evaluate", "--train", "LOG", "--test", "LOG", "--models", "linear,bayes", "--aim"],
    "learn-curve": ["learn-curve", "--models", "linear", "--designs", "lhs,sobol", *SIZES],
    "learn-curve of a log": ["learn-curve", "LOG", "--models", "linear", "--sizes", "15,30", "--seeds", "2"],
}


LONG = {"evaluate one forest", "learn-curve of a log"}
SLOW = pytest.mark.slow


@pytest.mark.usefixtures("silenced")
@pytest.mark.parametrize("name", [pytest.param(n, marks=SLOW if n in LONG else ()) for n in COMMANDS])
def test_a_cluster_gives_the_same_numbers(cli: Cli, readings: Path, scheduler: str, name: str) -> None:
    if "forest" in name:
        pytest.importorskip("ForestDiffusion", reason="the extra `forest` is not installed")
    command = [str(readings) if word == "LOG" else word for word in COMMANDS[name]]
    here = cli(*command, "--json")
    there = cli(*command, "--json", "--engine", "dask", "--scheduler", scheduler)
    assert here.code == there.code == 0, there.err
    assert timeless(there.json) == timeless(here.json)


@pytest.mark.usefixtures("silenced")
def test_a_cluster_fits_the_same_models(cli: Cli, home: Path, readings: Path, scheduler: str) -> None:
    methods = [word for m in ("linear", "pls", "gmm", "bayes") for word in ("--model", m)]
    assert cli("fit", readings, *methods, "--models", "here").code == 0
    done = cli("fit", readings, *methods, "--models", "there", "--engine", "dask", "--scheduler", scheduler)
    assert done.code == 0, done.err
    assert models_of(home / "there") == models_of(home / "here")  # with the checksum of every file


@pytest.mark.usefixtures("silenced")
@pytest.mark.slow
def test_a_forest_in_a_cluster_is_the_same_within_and_beside_the_others(
    cli: Cli, home: Path, readings: Path, scheduler: str
) -> None:
    pytest.importorskip("ForestDiffusion", reason="the extra `forest` is not installed")
    dask = ("--engine", "dask", "--scheduler", scheduler)
    for folder, options in {"one": (), "alone": dask, "pair": ("--model", "linear", *dask)}.items():
        assert cli("fit", readings, "--model", "forest", "--models", folder, *options).code == 0
    one = models_of(home / "one")
    assert models_of(home / "alone") == one
    assert models_of(home / "pair")["forest"] == one["forest"]


def test_other_processes_give_the_same_numbers(cli: Cli, readings: Path) -> None:
    command = ["evaluate", "--train", str(readings), "--test", str(readings), "--models", "linear,pls", "--json"]
    apart = [
        sys.executable,
        "-c",
        "from retrolux.server.cli import main; main()",
        *command,
    ]  # joblib keeps its processes
    there = subprocess.run([*apart, "--engine", "processes", "--jobs", "2"], capture_output=True, text=True, check=True)
    assert timeless(json.loads(there.stdout)) == timeless(cli(*command).json)


@pytest.mark.usefixtures("silenced")
def test_pieces_go_elsewhere_and_progress_goes_on_as_they_come_back(scheduler: str) -> None:
    shares: list[float] = []
    with engine("dask", scheduler=scheduler):
        assert spreading.elsewhere()
        found = spreading.spread(_where, [3, 1, 2, 0], shares.append)
    assert [piece for piece, _ in found] == [3, 1, 2, 0]
    assert len({process for _, process in found} - {_where(0, None)[1]}) >= 1
    assert shares == [0.25, 0.5, 0.75, 1.0]
    assert not spreading.elsewhere()


@pytest.mark.usefixtures("silenced")
def test_an_error_of_a_worker_is_the_error_that_it_was(cli: Cli, readings: Path, scheduler: str) -> None:
    command = ("evaluate", "--train", readings, "--test", readings, "--models", "linear,oracle")
    here, there = cli(*command), cli(*command, "--engine", "dask", "--scheduler", scheduler)
    assert (there.code, there.err) == (here.code, here.err)
    assert "oracle" in there.err


def _where(piece: int, _report: object) -> tuple[int, int]:
    import os

    return piece, os.getpid()


@pytest.mark.usefixtures("silenced")
def test_workers_of_another_version_are_refused(scheduler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_own_version", lambda: "99.1")
    with (
        pytest.raises(NoEngine, match=r"has retrolux \S+, and this is 99\.1.* Install"),
        engine("dask", None, scheduler),
    ):
        pass


@pytest.mark.parametrize("found", [{}, {"tcp://worker": LookupError("none")}])
def test_a_cluster_that_cannot_work_is_refused(found: dict[str, Any]) -> None:
    with pytest.raises(NoEngine, match=r"no workers|has no retrolux"):
        engines._refuse_others("tcp://there:1", found)


def test_a_scheduler_that_does_not_answer_is_an_error_in_words(cli: Cli, readings: Path) -> None:
    pytest.importorskip("distributed", reason="the extra `dask` is not installed")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        done = cli("fit", readings, "--engine", "dask", "--scheduler", address)
    assert done.code == 1
    assert address in done.err
    assert "dask scheduler" in done.err


def test_who_is_no_scheduler_is_an_error_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="the extra `dask` is not installed")
    monkeypatch.setattr(engines, "SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(NoEngine, match="does not answer as a dask scheduler"), engine("dask", None, address):
            pass


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--engine", "dask"), "needs a scheduler"),
        (("--scheduler", "tcp://127.0.0.1:8786"), "needs a scheduler"),
        (("--jobs", "2"), "--jobs is of the engine processes"),
        (("--engine", "dask", "--scheduler", "127.0.0.1"), "no address of a scheduler"),
        (("--engine", "dask", "--scheduler", "tcp://127.0.0.1:port"), "no address of a scheduler"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    cli: Cli, readings: Path, options: tuple[str, ...], words: str
) -> None:
    pytest.importorskip("distributed", reason="the extra `dask` is not installed")
    done = cli("fit", readings, *options)
    assert done.code == 2
    assert words in done.err


def test_a_missing_library_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from retrolux.models.errors import MissingLibrary

    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingLibrary, match=r"\[dask\]"), engine("dask", None, "tcp://127.0.0.1:1"):
        pass


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(BadArgument, match="steam"), engine("steam"):
        pass


def test_what_goes_to_other_processes_is_the_same_there() -> None:
    assert pickle.loads(pickle.dumps(Scale.DUTIES)) is Scale.DUTIES
    error = pickle.loads(pickle.dumps(NoEngine("The cause.", "The remedy.")))
    assert (type(error), error.cause, error.remedy) == (NoEngine, "The cause.", "The remedy.")
