"""Which requests a server on this machine answers: those of programs on it, and those of allowed web pages.

Any web page that a developer opens can send requests to 127.0.0.1. It can also read the answers if the name of its own
host resolves to 127.0.0.1 (DNS rebinding). So a server answers only for hosts that no stranger can make resolve to this
machine. It answers a page only if the page is the server's own or has one of the allowed origins.
https://fetch.spec.whatwg.org/#origin-header
https://www.w3.org/TR/fetch-metadata/
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

VARIABLE = "LOCALAWS_ORIGINS"
ANY = "*"
"""Allows every page, at any host: there is no check."""

LOOPBACK = re.compile(r"(.+\.)?localhost|127(\.[0-9]{1,3}){3}|\[?::1\]?", re.IGNORECASE)
"""A host name that is this machine for everybody."""

_PORT = re.compile(r":[0-9]*$")
_READ = (b"host", b"origin", b"referer", b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest")
_REFUSED = f"Only programs on this machine, and the pages of {VARIABLE}, may call this server.\n".encode()


def origins() -> set[str]:
    """Return the allowed origins in the environment, such as `http://127.0.0.1:4501`, separated by spaces."""
    return set(os.environ.get(VARIABLE, "").split())


def local_origins(port: int) -> set[str]:
    """Return the origins of a page that is served on a port of this machine."""
    return {f"http://127.0.0.1:{port}", f"http://localhost:{port}"}


def is_local(host: str) -> bool:
    """Return whether a Host, without its port, is this machine for everybody."""
    return bool(LOOPBACK.fullmatch(host))


class AllowedPages:
    """The ASGI application *app* behind a check of each request. What is refused gets 403 and one line.

    *origins* are the allowed ones, which may change while the server runs. *serves* says whether the server has a
    host name, without port.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str], serves: Callable[[str], bool] = is_local) -> None:
        self._app, self._origins, self._serves = app, origins, serves

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or self._allows(scope):
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(_REFUSED)).encode())]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            await send({"type": "http.response.body", "body": _REFUSED})
        else:
            await send({"type": "websocket.close", "code": 1008})  # the handshake gets 403

    def _allows(self, scope: Scope) -> bool:
        if ANY in self._origins:
            return True
        sent = [(name.lower(), value.decode("latin-1")) for name, value in scope["headers"] if name.lower() in _READ]
        headers = dict(sent)
        if [name for name, _ in sent].count(b"host") > 1:
            return False  # RFC 9112, section 3.2: what reads the first host and what reads the last would differ
        host = headers.get(b"host", "")
        if not self._serves(_PORT.sub("", host)):
            return False
        origin, site = headers.get(b"origin", "null"), headers.get(b"sec-fetch-site", "none")
        if origin != "null":
            return self._allows_origin(origin, host)
        if site in ("none", "same-origin"):  # a program, an address that a person typed, or a page of this server
            return b"origin" not in headers or site == "same-origin"
        if scope.get("method") not in ("GET", "HEAD"):
            return False
        # A person follows a link. The page with the link cannot read the answer.
        if headers.get(b"sec-fetch-mode") == "navigate" and headers.get(b"sec-fetch-dest") == "document":
            return True
        referer = urlsplit(headers.get(b"referer", ""))
        return self._allows_origin(f"{referer.scheme}://{referer.netloc}", host)

    def _allows_origin(self, origin: str, host: str) -> bool:
        return origin in self._origins or urlsplit(origin).netloc == host
