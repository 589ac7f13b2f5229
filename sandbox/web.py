"""Serves the page of an app from its `web/` folder, with a `config.json` that has the addresses of its AWS."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.settings import ROOT, Settings

_KEYS = ("api", "user_pool_id", "user_pool_client_id", "identity_pool_id")


def page(settings: Settings, app: str, outputs: dict[str, Any]) -> Starlette:
    """Return the site of *app*, whose entry in outputs.json is *outputs*."""
    config = {key: outputs[key] for key in _KEYS if key in outputs}
    aws = settings.aws
    config |= {"region": aws.regions[0], "endpoint": aws.endpoint, "console": settings.url("console")}

    def config_json(request: Request) -> Response:
        return JSONResponse(config)

    return Starlette(
        routes=[
            Route("/config.json", config_json),
            Mount("/", StaticFiles(directory=ROOT / app / "web", html=True, follow_symlink=True)),
        ],
        middleware=[Middleware(_Revalidated)],
    )


class _Revalidated:
    """Makes the browser revalidate each file, so that an edit shows at once."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_revalidated(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"cache-control", b"no-cache")]
            await send(message)

        await self._app(scope, receive, send_revalidated)
