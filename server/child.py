"""The process that answers the server's questions: ``python -m retrolux.server.child``, started by nobody else.

It reads one line of JSON from its standard input, which says what it is to be, and ends when that input is closed,
after what its models have learnt is saved. Each pipe has a thread: questions about one model wait for one another,
those about different ones do not.
"""

import json
import logging
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retrolux.server.lines import log_to_the_journal
from retrolux.server.passing import passed
from retrolux.server.processes import ANSWER, KNOWN, PROBLEM, PROGRESS
from retrolux.server.signals import ENDING

if TYPE_CHECKING:
    from retrolux.server.thinking import Thinking

_logger = logging.getLogger(__name__)

LAST_SECONDS = 1  # for what is learnt to be saved, when the server is gone
FIRST_TO_GO = "500"  # of 1000: where memory runs out, the system shall take this process and not the instrument's


def main() -> None:
    """Answer until the server is gone."""
    log_to_the_journal(os.environ)
    setup = json.loads(sys.stdin.readline())
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)  # the server is told, finishes what it was asked, and ends this
    os.nice(setup["nice"])
    if (most := setup.get("memory")) is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(FIRST_TO_GO, encoding="ascii")
    last: list[Callable[[], None]] = []
    threading.Thread(target=_end_with_the_server, args=(last,), daemon=True).start()

    from retrolux.server.thinking import Thinking  # noqa: PLC0415 - takes a second, in which the server may end

    thinking = Thinking.of(setup)
    last.append(thinking.close)
    lines = [threading.Thread(target=_converse, args=(thinking, Connection(pipe))) for pipe in setup["pipes"]]
    for line in lines:
        line.start()
    for line in lines:  # a main thread that had ended would have libraries believe that the program does
        line.join()


def _end_with_the_server(last: list[Callable[[], None]]) -> None:
    while os.read(0, 1):
        pass
    for save in last:
        saving = threading.Thread(target=save, daemon=True)
        saving.start()
        saving.join(LAST_SECONDS)
    os._exit(0)  # whatever the other threads are at


def _converse(thinking: "Thinking", line: Connection) -> None:
    told = b""
    with suppress(EOFError, OSError):
        while True:
            question = json.loads(line.recv_bytes())
            reply = _reply(thinking, question, line)
            known = json.dumps(_known(thinking, question)).encode()
            if known not in {told, b"null"}:
                line.send_bytes(KNOWN + known)
                told = known
            line.send_bytes(reply)


def _known(thinking: "Thinking", question: dict[str, Any]) -> dict[str, Any] | None:
    method = question["asked"].get("model")
    return None if method is None else thinking.known(method)


def _reply(thinking: "Thinking", question: dict[str, Any], line: Connection) -> bytes:
    try:
        return ANSWER + thinking.answer(**question, report=partial(_report, line))
    except Exception as error:
        told = passed(error)
        if told["type"] is None:
            _logger.exception("a question was not answered")
        return PROBLEM + json.dumps(told).encode()


def _report(line: Connection, fraction: float) -> None:
    line.send_bytes(PROGRESS + str(float(fraction)).encode())


if __name__ == "__main__":
    main()
