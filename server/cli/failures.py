"""Which exit code and which words an error gets."""

from retrolux.device import errors as device
from retrolux.models import errors as models
from retrolux.server import errors as server

OURS = (device.DeviceError, models.ModelError, server.ServerError)
ASKED_WRONGLY = (
    device.BadInput,
    device.UnknownChannel,
    device.UnknownDevice,
    models.BadTarget,
    models.UnknownColumn,
    models.UnknownMethod,
    server.BadArgument,
)


def exit_code(error: BaseException) -> int | None:
    """Return 2 for what was asked wrongly, 1 for what failed, None for what was not foreseen."""
    if isinstance(error, ASKED_WRONGLY):
        return 2
    return 1 if isinstance(error, (*OURS, OSError)) else None


def sentence(error: BaseException) -> str:
    """Return cause and remedy on one line; of the system's own errors, the file and what may be done."""
    if isinstance(error, OSError) and not isinstance(error, OURS):
        return f"{error.filename}: {error.strerror}. Check its permissions, or choose another folder (`state`, -o)."
    return " ".join(str(error).split())
