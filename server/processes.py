"""Processes that answer the server's questions: started when they are first asked, asked over pipes, and let go.

They are new interpreters, not forks of a server with threads. Each ends when this process does, however that ends: its
standard input is a pipe whose closing it waits for.
"""

import json
import os
import signal
import subprocess  # nosec B404 - starts this interpreter alone
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, Pipe
from typing import Any

from retrolux.server.errors import ProcessEnded
from retrolux.server.passing import raised

ANSWER, PROBLEM, PROGRESS, KNOWN = b"=", b"!", b"%", b"&"
"""First byte of what a process says; the rest is JSON."""

PROGRAM = "retrolux.server.child"
CPU_CLOCK = 2  # that which counts what the scheduler gave, of the three kinds that a process has (linux/posix-timers.h)
LOOK_SECONDS = 1.0  # from one look at a process that has not answered to the next
STILL_SECONDS = 12  # without any processor time, after which it is taken to hang; below the server's own watchdog
LAST_SECONDS = 5  # for a process that has closed its pipes to be gone
SAVING_SECONDS = 1.5  # for a process that is let go to save what its models have learnt


class Process:
    """A process of :mod:`retrolux.server.child` and the pipes to it, on each of which one question goes at a time.

    Parameters
    ----------
    setup : mapping
        JSON values that it begins with; ``nice`` is what its priority is lowered by.
    pipes : int
    threads : int, optional
        How many its libraries may use where they share work out; by default as many as this process's.
    """

    def __init__(self, setup: Mapping[str, Any], pipes: int = 1, threads: int | None = None) -> None:
        ends = [Pipe() for _ in range(pipes)]
        self._pipes = [ours for ours, _ in ends]
        theirs = [end.fileno() for _, end in ends]
        self._process = subprocess.Popen(  # noqa: S603 # nosec B603 - this interpreter
            [sys.executable, "-P", "-m", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=theirs,
            env=os.environ | ({} if threads is None else {"OMP_NUM_THREADS": str(threads)}),
            process_group=0,  # the terminal's Ctrl-C is for the server, which finishes what it was asked
        )
        self._sent_away = False
        self._stood_still = False
        with suppress(BrokenPipeError):  # it is gone already, which asking it will tell
            self._lifeline.write(json.dumps({"nice": 0, **setup, "pipes": theirs}).encode() + b"\n")
            self._lifeline.flush()
        for _, end in ends:
            end.close()

    @property
    def _lifeline(self) -> Any:  # noqa: ANN401 - a file, as there is a pipe
        return self._process.stdin

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether it is gone."""
        return self._process.poll() is not None

    def ask(
        self,
        pipe: int,
        question: Mapping[str, Any],
        report: Callable[[float], None] | None = None,
        told: Callable[[dict[str, Any]], None] | None = None,
        works: Callable[[], None] | None = None,
    ) -> bytes:
        """Return the answer as JSON.

        It may take as long as it takes, as long as the process has processor time. One that has had none for 12 s
        hangs, and is ended.

        Parameters
        ----------
        report : callable, optional
            Called with the fraction done, where the answer takes long; what it raises ends the asking.
        told : callable, optional
            Called with what the model knows, where that is not what it was at the question before.
        works : callable, optional
            Called each second in which the process had processor time.

        Raises
        ------
        ProcessEnded
            When the process ends before it has answered, or hangs.
        DeviceError, ModelError, ServerError
            As they were raised there; RuntimeError for what was not foreseen.
        """
        line = self._pipes[pipe]
        try:
            line.send_bytes(json.dumps(question).encode())
            besides = {PROGRESS: report, KNOWN: told}
            while (said := self._next(line, works or (lambda: None)))[:1] in besides:
                if (hear := besides[said[:1]]) is not None:
                    hear(json.loads(said[1:]))
        except (EOFError, OSError) as error:
            raise self._end() from error
        if said[:1] == PROBLEM:
            raise raised(json.loads(said[1:]))
        return said[1:]

    def _next(self, line: Connection, works: Callable[[], None]) -> bytes:
        """Return what is said next; end the process where it stands still."""
        spent, still = self._spent(), 0.0
        while not line.poll(LOOK_SECONDS):
            now = self._spent()
            still = 0.0 if now > spent else still + LOOK_SECONDS
            spent = now
            if not still:
                works()
            elif still >= STILL_SECONDS:
                self._stood_still = True
                self._process.kill()
                break  # what it takes to be gone is no work
        return line.recv_bytes()

    def _spent(self) -> float:
        """Return the processor time of the process, in seconds (clock_getcpuclockid(3)); 0 once it is gone."""
        with suppress(OSError):
            return time.clock_gettime(~self.pid << 3 | CPU_CLOCK)
        return 0.0

    def kill(self) -> None:
        """End it at once, without waiting until it is gone."""
        self._sent_away = True
        self._process.kill()

    def end(self) -> None:
        """End it at once; it is gone when this returns."""
        self.kill()
        self._process.wait()
        with suppress(OSError):
            self._lifeline.close()

    def let_go(self, seconds: float = SAVING_SECONDS) -> None:
        """Let it save what its models have learnt, and end it at once where that takes longer."""
        self._sent_away = True
        with suppress(OSError):
            self._lifeline.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        self.end()

    def _end(self) -> ProcessEnded:
        """Return, in words, how it ended."""
        if self._sent_away:
            return ProcessEnded("The process that was to answer was told to end.", "Ask again.")
        if self._stood_still:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(LAST_SECONDS)
            return ProcessEnded(
                f"The process that was to answer stood still for {STILL_SECONDS} s, and was ended.",
                "Ask again: another one is started. What was learnt since the last fit is learnt again from the log.",
            )
        try:
            code = self._process.wait(LAST_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()  # its pipe is of no use any more
            return ProcessEnded("The process that was to answer does not answer.", "Ask again: another one is started.")
        if code == -signal.SIGKILL:
            return ProcessEnded(
                "The process that was to answer was killed, as the system does when memory runs out.",
                "Free some memory, or ask for less (fewer samples, a smaller model); the next question starts another.",
            )
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        return ProcessEnded(
            f"The process that was to answer ended {how}.",
            "Ask again: another one is started. The server's log may tell why.",
        )


class Kept:
    """One process that is there while it is asked: started at the first question, and again where it has ended.

    Parameters
    ----------
    start : callable
        Returns a new process.
    pipes : int
        How many it has.
    idle : float
        Seconds without a question after which :meth:`rest` lets it go.
    clock : callable
        Seconds, monotonic.
    """

    def __init__(
        self, start: Callable[[], Process], pipes: int, idle: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._start, self._idle, self._clock = start, idle, clock
        self._lines = [threading.Lock() for _ in range(pipes)]
        self._lock = threading.Lock()
        self._process: Process | None = None
        self._users = 0
        self._closed = False
        self._last = clock()

    @property
    def process(self) -> Process | None:
        """The process, where there is one."""
        return self._process

    def ask(
        self,
        pipe: int,
        question: Mapping[str, Any],
        told: Callable[[dict[str, Any]], None] | None = None,
        works: Callable[[], None] | None = None,
    ) -> bytes:
        """Return the answer as JSON; others on the same pipe wait for it. See, and raises what, :meth:`Process.ask`."""
        with self.used(), self._lines[pipe]:
            return self._present().ask(pipe, question, told=told, works=works)

    @contextmanager
    def used(self) -> Iterator[None]:
        """Keep the process, if there is one, from being let go."""
        with self._lock:
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                self._last = self._clock()

    def rest(self) -> None:
        """Let the process go if nobody asked it for long."""
        with self._lock:
            if not self._users and self._clock() - self._last >= self._idle:
                self._let_go()

    def close(self) -> None:
        """Let the process go; who waits for its answer, or asks later, gets an error."""
        with self._lock:
            self._closed = True
            self._let_go()

    def _present(self) -> Process:
        with self._lock:
            if self._process is not None and self._process.ended:
                self._let_go()
            if self._closed:
                raise ProcessEnded("The server is ending, and answers no more questions.", "Ask when it is back.")
            if self._process is None:
                self._process = self._start()
            return self._process

    def _let_go(self) -> None:
        if self._process is not None:
            self._process.let_go()
            self._process = None
