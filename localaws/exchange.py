"""A request and its response, as the servers of uvicorn exchange them after `install`.

* Responses keep the case of their headers.
* The head of a response is sent with the first part of its body: a write into a socket takes more CPU time than the
  copy of a short body. The head alone is sent with an empty part.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any

from uvicorn.protocols.http import httptools_impl

_COPIED = 64 * 1024
"""Bytes of a head and a part of a body that are joined to be written at once. More is written without a copy."""
_WITHOUT_BODY = (204, 304)

_answering: ContextVar[Exchange] = ContextVar("answering")
"""The request that is being answered."""


def drop() -> None:
    """Close the connection of the request that is being answered, without an answer."""
    exchange = _answering.get()
    exchange.disconnected = True
    exchange.transport.abort()


class Exchange(httptools_impl.RequestResponseCycle):
    """A request and its response."""

    _head = b""
    _left: int | None = None
    """The bytes of the body that are still to be sent; None if the response does not tell its length."""

    async def run_asgi(self, app: Any) -> None:
        _answering.set(self)
        await super().run_asgi(app)

    async def send(self, message: Any) -> None:
        """Send a part of the response. Raises RuntimeError for a header that HTTP cannot have, and a wrong length."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if message["type"] == "http.response.start":
            self.response_started, self.waiting_for_100_continue = True, False
            self._head = self._start(message["status"], message.get("headers", ()))
        else:
            self._continue(message.get("body", b""), message.get("more_body", False))

    def _start(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        lines = [httptools_impl.STATUS_LINE[status]]
        says_close = False
        for name, value in headers:
            if httptools_impl.HEADER_RE.search(name) or httptools_impl.HEADER_VALUE_RE.search(value):
                raise RuntimeError(f"invalid header {name!r}: {value!r}")
            match name.lower():
                case b"content-length":
                    self._left = int(value)
                case b"transfer-encoding":
                    continue  # that of this connection is told below
                case b"connection":
                    says_close = value.lower() == b"close"
                    self.keep_alive = self.keep_alive and not says_close
            lines += [name, b": ", value, b"\r\n"]
        self._has_body = self.scope["method"] != "HEAD" and status not in _WITHOUT_BODY
        self.chunked_encoding = self._has_body and self._left is None and self.scope["http_version"] == "1.1"
        if self.chunked_encoding:
            lines.append(b"transfer-encoding: chunked\r\n")
        if not (self.keep_alive or says_close):
            lines.append(b"connection: close\r\n")
        return b"".join((*lines, b"\r\n"))

    def _continue(self, body: bytes, more: bool) -> None:
        parts, self._head = [self._head], b""
        if self.chunked_encoding:
            parts += [b"%x\r\n" % len(body), body, b"\r\n"] if body else []
            parts += [] if more else [b"0\r\n\r\n"]
        elif self._has_body:
            parts.append(body)
            if self._left is not None:
                self._left -= len(body)
                if self._left < 0 or (self._left and not more):
                    raise RuntimeError("the length of the body is not its Content-Length")
        self._write(parts)
        if not more:
            self.response_complete = True
            self.message_event.set()
            if not self.keep_alive:
                self.transport.close()
            self.on_response()

    def _write(self, parts: list[bytes]) -> None:
        for data in [b"".join(parts)] if sum(map(len, parts)) <= _COPIED else parts:
            if data:
                self.transport.write(data)


def install() -> None:
    """Let all servers of this process exchange requests and responses in this way."""
    httptools_impl.RequestResponseCycle = Exchange  # type: ignore[misc]
