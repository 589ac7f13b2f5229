"""`python -m localaws.cloudfront ID=PORT ...`: serve each distribution on a port of 127.0.0.1 until SIGTERM.

A distribution answers requests of its own pages and of those in `LOCALAWS_ORIGINS`.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from localaws import exchange, service_models
from localaws.allowed_pages import AllowedPages, origins
from localaws.cloudfront.edge import Edge, edge
from localaws.server import Server


def server(distribution: Edge, port: int, application: ASGIApp | None = None) -> uvicorn.Server:
    """Return a server of a distribution that adds no headers of its own.

    An *application* that wraps the distribution takes its place.
    """
    return Server(
        uvicorn.Config(
            AllowedPages(application or distribution, origins(), serves=distribution.has_host),
            host="127.0.0.1",
            port=port,
            http="httptools",
            date_header=False,
            server_header=False,
            proxy_headers=False,
            access_log=False,
            log_level="warning",
        )
    )


async def main(arguments: list[str]) -> None:
    """Serve until SIGTERM or SIGINT."""
    await serve([server(distribution, port) for distribution, port in edges(arguments)])


def edges(arguments: Sequence[str]) -> list[tuple[Edge, int]]:
    """Return each distribution and its port."""
    return [(edge(identifier), int(port)) for identifier, _, port in (item.partition("=") for item in arguments)]


async def serve(servers: Sequence[uvicorn.Server], stopping: Callable[[], None] = lambda: None) -> None:
    """Run the servers until SIGTERM or SIGINT. Then call *stopping*, and wait until each answer has ended."""

    def stop() -> None:
        stopping()
        for each in servers:
            each.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    await asyncio.gather(*(each.serve() for each in servers))


def run(serving: Coroutine[Any, Any, None]) -> None:
    """Run the servers on the event loop of uvicorn."""
    service_models.share()
    exchange.install()
    asyncio.run(serving, loop_factory=uvicorn.Config("", loop="uvloop").get_loop_factory())


if __name__ == "__main__":
    run(main(sys.argv[1:]))
