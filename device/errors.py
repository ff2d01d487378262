"""What can go wrong in the device room, each with its cause and its remedy in words.

Every error carries the same four fields: a stable problem ``type`` (RFC 9457, relative URI), an HTTP ``status``, and
the ``cause`` and ``remedy`` that a person reads. A front end needs nothing else to answer well.
"""

from typing import Any, ClassVar


class DeviceError(Exception):
    """Base of all errors of the device room.

    Parameters
    ----------
    cause : str
        What happened, in words, with the offending value.
    remedy : str
        What the reader can do about it.
    """

    type: ClassVar[str] = "/problems/device"
    status: ClassVar[int] = 500

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(f"{cause} {remedy}")
        self.cause = cause
        self.remedy = remedy

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how another process makes it again: of the two sentences, not of the one that they are together."""
        return type(self), (self.cause, self.remedy)


class BadInput(DeviceError, ValueError):
    """Raised before anything moves, when a duty is not a finite number in [0, 1] or their number is wrong."""

    type = "/problems/bad-input"
    status = 422


class UnknownChannel(DeviceError, KeyError):
    """Raised when a channel is asked for that the instrument does not have."""

    type = "/problems/unknown-channel"
    status = 422
    __str__ = DeviceError.__str__  # KeyError would quote the sentence


class FixedExposure(DeviceError, ValueError):
    """Raised when another gain or integration time is asked of an instrument whose own cannot be chosen."""

    type = "/problems/fixed-exposure"
    status = 422


class UnknownDevice(DeviceError, ValueError):
    """Raised by the factory for a name that is neither sim, sim:N, pi nor an http address."""

    type = "/problems/unknown-device"
    status = 422


class SensorMissing(DeviceError, ConnectionError):
    """Raised when no AS7341 answers on the bus, or it stops answering.

    Attributes
    ----------
    others : tuple of int, optional
        Addresses of the bus that answer instead, where it was asked.
    """

    type = "/problems/sensor-missing"
    status = 503
    others: tuple[int, ...] | None = None


class SensorTimeout(DeviceError, TimeoutError):
    """Raised when the sensor answers but does not finish in the time its settings allow."""

    type = "/problems/sensor-timeout"
    status = 504


class SensorReset(DeviceError, ConnectionError):
    """Raised when the sensor answers but no longer has the settings it was given, as after a brown-out."""

    type = "/problems/sensor-reset"
    status = 503


class TuningFailed(DeviceError, RuntimeError):
    """Raised when the instrument cannot find out about itself, because its light or the room's does not let it."""

    type = "/problems/tuning"
    status = 503


class LightError(DeviceError, OSError):
    """Raised when the light's PWM outputs cannot be had or driven."""

    type = "/problems/light"
    status = 503


class InstrumentBusy(DeviceError, BlockingIOError):
    """Raised when another process owns the instrument's hardware."""

    type = "/problems/busy"
    status = 409


class InstrumentClosed(DeviceError, ValueError):
    """Raised when a closed instrument or log is used."""

    type = "/problems/closed"
    status = 503


class RemoteError(DeviceError, ConnectionError):
    """Raised when the other Retrolux or Claude-Light cannot be reached or does not answer as one."""

    type = "/problems/remote"
    status = 502


class LogUnreadable(DeviceError, ValueError):
    """Raised when a log file cannot be read; the cause names file and line."""

    type = "/problems/log-unreadable"
    status = 422


class LogUnwritable(DeviceError, OSError):
    """Raised when a reading could not be brought to disk; it was then not acknowledged."""

    type = "/problems/log-unwritable"
    status = 507
