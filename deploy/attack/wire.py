"""Requests as an attacker writes them, byte by byte: no client normalizes their paths or corrects their framing."""

from __future__ import annotations

import http.client
import socket
import ssl
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import urllib3

from deploy.verify.requests import Answer, reached

PATIENCE = 5.0
"""Seconds to wait for the answer to a request that the server may not have seen as one."""
_LONGEST = 40.0


def ask(url: str, target: str, *headers: str, method: str = "GET", body: bytes = b"") -> Answer:
    """Send a request for *target* to the server of *url*, with *headers* such as ``Range: bytes=0-9``."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host(url)}", f"Content-Length: {len(body)}", *headers]
    (answer, *_) = answers(url, "\r\n".join([*lines, "", ""]).encode() + body, 1)
    return answer


def answers(url: str, request: bytes, most: int = 4, patience: float = _LONGEST) -> list[Answer]:
    """Send bytes to the server of *url*, and return its answers, at least one: until it closes, or *most*.

    An answer that does not come has the status 0. The first may take as long as API Gateway takes, others *patience*.
    """
    found: list[Answer] = []
    shown = request.partition(b"\r\n")[0].decode(errors="replace")
    try:
        with closing(_connected(url)) as connection:
            connection.sendall(request)
            shared = _Shared(connection)
            while len(found) < most:
                connection.settimeout(patience if found else _LONGEST)
                found.append(_answer(shared, shown))
    except (OSError, http.client.HTTPException) as error:
        if not found:
            found.append(Answer(shown, 0, urllib3.HTTPHeaderDict(), f"{type(error).__name__}: {error}".encode()))
    return found


def host(url: str) -> str:
    """Return the Host of requests to a URL."""
    address, headers = reached(url)
    return headers.get("Host") or urlsplit(address).netloc


def path(url: str) -> str:
    """Return the path of a URL, as its server sees it."""
    return urlsplit(reached(url)[0]).path


def _connected(url: str) -> socket.socket:
    address = urlsplit(reached(url)[0])
    secure = address.scheme == "https"
    connection = socket.create_connection((str(address.hostname), address.port or (443 if secure else 80)), 10)
    if not secure:
        return connection
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context.wrap_socket(connection, server_hostname=urlsplit(url).hostname)


class _Shared:
    """A connection whose answers are read from one buffer: the next one may have come with the one before."""

    def __init__(self, connection: socket.socket) -> None:
        self._file = connection.makefile("rb")

    def makefile(self, *_: object) -> Any:
        return self

    def close(self) -> None:
        """Leave the connection open: an answer closes it at its end."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _answer(connection: Any, shown: str) -> Answer:
    response = http.client.HTTPResponse(connection)
    response.begin()
    headers = urllib3.HTTPHeaderDict(response.getheaders())
    return Answer(shown, response.status, headers, response.read())
