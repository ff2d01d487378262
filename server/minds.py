"""Who answers questions to models: another process, kept while it is asked, or this one."""

import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Protocol

from retrolux.models.registry import METHODS
from retrolux.server.jobs import Reporting
from retrolux.server.processes import Kept, Process
from retrolux.server.shooting import Aim, Step
from retrolux.server.station import Station

Asked = Mapping[str, Any]
TRIAL_SECONDS = 120  # for a model that was sent to be loaded and to answer, on a busy Raspberry Pi
TRIAL_BYTES = 1_500_000_000
"""Of data that it may have there: libraries and threads take a third, and a model claims to be whatever it likes."""
BEHIND = 15  # what a fit's priority is lowered by (nice)


class Mind(Protocol):
    """Answers what :class:`~retrolux.server.thinking.Thinking` does."""

    def ask(self, question: str, asked: Asked) -> bytes:
        """Return the answer as the JSON that a client gets; those who ask the same ``model`` wait for one another."""

    def fit(self, asked: Asked, report: Reporting) -> dict[str, Any]:
        """Fit, telling how far it is, and return what was fitted."""

    def known(self, method: str) -> dict[str, Any] | None:
        """Return what the method's model knew at its latest question: see :meth:`Thinking.known`."""

    def trial(self, asked: Asked) -> None:
        """Load a model that was sent, from its ``folder``, and ask it. Raises BadArchive, ProcessEnded."""

    def used(self) -> AbstractContextManager[None]:
        """Keep what it remembers of an aim as long as this lasts."""


class Beside:
    """Another process answers, and each fit has one of its own, of a lower priority.

    Parameters
    ----------
    station : Station
        Whose log and models are asked.
    idle : float
        Seconds without a question after which the process is let go.
    clock : callable
        Seconds, monotonic.

    Attributes
    ----------
    moved : callable
        Called while an answer takes long, as long as its process works at it.
    """

    def __init__(self, station: Station, idle: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._station = station
        self.moved: Callable[[], None] = lambda: None
        self._known: dict[str, dict[str, Any]] = {}
        self.kept = Kept(partial(Process, self._setup(), len(METHODS)), len(METHODS), idle, clock)

    def _setup(self) -> dict[str, Any]:
        station = self._station
        config = station.config.model_dump(mode="json")
        return {"config": config, "log": str(station.log_path), "models": str(station.models_path)}

    def ask(self, question: str, asked: Asked) -> bytes:
        """Return the answer of the process, started where there is none. Raises what it raises, and ProcessEnded."""
        method = asked["model"]
        told = partial(self._hear, method)
        return self.kept.ask(METHODS.index(method), self._question(question, asked), told, self.moved)

    def _hear(self, method: str, known: dict[str, Any]) -> None:
        self._known[method] = known

    def known(self, method: str) -> dict[str, Any] | None:
        """Return what the process told with its answers; None where it was not asked."""
        return self._known.get(method)

    def fit(self, asked: Asked, report: Reporting) -> dict[str, Any]:
        """Fit in a process of its own, which is gone when this returns. Raises what it raises, and ProcessEnded."""
        spared = max((os.cpu_count() or 1) - 1, 1)
        what = f"fitting {', '.join(asked.get('models') or ['all methods'])}"
        process = Process(self._setup() | {"nice": BEHIND}, threads=spared)
        try:
            with report.stopping(process.kill), self._station.activity.doing(what) as say:

                def tell(fraction: float) -> None:
                    say(f"{what} {100 * fraction:.0f} %")
                    report(fraction)

                found: dict[str, Any] = json.loads(process.ask(0, self._question("fit", asked), tell))
                return found
        finally:
            process.end()

    def trial(self, asked: Asked) -> None:
        """Try a model in a process of its own: whatever it does there, no other question waits for it or ends by it."""
        process = Process(self._setup() | {"memory": TRIAL_BYTES})
        waiting = threading.Timer(TRIAL_SECONDS, process.kill)
        waiting.start()
        try:
            process.ask(0, self._question("trial", asked), works=self.moved)
        finally:
            waiting.cancel()
            process.end()

    def used(self) -> AbstractContextManager[None]:
        """Keep the process from being let go."""
        return self.kept.used()

    def _question(self, question: str, asked: Asked) -> dict[str, Any]:
        return {"question": question, "asked": asked, "now": self._station.now()}


class Own:
    """The process itself answers: in a test, or where there is no room for another.

    Parameters
    ----------
    station : Station
        Whose log and models are asked.
    """

    def __init__(self, station: Station) -> None:
        from retrolux.server.thinking import Thinking  # noqa: PLC0415 - a server has it in another process

        self._station = station
        self._thinking = Thinking(station.config, station.log_path, station.models_path)

    def ask(self, question: str, asked: Asked) -> bytes:
        """Return the answer. Raises ModelError, DeviceError, ServerError."""
        return self._thinking.answer(question, asked, self._station.now(), lambda _fraction: None)

    def known(self, method: str) -> dict[str, Any] | None:
        """Return what the method's model knows; None where it was not asked."""
        return self._thinking.known(method)

    def fit(self, asked: Asked, report: Reporting) -> dict[str, Any]:
        """Fit, and return what was fitted. Raises ModelError, DeviceError."""
        found: dict[str, Any] = json.loads(self._thinking.answer("fit", asked, self._station.now(), report))
        return found

    def trial(self, asked: Asked) -> None:
        """Try a model here. Raises BadArchive."""
        self._thinking.answer("trial", asked, self._station.now(), lambda _fraction: None)

    def used(self) -> AbstractContextManager[None]:
        """Do nothing: what is remembered stays."""
        return nullcontext()

    def close(self) -> None:
        """Save what models have learnt."""
        self._thinking.close()


class Corrections:
    """The corrections of one aim, which a mind computes; see :class:`~retrolux.server.shooting.Corrections`.

    Parameters
    ----------
    check : callable
        Raises where the aim is to end.
    """

    def __init__(self, mind: Mind, model: str, aim: Aim, check: Callable[[], None]) -> None:
        self._mind, self._aim, self._check = mind, aim, check
        self._asked: dict[str, Any] = {"model": model}

    def begin(self, run: str) -> Step:
        """Return what to try first."""
        self._asked["run"] = run
        return self._step("begin", vars(self._aim))

    def see(self, record: Mapping[str, Any], seconds: float) -> Step:
        """Return what a reading leads to."""
        return self._step("see", {"record": record, "seconds": seconds})

    def settle(self) -> dict[str, Any]:
        """Return the answer."""
        found: dict[str, Any] = json.loads(self._mind.ask("settle", self._asked))
        return found

    def _step(self, question: str, more: Asked) -> Step:
        self._check()
        step = Step(**json.loads(self._mind.ask(question, self._asked | dict(more))))
        self._check()
        return step
