"""Whom a browser speaks for: a page of another site may have it ask here, or one that took this server's address.

Nobody has an account, so what a browser says of itself is all there is. It cannot send JSON or a zip, nor delete, for
another site without asking first, which is never granted. What remains are the GETs, of which ``/api`` moves the light,
and a name that another site lets point here (DNS rebinding), whose pages would then be this server's own to a browser.
"""

import ipaddress
import socket
from collections.abc import Collection
from urllib.parse import urlsplit

from flask import Flask, request

from retrolux.server.errors import Stranger

LOCAL = ("", ".local", ".lan", ".home.arpa", ".internal")
"""What a network may add to a machine's name; nobody can register a name that ends so."""


def register(app: Flask, names: Collection[str]) -> None:
    """Refuse what a browser asks for another site, or under a name that is not the server's.

    Parameters
    ----------
    app : Flask
    names : collection of str
        By which it may be called, besides addresses, ``localhost`` and the machine's own name.
    """
    machine = socket.gethostname().lower()
    own = {"localhost", machine, *(name.lower() for name in names)}
    own |= {machine.split(".")[0] + ending for ending in LOCAL}

    def refuse() -> None:
        refuse_name(request.headers.get("Host"), own)
        refuse_site(request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin"), request.headers.get("Host"))

    app.before_request(refuse)


def refuse_name(host: str | None, own: Collection[str]) -> None:
    """Raise Stranger where a request is for a host of another name than these; an address is nobody's name."""
    if host is None:  # no browser leaves it out
        return
    name = _name(host)
    if name not in own and not name.endswith(".localhost") and not _is_address(name):
        raise Stranger(
            f"This server is not called {name[:100]!r}.",
            "Ask it by its address or the machine's name; or put that name in [serve] names of its configuration.",
        )


def refuse_site(fetched: str | None, origin: str | None, host: str | None) -> None:
    """Raise Stranger where a browser says that a page of another site asks (Fetch Metadata, RFC 6454)."""
    foreign = origin is not None and _place(origin) != (host or "").lower()
    if foreign or fetched in {"cross-site", "same-site"}:
        raise Stranger(
            f"A page of another site asks{f' ({origin[:100]})' if origin else ''}.",
            "Ask from a program, or type the address.",
        )


def _place(origin: str) -> str | None:
    """Return host and port of an origin, None where it has none, such as ``null``."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None


def _name(host: str) -> str:
    """Return a Host header's name, without its port."""
    name, colon, port = host.strip().lower().rpartition(":")
    return (name if colon and (port.isdecimal() or not port) else host.strip().lower()).strip("[]").rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.split("%", 1)[0])
    except ValueError:
        return False
    return True
