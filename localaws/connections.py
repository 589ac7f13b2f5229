"""The connections of clients to the emulator: uvicorn and httptools serve them, not hypercorn and h11.

Hypercorn took a third of the CPU time of a short request.

* The scope has the headers as they were sent in its extension `SENT_HEADERS`.
* An idle connection stays open until its client closes it or the emulator ends. A time-out would end when the clock of
  localaws is turned, while the client sends its next request.
* At the end of the emulator, requests have `GRACE` seconds to end. Then only long polls of the data planes are open.
"""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from typing import Any

import hypercorn.asyncio
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http import httptools_impl

from localaws import exchange
from localaws.server import Server

SENT_HEADERS = "localaws.sent_headers"
GRACE = 0.5
"""Seconds."""
_NEVER = 10**9
"""Seconds, which are 31 years."""


class Connection(httptools_impl.HttpToolsProtocol):
    """A connection of a client."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._sent_headers: list[tuple[bytes, bytes]] = []
        self.scope["extensions"] = {SENT_HEADERS: self._sent_headers}  # type: ignore[dict-item]

    def on_header(self, name: bytes, value: bytes) -> None:
        self._sent_headers.append((name, value))
        super().on_header(name, value)


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
    exchange.install()
    hypercorn.asyncio.serve = serve  # type: ignore[assignment]
