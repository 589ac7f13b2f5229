"""`python -m localaws.cloudfront ID=PORT ...`: serve each distribution on a port of 127.0.0.1 until SIGTERM.

A distribution answers requests of its own pages and of those in `LOCALAWS_ORIGINS`.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from localaws.allowed_pages import AllowedPages, origins
from localaws.cloudfront.edge import Edge, edge


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # main handles the signals for all servers


def server(distribution: Edge, port: int) -> uvicorn.Server:
    """Return a server of a distribution that adds no headers of its own."""
    return _Server(
        uvicorn.Config(
            AllowedPages(distribution, origins(), serves=distribution.has_host),
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
    servers = [
        server(edge(identifier), int(port)) for identifier, _, port in (item.partition("=") for item in arguments)
    ]

    def stop() -> None:
        for each in servers:
            each.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    await asyncio.gather(*(each.serve() for each in servers))


if __name__ == "__main__":
    uvicorn_loop = uvicorn.Config("", loop="uvloop").get_loop_factory()
    asyncio.run(main(sys.argv[1:]), loop_factory=uvicorn_loop)
