"""The connections of clients to the emulator: uvicorn and httptools serve them, not hypercorn and h11.

Hypercorn took a third of the CPU time of a short request.

* The scope has the headers as they were sent in its extension `SENT_HEADERS`. Responses keep the case of their headers.
* The head of a response is sent with the first part of its body.
* An idle connection stays open until its client closes it or the emulator ends. A time-out would end when the clock of
  localaws is turned, while the client sends its next request.
* At the end of the emulator, requests have `GRACE` seconds to end. Then only long polls of the data planes are open.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

import hypercorn.asyncio
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http import httptools_impl

from localaws.server import Server

SENT_HEADERS = "localaws.sent_headers"
GRACE = 0.5
"""Seconds."""
_NEVER = 10**9
"""Seconds, which are 31 years."""
_WITHOUT_BODY = (204, 304)

_answering: ContextVar[Exchange] = ContextVar("answering")
"""The request that is being answered."""


def drop() -> None:
    """Close the connection of the request that is being answered, without an answer."""
    exchange = _answering.get()
    exchange.disconnected = True
    exchange.transport.abort()


class Connection(httptools_impl.HttpToolsProtocol):
    """A connection of a client."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._sent_headers: list[tuple[bytes, bytes]] = []
        self.scope["extensions"] = {SENT_HEADERS: self._sent_headers}  # type: ignore[dict-item]

    def on_header(self, name: bytes, value: bytes) -> None:
        self._sent_headers.append((name, value))
        super().on_header(name, value)


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
        if data := b"".join(parts):
            self.transport.write(data)
        if not more:
            self.response_complete = True
            self.message_event.set()
            if not self.keep_alive:
                self.transport.close()
            self.on_response()


class EmulatorServer(Server):
    """The server of the emulator."""

    async def shutdown(self, sockets: Any = None) -> None:
        """Close the connections. What is not answered after GRACE seconds gets no answer."""
        for each in self.servers:
            each.close()
        connections: Any = self.server_state.connections
        for connection in list(connections):
            connection.shutdown()
        if tasks := set(self.server_state.tasks):
            await asyncio.wait(tasks, timeout=GRACE)
        for connection in list(connections):
            connection.transport.abort()
        await self.lifespan.shutdown()


def until_cancelled(application: ASGIApp) -> ASGIApp:
    """Wrap the emulator: uvicorn would log the end of a long poll as an error."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        with suppress(asyncio.CancelledError):
            await application(scope, receive, send)

    return serve


def server(application: ASGIApp, certificate: str | None = None, key: str | None = None) -> EmulatorServer:
    """Return a server of the emulator, with TLS if there are files of a *certificate* and its *key*."""
    return EmulatorServer(
        uvicorn.Config(
            until_cancelled(application),
            http=Connection,
            ws="wsproto",
            lifespan="on",
            interface="asgi3",
            ssl_certfile=certificate,
            ssl_keyfile=key,
            date_header=False,
            server_header=False,
            proxy_headers=False,
            access_log=False,
            log_config=None,
            log_level="warning",
            timeout_keep_alive=_NEVER,
            reset_contextvars=True,  # a request knows nothing of the one before it on the same connection
        )
    )


async def serve(application: Any, config: Any) -> None:
    """Serve in place of `hypercorn.asyncio.serve` with its *config*, until SIGTERM or SIGINT."""
    emulator = server(application, config.certfile, config.keyfile)

    def stop() -> None:
        emulator.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    sockets = config.create_sockets()
    await emulator.serve([*sockets.secure_sockets, *sockets.insecure_sockets])


def install() -> None:
    """Let the emulator serve with uvicorn."""
    httptools_impl.RequestResponseCycle = Exchange  # type: ignore[misc]
    hypercorn.asyncio.serve = serve  # type: ignore[assignment]
