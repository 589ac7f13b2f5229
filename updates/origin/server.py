"""The update server: serves release indexes, signed metadata and packages from one folder.

`python server.py FOLDER` serves `GET /releases/index.json?channel=stable`, `/metadata/…` and `/packages/…` with ETag,
Last-Modified, conditional requests and ranges. All servers mount the same file system. The ETag is computed from size
and modification time, so all servers give a file the same one. The server only reads; `publish.py` writes.
"""

from __future__ import annotations

import argparse
import logging
import re
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CHANNEL = re.compile(r"[a-z][a-z0-9-]{0,30}")

logger = logging.getLogger("access")


def server(folder: Path) -> Starlette:
    """Return the ASGI app that serves the releases in *folder*."""
    files = StaticFiles(directory=folder)

    def health(request: Request) -> Response:
        return PlainTextResponse("ok")

    async def index(request: Request) -> Response:
        channel = request.query_params.get("channel", "stable")
        if not CHANNEL.fullmatch(channel):
            raise HTTPException(
                400, "channel: must start with a lower-case letter, then lower-case letters, digits, hyphens"
            )
        return await files.get_response(f"releases/{channel}.json", request.scope)

    async def metadata(request: Request) -> Response:
        return await files.get_response(f"metadata/{request.path_params['name']}", request.scope)

    async def package(request: Request) -> Response:
        return await files.get_response(f"packages/{request.path_params['name']}", request.scope)

    return Starlette(
        routes=[
            Route("/health", health),
            Route("/releases/index.json", index),
            Route("/metadata/{name}", metadata),
            Route("/packages/{name}", package),
        ],
        middleware=[Middleware(AccessLog)],
    )


class AccessLog:
    """Middleware that logs a line for each response: client, request line, status, bytes of the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == "/health":
            await self._app(scope, receive, send)
            return
        status = sent = 0

        async def counted(message: Message) -> None:
            nonlocal status, sent
            await send(message)
            status = message.get("status", status)
            sent += len(message.get("body", b""))

        try:
            await self._app(scope, receive, counted)
        finally:
            query = f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else ""
            path = scope["raw_path"].decode("latin-1")
            logger.info('%s "%s %s%s" %s %s', scope["client"][0], scope["method"], path, query, status, sent)


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve releases.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    uvicorn.run(
        server(arguments.folder), host=arguments.host, port=arguments.port, access_log=False, log_level="warning"
    )


if __name__ == "__main__":
    main()
