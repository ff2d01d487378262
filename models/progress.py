"""Progress of a whole that is made of parts."""

from retrolux.models.posterior import Progress


def part(progress: Progress | None, i: int, n: int) -> Progress:
    """Return the progress of the i-th of n equal parts, for a whole that somebody may want to see."""
    report = progress or silent
    return lambda fraction: report((i + fraction) / n)


def silent(_: float) -> None:
    """Take progress that nobody wants to see."""
