"""Which exit code and which words an error gets."""

from retrolux.device import errors as device
from retrolux.models import errors as models
from retrolux.server import errors as server

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
    return 1 if isinstance(error, (device.DeviceError, models.ModelError, server.ServerError)) else None


def sentence(error: BaseException) -> str:
    """Return cause and remedy on one line."""
    return " ".join(str(error).split())
