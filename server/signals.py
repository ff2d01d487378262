"""What ends a process from outside: SIGTERM, a closed terminal, Ctrl-C. The light is made dark first."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)

Handler = Callable[[int, FrameType | None], None]


@contextmanager
def handled(handler: Handler) -> Iterator[None]:
    """Let this handler see the ending signals, and put the earlier ones back.

    A signal that is ignored, as ``nohup`` ignores SIGHUP, stays ignored. Outside the main thread, where Python has no
    signals, nothing is changed.
    """
    mine = [s for s in ENDING if _is_main() and signal.getsignal(s) is not signal.SIG_IGN]
    before = {s: signal.signal(s, handler) for s in mine}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def end_in_order(number: int, _frame: FrameType | None) -> None:
    """Unwind the program, so that what is open is closed; a second signal does not interrupt that.

    Raises
    ------
    KeyboardInterrupt
        On SIGINT.
    SystemExit
        On the others, with 128 + the signal's number, as a shell reports it.
    """
    for each in ENDING:
        signal.signal(each, signal.SIG_IGN)
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)


def _is_main() -> bool:
    return threading.current_thread() is threading.main_thread()
