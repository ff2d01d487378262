"""Another Retrolux, or any Claude-Light, as an instrument."""

import base64
import http.client
import json
import time
import urllib.error
import urllib.request
from dataclasses import asdict
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit, urlunsplit

from retrolux.device.automatic import Automatic
from retrolux.device.errors import FixedExposure, RemoteError, UnknownDevice
from retrolux.device.identity import new_id
from retrolux.device.instrument import Instrument
from retrolux.device.measurement import UNSYNCHRONISED, Exposure, Measurement, exposure_in
from retrolux.device.timekeeping import Synchronisation

CHECK_ADDRESS = "Check the address, and that `retrolux serve` or a Claude-Light answers there."
LARGEST_ANSWER = 1_000_000  # bytes
NOT_A_RETROLUX = {404, 405}
STAGES = 3  # of an exchange, each of which may take the timeout: to connect, to be heard, to be answered


class Remote(Instrument):
    """An instrument behind HTTP; whether it is a Retrolux or a Claude-Light is found at the first reading.

    The other side keeps its light dark when nobody measures. Its name is its address; for a Retrolux, with the device
    that it has, so that a simulated reading never passes for a real one: ``http://host:8000 (sim)``.

    Parameters
    ----------
    url : str
        Such as ``http://host:8000``; a user and a password in it are sent as basic authentication, and never shown.
    timeout : float
        Seconds to wait for an answer.
    """

    def __init__(self, url: str, timeout: float = 30) -> None:
        self._url, self._headers = split_credentials(url.rstrip("/").removesuffix("/api"))
        super().__init__(self._url)
        self._timeout = timeout
        self._is_retrolux: bool | None = None
        self._synchronisation = Synchronisation()

    def _do_measure(
        self, inputs: tuple[float, ...], channels: tuple[str, ...], exposure: Exposure | Automatic | None
    ) -> Measurement:
        when, began = time.time(), time.monotonic()
        record = self._ask_retrolux(inputs, channels, exposure) if self._is_retrolux is not False else None
        if record is None:
            if exposure is not None:
                raise FixedExposure(f"The exposure of {self.name} is fixed.", "Leave gain, atime and astep out.")
            record = self._ask_claude_light(inputs)
        return self._reading(record, channels, when, time.monotonic() - began)

    def _ask_retrolux(
        self, inputs: tuple[float, ...], channels: tuple[str, ...], exposure: Exposure | Automatic | None
    ) -> dict[str, Any] | None:
        asked = {"inputs": dict(zip(self.inputs, inputs, strict=True)), "channels": list(channels)}
        body = json.dumps(asked | _as_json(exposure))
        request = urllib.request.Request(  # noqa: S310 - the factory lets only http and https in
            f"{self._url}/v1/measure", body.encode(), {"Content-Type": "application/json"} | self._headers
        )
        try:
            record = self._fetch(request)
        except urllib.error.HTTPError as error:
            if error.code in NOT_A_RETROLUX and self._is_retrolux is None:
                self._is_retrolux = False
                return None
            raise self._refused(error) from error
        self._is_retrolux = True
        return record

    def _ask_claude_light(self, inputs: tuple[float, ...]) -> dict[str, Any]:
        query = urlencode(dict(zip(self.inputs, inputs, strict=True)))
        try:
            return self._fetch(urllib.request.Request(f"{self._url}/api?{query}", None, self._headers))  # noqa: S310
        except urllib.error.HTTPError as error:
            raise self._refused(error) from error

    def _fetch(self, request: urllib.request.Request) -> dict[str, Any]:
        self.heartbeat.beat(STAGES * self._timeout)
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as answer:  # noqa: S310 # nosec B310 - http alone
                document = json.loads(answer.read(LARGEST_ANSWER))
        except urllib.error.HTTPError:
            raise
        except (OSError, ValueError, RecursionError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise RemoteError(f"{self.name} does not answer as an instrument: {reason}.", CHECK_ADDRESS) from error
        if not isinstance(document, dict):
            raise RemoteError(f"{self.name} does not answer as an instrument: no object.", CHECK_ADDRESS)
        return document

    def _refused(self, error: urllib.error.HTTPError) -> RemoteError:
        """Pass the other side's problem on in its own words."""
        try:
            problem = json.loads(error.read(LARGEST_ANSWER))
            return RemoteError(f"{self.name} says: {problem['detail']}", str(problem["remedy"]))
        except (OSError, ValueError, KeyError, TypeError, RecursionError, http.client.HTTPException):
            return RemoteError(f"{self.name} answered {error.code} {error.reason}.", CHECK_ADDRESS)
        finally:
            error.close()

    def _reading(self, record: dict[str, Any], channels: tuple[str, ...], when: float, elapsed: float) -> Measurement:
        try:
            outputs = {c: int(record["out"][c]) for c in channels}
            exposures = {c: exposure_in(record, c) for c in channels}
            exposure = exposures[channels[0]]
            named = record.get("saturated", ())
            return Measurement(
                inputs=self.checked_inputs(record["in"]),
                outputs=outputs,
                time=float(record.get("time", when)),
                device=f"{self.name} ({record['device']})" if "device" in record else self.name,
                id=str(record.get("id") or new_id(when)),
                exposure=exposure,
                saturated=tuple(c for c, v in outputs.items() if c in named or v >= exposures[c].ceiling),
                elapsed=float(record.get("elapsed", elapsed)),
                exposures={c: e for c, e in exposures.items() if e != exposure},
                duty=self.checked_inputs(record["duty"]) if record.get("duty") else None,
                clock=self._clock_of(record),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise RemoteError(f"{self.name} does not answer with a reading: {error!r}.", CHECK_ADDRESS) from error

    def _clock_of(self, record: dict[str, Any]) -> str | None:
        """Return what is to be said of the clock that a reading was dated by: the other side's, or this machine's."""
        if "time" in record:
            return UNSYNCHRONISED if record.get("clock") == UNSYNCHRONISED else None
        return UNSYNCHRONISED if self._synchronisation.known() is False else None

    def _do_dark(self) -> None:
        """Do nothing: the other side is dark by itself after each reading."""

    def _do_answer(self) -> None:
        """Do nothing: whether the other side answers is its own watchdog's matter."""

    def _do_status(self) -> dict[str, Any]:
        return {"exposure": None, "kind": {None: "unknown", True: "retrolux", False: "claude-light"}[self._is_retrolux]}

    def _do_time(self) -> float:
        return time.time()

    def _do_synchronised(self) -> bool | None:
        return None if self._is_retrolux else self._synchronisation.known()

    def _do_wait(self, seconds: float) -> None:
        time.sleep(max(seconds, 0.0))

    def _do_close(self) -> None:
        """Do nothing: no connection is kept."""


def _as_json(exposure: Exposure | Automatic | None) -> dict[str, Any]:
    """Return the part of a request that says the exposure."""
    if exposure is None:
        return {}
    return {"exposure": asdict(exposure) if isinstance(exposure, Exposure) else "auto"}


def split_credentials(url: str) -> tuple[str, dict[str, str]]:
    """Return the address without user and password, and the header that says them (RFC 7617)."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise UnknownDevice("The address of the device is malformed.", CHECK_ADDRESS) from error
    credentials, at, host = parts.netloc.rpartition("@")
    header = "Basic " + base64.b64encode(unquote(credentials).encode()).decode()
    return urlunsplit(parts._replace(netloc=host)), {"Authorization": header} if at else {}
