"""What the log asks of a disk: locks, names that last, how much room there is, and words for what it refuses."""

import errno
import fcntl
import os
from pathlib import Path

from retrolux.device.errors import LogUnwritable

PASSING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})
"""What a disk refuses for a reason of its own, so that the same file may be written to when that has passed."""

_REMEDIES = {
    errno.EROFS: "The disk is read-only, as a failing card makes itself: look at `dmesg`, then mount it again, "
    "or replace the card.",
    errno.EIO: "The disk fails: look at `dmesg`, copy the log to another one, and replace it.",
}


class locked:  # noqa: N801 - reads as a verb
    """Hold an open file's advisory lock; it ends with the process, too."""

    def __init__(self, file: int) -> None:
        self._file = file

    def __enter__(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)


def sync_folder(folder: Path) -> None:
    """Bring a folder's names to disk. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path) -> None:
    """Make a folder with those above it, each with its name on disk; one that is there is left alone.

    Raises
    ------
    LogUnwritable
    """
    missing = [each for each in (folder, *folder.parents) if not each.is_dir()]
    try:
        for each in reversed(missing):
            each.mkdir(exist_ok=True)
            sync_folder(each.parent)
    except OSError as error:
        raise unwritable(folder, error) from error


def refusal(file: int) -> OSError | None:
    """Return the error with which a write must fail, as far as the disk tells; some disks tell nothing (0 blocks)."""
    disk = os.fstatvfs(file)
    if disk.f_flag & os.ST_RDONLY:
        reason = errno.EROFS
    elif disk.f_blocks and not (disk.f_bavail if os.geteuid() else disk.f_bfree):  # the rest is root's
        reason = errno.ENOSPC
    else:
        return None
    return OSError(reason, os.strerror(reason))


def unwritable(path: Path, error: OSError) -> LogUnwritable:
    """Return what is told of a file that could not be written: the system's word for it, and what to do."""
    refused = LogUnwritable(f"{path} cannot be written: {error.strerror or error}.", remedy(error, "log"))
    refused.errno = error.errno
    return refused


def remedy(error: OSError, what: str) -> str:
    """Return what may be done about what a disk refused, such as to choose another log."""
    return _REMEDIES.get(error.errno or 0, f"Free space on the disk, or choose another {what}.")
