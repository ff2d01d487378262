"""By what a file is known to be the same as when it was read."""

from pathlib import Path

Stamp = tuple[int, int, int]


def stamped(path: Path) -> Stamp | None:
    """Return size, time of the last change and inode, taken before the file is read: what changes later is seen."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino
