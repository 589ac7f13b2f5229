"""How long the emulator keeps the connections of its clients, and what it sends at once.

* An idle connection stays open until its client closes it or the emulator ends. A timer would end when the clock of
  localaws is turned, while the client sends its next request.
* At the end of the emulator, requests have the graceful time-out to end. Hypercorn closes its listening socket first,
  and since Python 3.12 that waits for all connections: each long poll would delay the end by up to 20 seconds.
  https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.Server.wait_closed
* The head of a response is sent with the first part of its body. Sending is a third of the CPU time of a short request.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import Any

import h11
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.events import RawData
from hypercorn.protocol.h11 import H11Protocol

_connection: ContextVar[TCPServer] = ContextVar("connection")
"""The connection of the request that is being answered."""


def drop() -> None:
    """Close the connection of the request that is being answered, without an answer."""
    _connection.get().writer.transport.abort()


async def idle_timeout(server: TCPServer) -> None:
    """Close an idle connection when the emulator ends."""
    await server.context.terminated.wait()
    await asyncio.shield(server._initiate_server_close())


def ended(serve: Any) -> Any:
    """Wrap the serving of a connection to abort it some time after the end of the emulator has begun."""

    async def abort(server: TCPServer) -> None:
        await server.context.terminated.wait()
        await asyncio.sleep(server.config.graceful_timeout)
        server.writer.transport.abort()

    async def run(server: TCPServer) -> None:
        _connection.set(server)
        aborting = asyncio.create_task(abort(server))
        try:
            await serve(server)
        finally:
            aborting.cancel()

    return run


async def send_event(protocol: H11Protocol, event: Any) -> None:
    """Send an event of a response, but keep its head until the next event."""
    try:
        data = protocol.connection.send(event) or b""
    except h11.LocalProtocolError:
        if protocol.connection.their_state != h11.ERROR:
            raise
        return
    if isinstance(event, h11.Response):
        vars(protocol)["head"] = data
    elif data := vars(protocol).pop("head", b"") + data:
        await protocol.send(RawData(data=data))


def install() -> None:
    """Apply the rules to all connections of this process."""
    TCPServer._idle_timeout = idle_timeout  # type: ignore[method-assign,assignment]
    TCPServer.run = ended(TCPServer.run)  # type: ignore[method-assign]
    H11Protocol._send_h11_event = send_event  # type: ignore[method-assign,assignment]
