"""What can go wrong in the models room, each with its cause and its remedy in words.

Every error carries the same four fields: a stable problem ``type`` (RFC 9457, relative URI), an HTTP ``status``, and
the ``cause`` and ``remedy`` that a person reads. A front end needs nothing else to answer well.
"""

from typing import Any, ClassVar


class ModelError(Exception):
    """Base of all errors of the models room.

    Parameters
    ----------
    cause : str
        What happened, in words, with the offending value.
    remedy : str
        What the reader can do about it.
    """

    type: ClassVar[str] = "/problems/model"
    status: ClassVar[int] = 500

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(f"{cause} {remedy}")
        self.cause = cause
        self.remedy = remedy

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how another process makes it again: of the two sentences, not of the one that they are together."""
        return type(self), (self.cause, self.remedy)


class BadData(ModelError, ValueError):
    """Raised when readings cannot be fitted: too few, not finite, no variation, columns missing."""

    type = "/problems/bad-data"
    status = 422


class MixedSettings(BadData):
    """Raised when readings of several exposures come without calibrated gain ratios."""

    type = "/problems/mixed-settings"


class BadTarget(ModelError, ValueError):
    """Raised when a target is empty, not finite, or gives a number that no sensor could read."""

    type = "/problems/bad-target"
    status = 422


class UnknownColumn(ModelError, KeyError):
    """Raised when a target or a condition names a column that the model does not have."""

    type = "/problems/unknown-column"
    status = 422
    __str__ = ModelError.__str__  # KeyError would quote the sentence


class UnknownMethod(ModelError, ValueError):
    """Raised for a method that is not one of those installed with the package."""

    type = "/problems/unknown-method"
    status = 422


class NoDerivative(ModelError, ArithmeticError):
    """Raised when a method's answers do not change smoothly, so that there is no derivative to tell."""

    type = "/problems/no-derivative"
    status = 422


class NotFitted(ModelError, RuntimeError):
    """Raised when a model is asked before it was fitted."""

    type = "/problems/not-fitted"
    status = 409


class MissingLibrary(ModelError, ImportError):
    """Raised when a method needs an optional package that is not installed; the remedy is the line that installs it."""

    type = "/problems/missing-library"
    status = 501


class BadArchive(ModelError, ValueError):
    """Raised when a model that was sent is damaged, or is not what its manifest says."""

    type = "/problems/bad-archive"
    status = 422


class OtherVersions(ModelError, RuntimeError):
    """Raised when a model was fitted with libraries that differ too much from those that are to answer by it."""

    type = "/problems/other-versions"
    status = 409


class ModelUnreadable(ModelError, ValueError):
    """Raised when a saved model is absent, incomplete, damaged or of another version."""

    type = "/problems/model-unreadable"
    status = 409
