"""Independent pieces of work: one after the other in this process, or wherever joblib was told to do them.

What works here knows nothing of processes or of other machines: who wants those encloses the call in
:func:`joblib.parallel_config`. The numbers are the same, since no piece knows of another.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from retrolux.models.posterior import Progress
from retrolux.models.progress import part, silent

Piece = TypeVar("Piece")
Result = TypeVar("Result")
Work = Callable[[Piece, Progress], Result]
"""Does a piece, telling how far it is. A module's function or a method of what can be pickled, to be done elsewhere."""


def spread(work: Work[Piece, Result], pieces: Sequence[Piece], progress: Progress | None = None) -> list[Result]:
    """Return what each piece gives, in their order. Raises what the work raises; no further piece is begun then."""
    found = dict(as_done(work, pieces, progress))
    return [found[i] for i in range(len(pieces))]


def as_done(
    work: Work[Piece, Result], pieces: Sequence[Piece], progress: Progress | None = None
) -> Iterator[tuple[int, Result]]:
    """Yield each piece's number and what it gives: in their order here, as they come back from elsewhere.

    A single piece is always done here, so that what it consists of is what is spread.

    Parameters
    ----------
    work : callable
        Called with a piece, and with what takes the fraction of it that is done; elsewhere nobody takes that.
    pieces : sequence
    progress : callable, optional
        Called with the fraction of the whole that is done.
    """
    if len(pieces) > 1 and elsewhere():
        return _sent(work, pieces, progress or silent)
    return ((i, work(piece, part(progress, i, len(pieces)))) for i, piece in enumerate(pieces))


def elsewhere() -> bool:
    """Return whether joblib was told to do pieces in other processes, on this machine or on others."""
    from joblib.parallel import get_active_backend  # noqa: PLC0415 - loaded with the first fit, not before

    backend, n_jobs = get_active_backend()
    return not getattr(backend, "supports_sharedmem", False) and (n_jobs or backend.default_n_jobs) != 1


def _sent(work: Work[Piece, Result], pieces: Sequence[Piece], progress: Progress) -> Iterator[tuple[int, Result]]:
    from joblib import Parallel, delayed  # noqa: PLC0415 - as above

    parallel = Parallel(return_as="generator_unordered", batch_size=1, pre_dispatch="all")
    with closing(parallel(delayed(_alone)(i, work, piece) for i, piece in enumerate(pieces))) as found:
        for done, result in enumerate(found, 1):
            progress(done / len(pieces))
            yield result


_place = threading.local()


def _alone(i: int, work: Callable[[Any, Progress], Result], piece: Any) -> tuple[int, Result]:  # noqa: ANN401
    """Do a piece in another process, on one core, as the others have pieces of their own."""
    with threadpool_limits(1):
        _place.alone = True
        try:
            return i, work(piece, silent)
        finally:
            _place.alone = False


def cores() -> int:
    """Return how many threads may compute here: as many as there are cores for this process, one in another's piece."""
    from joblib import cpu_count  # noqa: PLC0415 - as above

    return 1 if getattr(_place, "alone", False) else int(cpu_count())


def by_threads(work: Callable[[Piece], Result], pieces: Iterable[Piece]) -> Iterator[Result]:
    """Yield what each piece gives, in their order, done on a thread for each core by what lets go of Python's lock.

    Pieces are taken as threads come free, so that few exist at a time. When the caller goes no further, or a piece
    raises, those that are not begun are left.
    """
    n = cores()
    return map(work, pieces) if n == 1 else _threaded(work, pieces, n)


def _threaded(work: Callable[[Piece], Result], pieces: Iterable[Piece], n: int) -> Iterator[Result]:
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(n) as threads:
        try:
            for piece in pieces:
                waiting.append(threads.submit(work, piece))
                if len(waiting) > 2 * n:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for later in waiting:
                later.cancel()
