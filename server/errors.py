"""What can go wrong where the rooms come together, each with its cause and its remedy in words.

The fields are those of the other two rooms: a stable problem ``type`` (RFC 9457, relative URI), an HTTP ``status``,
and the ``cause`` and ``remedy`` that a person reads.
"""

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from retrolux.device.findings import Finding


class ServerError(Exception):
    """Base of all errors of the server room.

    Parameters
    ----------
    cause : str
        What happened, in words, with the offending value.
    remedy : str
        What the reader can do about it.
    """

    type: ClassVar[str] = "/problems/server"
    status: ClassVar[int] = 500

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(f"{cause} {remedy}")
        self.cause = cause
        self.remedy = remedy

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how another process makes it again: of the two sentences, not of the one that they are together."""
        return type(self), (self.cause, self.remedy)


class BadConfiguration(ServerError, ValueError):
    """Raised when the configuration file cannot be read or has an unknown or wrong entry."""

    type = "/problems/bad-configuration"
    status = 500


class BadRequest(ServerError, ValueError):
    """Raised when a request is not understood: no JSON, an unknown field, a value of the wrong kind."""

    type = "/problems/bad-request"
    status = 400


class NotJson(ServerError, TypeError):
    """Raised when a request's body is not declared as JSON."""

    type = "/problems/not-json"
    status = 415


class NotZip(ServerError, TypeError):
    """Raised when a model that is sent is not declared as a zip."""

    type = "/problems/not-zip"
    status = 415


class OtherInstrument(ServerError, ValueError):
    """Raised when a model that is sent describes another instrument than the server's."""

    type = "/problems/other-instrument"
    status = 409


class PushFailed(ServerError, ConnectionError):
    """Raised when a model could not be pushed: the other side does not answer, or refuses it."""

    type = "/problems/push-failed"
    status = 502


class BadArgument(ServerError, ValueError):
    """Raised when an argument is understood and cannot be: a target without a number, a column given twice."""

    type = "/problems/bad-argument"
    status = 422


class Unattainable(ServerError, ValueError):
    """Raised when the light is not moved, because no inputs give the target."""

    type = "/problems/unattainable"
    status = 422


class NotFound(ServerError, LookupError):
    """Raised when there is nothing at the address, or no job or model of that name."""

    type = "/problems/not-found"
    status = 404


class NoModel(ServerError, LookupError):
    """Raised when a question needs a fitted model and there is none."""

    type = "/problems/no-model"
    status = 409


class ModelChanged(ServerError, RuntimeError):
    """Raised when a model that is to be replaced is another than the one who replaces it has seen."""

    type = "/problems/model-changed"
    status = 412


class MixedDevices(ServerError, ValueError):
    """Raised when a log holds readings of several instruments, so that no one model describes it."""

    type = "/problems/mixed-devices"
    status = 422


class BadReport(ServerError, ValueError):
    """Raised when a folder is no validation's, or one of another device or protocol than the one asked for."""

    type = "/problems/bad-report"
    status = 422


class ProcessEnded(ServerError, ChildProcessError):
    """Raised when the process that answers questions to models ends before it has answered, as for want of memory."""

    type = "/problems/process-ended"
    status = 503


class TooMany(ServerError, BlockingIOError):
    """Raised when there are more connections, or more jobs that wait, than a server takes on."""

    type = "/problems/too-many"
    status = 503


class Stranger(ServerError, PermissionError):
    """Raised when a browser asks on behalf of another site, or under a name that is not this server's."""

    type = "/problems/stranger"
    status = 403


class NoEngine(ServerError, ConnectionError):
    """Raised when the workers that are to do the work cannot be reached, or are not as this program is."""

    type = "/problems/no-engine"
    status = 503


class ModelUnwritable(ServerError, OSError):
    """Raised when a model could not be brought to disk; the one that was there before is as it was."""

    type = "/problems/model-unwritable"
    status = 507


class Interrupted(ServerError, InterruptedError):
    """Told of a job whose server ended while it was under way."""

    type = "/problems/interrupted"
    status = 503


class PortInUse(ServerError, OSError):
    """Raised when the server's address cannot be bound."""

    type = "/problems/port-in-use"
    status = 500


class NotReady(ServerError, RuntimeError):
    """Raised when no reading could be made, or it could not be kept.

    Attributes
    ----------
    findings : tuple of Finding
        Of sensor, disk and clock, also those that are good.
    """

    type = "/problems/not-ready"
    status = 503
    findings: "tuple[Finding, ...]" = ()
