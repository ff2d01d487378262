"""The remote instrument: two kinds of other side, and everything that another side may answer."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from retrolux.device.errors import RemoteError
from retrolux.device.measurement import CHANNELS, REFERENCE, Exposure
from retrolux.device.remote import Remote
from retrolux.device.settings import InstrumentSettings
from retrolux.device.sim import Parts, open_sim
from tests.device.loopback import Answer, Request, claude_light, retrolux, serving

SETTING = (0.1, 0.2, 0.3)
GOOD = {"in": list(SETTING), "out": dict.fromkeys(CHANNELS, 7)}


@contextmanager
def answering(status: int, body: Any, **headers: str) -> Iterator[Remote]:
    """Yield an instrument whose other side always says this."""
    with serving(lambda _: Answer(status, body, headers)) as (address, _):
        yield Remote(address, timeout=5)


@contextmanager
def raw(reply: bytes | None) -> Iterator[str]:
    """Yield the address of a listener that answers one caller with these bytes and hangs up, or says nothing."""
    done = threading.Event()

    def serve(listener: socket.socket) -> None:
        caller, _ = listener.accept()
        with caller:
            caller.recv(65536)
            if reply is None:
                done.wait(10)
            else:
                caller.sendall(reply)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        done.set()
        thread.join()


def test_a_claude_light_is_recognised_once_and_then_asked_its_way(parts: Parts) -> None:
    with open_sim(0, InstrumentSettings(), parts) as behind, serving(claude_light(behind)) as (address, requests):
        instrument = Remote(f"{address}/api")
        assert instrument.status()["kind"] == "unknown"
        first, _ = instrument.measure(SETTING), instrument.measure(SETTING)
    assert [(r.method, r.path) for r in requests] == [("POST", "/v1/measure"), ("GET", "/api"), ("GET", "/api")]
    assert requests[1].query == {"R": "0.1", "G": "0.2", "B": "0.3"}
    assert instrument.status()["kind"] == "claude-light"
    assert (first.device, first.exposure, first.inputs) == (address, REFERENCE, SETTING)


def test_a_retroluxs_record_is_kept_and_its_device_named(parts: Parts) -> None:
    exposure = Exposure(64, 50, 999)
    with open_sim(0, InstrumentSettings(exposure), parts) as behind, serving(retrolux(behind)) as (address, requests):
        instrument = Remote(address)
        reading = instrument.measure(SETTING, ["nir", "515nm"])
    (asked,) = requests
    assert asked.body == {"inputs": {"R": 0.1, "G": 0.2, "B": 0.3}, "channels": ["515nm", "nir"]}
    assert reading.device == f"{address} (sim)"
    assert reading.exposure == exposure
    assert reading.time == pytest.approx(1_763_870_458, abs=10)  # the other side's clock
    assert reading.elapsed == pytest.approx(2 * exposure.seconds / 2 + 0.03, abs=0.1)  # one pass has both
    assert instrument.status() == {"device": address, "exposure": None, "kind": "retrolux"}


def test_a_problem_is_passed_on_in_its_own_words() -> None:
    problem = {"type": "/problems/busy", "status": 409, "detail": "Another process owns it.", "remedy": "Stop it."}
    with answering(409, problem) as instrument, pytest.raises(RemoteError) as failed:
        instrument.measure(SETTING)
    assert failed.value.cause == f"{instrument.name} says: Another process owns it."
    assert failed.value.remedy == "Stop it."


@pytest.mark.parametrize("body", [b"<h1>oops</h1>", [], {"detail": "no remedy"}, b"\xff", b"[" * 100_000])
def test_a_failure_without_a_problem_document_is_told_by_its_status(body: Any) -> None:
    with answering(503, body) as instrument, pytest.raises(RemoteError, match="answered 503 Service Unavailable"):
        instrument.measure(SETTING)


def test_a_known_retrolux_that_answers_404_is_not_taken_for_a_claude_light() -> None:
    answers = iter([Answer(200, GOOD | {"device": "sim"}), Answer(404, {"detail": "Gone.", "remedy": "Look."})])
    with serving(lambda _: next(answers)) as (address, requests):
        instrument = Remote(address)
        instrument.measure(SETTING)
        with pytest.raises(RemoteError, match="Gone"):
            instrument.measure(SETTING)
    assert [r.method for r in requests] == ["POST", "POST"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"7",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b"{" + b" " * 1_100_000 + b"}",
        {},
        {"in": list(SETTING)},
        GOOD | {"in": [0.1, 0.2]},
        GOOD | {"in": "abc"},
        GOOD | {"in": None},
        GOOD | {"in": [0.1, 0.2, float("nan")]},
        GOOD | {"in": [0.1, 0.2, 1.5]},
        GOOD | {"out": {}},
        GOOD | {"out": []},
        GOOD | {"out": GOOD["out"] | {"nir": None}},  # type: ignore[operator]
        GOOD | {"out": GOOD["out"] | {"nir": float("nan")}},  # type: ignore[operator]
        GOOD | {"out": GOOD["out"] | {"nir": float("inf")}},  # type: ignore[operator]
        GOOD | {"time": "today"},
        GOOD | {"gain": 128},
        GOOD | {"gain": 128, "atime": "many", "astep": 1},
    ],
    ids=lambda body: str(body)[-40:],
)
def test_an_answer_that_is_no_reading_is_refused_in_words(body: Any) -> None:
    with answering(200, body) as instrument, pytest.raises(RemoteError, match="does not answer") as failed:
        instrument.measure(SETTING)
    assert instrument.name in failed.value.cause
    assert "Check the address" in failed.value.remedy


@pytest.mark.parametrize(
    "reply", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"\x00\x01\x02", b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"]
)
def test_what_speaks_no_http_is_refused_in_words(reply: bytes) -> None:
    with raw(reply) as address, pytest.raises(RemoteError, match="does not answer"):
        Remote(address, timeout=5).measure(SETTING)


def test_silence_ends_after_the_timeout() -> None:
    with raw(None) as address, pytest.raises(RemoteError, match="timed out"):
        Remote(address, timeout=0.05).measure(SETTING)


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:1", "http://127.0.0.1:port", "http://a b", "http://127.0.0.1:-1"]
)
def test_an_address_where_nobody_is_is_refused_in_words(address: str) -> None:
    with pytest.raises(RemoteError, match="does not answer") as failed:
        Remote(address, timeout=5).measure(SETTING)
    assert failed.value.remedy


def test_credentials_are_sent_and_never_shown() -> None:
    with serving(lambda _: Answer(401, b"")) as (address, requests):
        instrument = Remote(address.replace("//", "//me:s%40cret@"))
        with pytest.raises(RemoteError) as failed:
            instrument.measure(SETTING)
    assert requests[0].headers["Authorization"] == "Basic bWU6c0BjcmV0"  # me:s@cret
    for shown in (instrument.name, str(failed.value), str(instrument.status())):
        assert "cret" not in shown
    assert instrument.name == address


def test_without_credentials_none_are_sent() -> None:
    with serving(lambda _: Answer(200, GOOD)) as (address, requests):
        Remote(address).measure(SETTING)
    assert "Authorization" not in requests[0].headers


def test_a_saturated_count_is_named_though_the_other_side_does_not() -> None:
    full = GOOD | {"out": dict.fromkeys(CHANNELS, 7) | {"clear": 65535}}

    def answer(asked: Request) -> Answer:
        return Answer(200, full) if asked.method == "GET" else Answer(405, b"")

    with serving(answer) as (address, _):
        assert Remote(address).measure(SETTING).saturated == ("clear",)


def test_saturation_that_the_other_side_names_is_kept() -> None:
    with answering(200, GOOD | {"saturated": ["nir"]}) as instrument:
        assert instrument.measure(SETTING).saturated == ("nir",)
