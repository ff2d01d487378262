"""Saved models sent to another Retrolux, such as from the laptop that fitted them to a Raspberry Pi."""

import http.client
import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlencode, urlsplit

from retrolux.device.remote import split_credentials
from retrolux.models import archive, storage
from retrolux.server.errors import BadArgument, PushFailed
from retrolux.server.receiving import LARGEST_MODEL, MANIFEST_ROOM
from retrolux.server.store import ModelStore

SECONDS = 180.0  # a Raspberry Pi loads and tries the model before it answers
LARGEST_ANSWER = 1_000_000  # bytes
CHECK = "Check the address, and that `retrolux serve` of the same version listens there."


class Target:
    """The other side.

    Parameters
    ----------
    url : str
        ``http://host:8000``; a user and a password in it are sent as basic authentication, and never shown.

    Raises
    ------
    BadArgument
    """

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            known = parts.scheme in {"http", "https"} and bool(parts.hostname)
        except ValueError:
            known = False
        if not known:
            raise BadArgument("--to is no address of a server.", "Write for example --to http://raspberrypi:8000.")
        self.url, self._headers = split_credentials(url.rstrip("/"))

    def push(
        self, store: ModelStore, method: str, *, anyway: bool = False, instead_of: str | None = None
    ) -> dict[str, Any]:
        """Send a saved model, its checksums compared; return what the other side says of it.

        Parameters
        ----------
        anyway : bool
            Send it also where it describes another instrument.
        instead_of : str, optional
            Hash of the readings of the model that is to be replaced.

        Raises
        ------
        ModelUnreadable
        PushFailed
            When the other side does not answer, or refuses it; in its own words.
        """
        manifest, files = storage.read(store.folder / method)
        _refuse_large(method, files)
        content = archive.pack(manifest, files)
        query = {"device": self._name_there(store.device(method)), "anyway": "true" if anyway else "false"}
        headers = {"Content-Type": "application/zip"} | ({"If-Match": f'"{instead_of}"'} if instead_of else {})
        request = urllib.request.Request(  # noqa: S310 - http and https only, see above
            f"{self.url}/v1/models/{method}?{urlencode(query)}", content, headers | self._headers, method="PUT"
        )
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310 # nosec B310 - as above
                found: dict[str, Any] = json.loads(answer.read(LARGEST_ANSWER))
                return found
        except urllib.error.HTTPError as error:
            raise self._refused(method, error) from error
        except (OSError, ValueError, RecursionError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise PushFailed(f"{self.url} does not answer as a Retrolux: {reason}.", CHECK) from error

    def _name_there(self, device: str) -> str:
        """Return how the other side calls the instrument: what was measured at this address is its own."""
        return device.removeprefix(f"{self.url} (").removesuffix(")") if device.startswith(f"{self.url} (") else device

    def _refused(self, method: str, error: urllib.error.HTTPError) -> PushFailed:
        try:
            problem = json.loads(error.read(LARGEST_ANSWER))
            return PushFailed(f"{self.url} refuses {method}: {problem['detail']}", str(problem["remedy"]))
        except (OSError, ValueError, KeyError, TypeError, RecursionError, http.client.HTTPException):
            return PushFailed(f"{self.url} answered {error.code} {error.reason}.", CHECK)
        finally:
            error.close()


def _refuse_large(method: str, files: archive.Files) -> None:
    size = sum(map(len, files.values()))
    if size > LARGEST_MODEL - MANIFEST_ROOM:
        raise PushFailed(
            f"The {method} model has {size / 1e6:.0f} MB, more than is taken there ({LARGEST_MODEL / 1e6:.0f} MB).",
            "Fit a smaller one: of the forest the preset small.",
        )
