"""Where independent pieces of work are done: in this process, in others of this machine, or by a dask scheduler.

Nothing else here or in the models knows of engines: while one is open, joblib sends it the pieces of
:mod:`retrolux.models.spreading`.
"""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

from retrolux.models.errors import MissingLibrary
from retrolux.server.errors import BadArgument, NoEngine

ENGINES = ("local", "processes", "dask")
SECONDS = 5.0  # that a scheduler has to answer
CHECK = "Check the address, and that `dask scheduler` runs there: retrolux … --engine dask --scheduler tcp://HOST:8786."


@contextmanager
def engine(name: str = "local", jobs: int | None = None, scheduler: str | None = None) -> Iterator[None]:
    """Let pieces of work be done by an engine as long as this lasts; what is not done when it ends is given up.

    Parameters
    ----------
    name : {"local", "processes", "dask"}
        ``local`` does one piece after the other, here.
    jobs : int, optional
        Of ``processes`` how many; as many as the machine has cores by default.
    scheduler : str, optional
        Of ``dask``: ``tcp://host:port``, or ``tls://``. It and its workers are sent Python objects, and send some:
        whoever is on their network can run what they like on each of them.

    Raises
    ------
    BadArgument
    MissingLibrary
        When dask's ``distributed`` is not installed.
    NoEngine
        When the scheduler does not answer, has no workers, or one with another version of retrolux.
    """
    _check(name, jobs, scheduler)
    if name == "local":
        yield
    elif name == "processes":
        from joblib import parallel_config  # noqa: PLC0415 - most commands need no engine

        with parallel_config("loky", n_jobs=jobs or -1, inner_max_num_threads=1):
            yield
    else:
        from joblib import parallel_config  # noqa: PLC0415 - as above

        with _workers(scheduler or "") as workers, parallel_config("dask", client=workers):
            yield


def _check(name: str, jobs: int | None, scheduler: str | None) -> None:
    if name not in ENGINES:
        raise BadArgument(f"There is no engine {name!r}.", f"Choose among {', '.join(ENGINES)}.")
    if jobs is not None and name != "processes":
        raise BadArgument(f"--jobs is of the engine processes, not of {name}.", "Leave it out, or --engine processes.")
    if (scheduler is not None) != (name == "dask"):
        raise BadArgument(
            "The engine dask needs a scheduler, and no other engine has one.",
            "Write --engine dask --scheduler tcp://HOST:8786.",
        )


@contextmanager
def _workers(scheduler: str) -> Iterator[Any]:
    """Connect with a scheduler whose workers are as this program is."""
    try:
        from distributed import Client  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise MissingLibrary(
            f"The engine dask needs distributed: {error}.", "In the clone of the project: pip install '.[dask]'."
        ) from error
    _knock(scheduler)
    try:
        asyncio.run(asyncio.wait_for(_identity(scheduler), SECONDS))
        client = Client(scheduler, timeout=SECONDS, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        reason = str(error) or f"it said nothing for {SECONDS:g} s"
        raise NoEngine(f"{scheduler} does not answer as a dask scheduler: {reason}.", CHECK) from error
    with client:
        _refuse_others(scheduler, client.run(version, "retrolux", on_error="return"))
        yield client


async def _identity(scheduler: str) -> Any:  # noqa: ANN401 - dask has no types
    """Ask a scheduler who it is: of somebody else, a client would wait for the answer for ever."""
    from distributed.core import rpc  # noqa: PLC0415 - an extra

    async with rpc(scheduler, timeout=SECONDS) as asked:
        return await asked.identity()


def _knock(scheduler: str) -> None:
    """Raise BadArgument or NoEngine at once where nobody listens; the library would try for long."""
    parts = urlsplit(scheduler)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if parts.scheme not in {"tcp", "tls"} or not host or not port:
        raise BadArgument(f"{scheduler!r} is no address of a scheduler.", "Write for example tcp://192.168.1.5:8786.")
    try:
        socket.create_connection((host, port), timeout=SECONDS).close()
    except OSError as error:
        raise NoEngine(f"No scheduler answers at {scheduler}: {error.strerror or error}.", CHECK) from error


def _refuse_others(scheduler: str, versions: dict[str, Any]) -> None:
    own = _own_version()
    if not versions:
        raise NoEngine(f"The scheduler at {scheduler} has no workers.", f"Start some: `dask worker {scheduler}`.")
    others = {worker: found for worker, found in versions.items() if found != own}
    if others:
        worker, found = next(iter(others.items()))
        has = f"has retrolux {found}" if isinstance(found, str) else "has no retrolux"
        raise NoEngine(
            f"The worker {worker} {has}, and this is {own}.",
            f"Install retrolux {own} for every worker, with the extras that this one has.",
        )


def _own_version() -> str:
    return version("retrolux")
