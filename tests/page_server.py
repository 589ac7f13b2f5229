"""Serves the page of an app from its folder, with a config.json of the test's own."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Thread
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deploy import stacks
from deploy.apps import ROOT
from deploy.site import with_policy


def _content_security_policy(config: Mapping[str, str]) -> str:
    """Return the header that the edge adds, for a page whose services have the addresses in *config*."""
    headers = stacks.read((ROOT / "deploy" / "edge.yaml").read_text())["Resources"]["Headers"]["Properties"]
    policy = headers["ResponseHeadersPolicyConfig"]["SecurityHeadersConfig"]["ContentSecurityPolicy"]
    origins = {"{0.scheme}://{0.netloc}".format(urlsplit(each)) for each in config.values() if "://" in each}
    text = str(policy["ContentSecurityPolicy"]["Fn::Sub"][0])
    return text.replace("${SignIn}", " ".join(sorted(origins))).replace("${Files}", "")


class _WithHeader:
    """Adds the header Content-Security-Policy to each answer, as the edge does."""

    def __init__(self, app: ASGIApp, policy: str) -> None:
        self._app = app
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_header(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"content-security-policy", self._policy.encode())]
            await send(message)

        await self._app(scope, receive, send_with_header)


@contextmanager
def serve_page(app: str, port: int, config: Mapping[str, str]) -> Iterator[str]:
    """Serve the page of *app* on *port*, as it is published, until the end of the context; yield its URL."""
    folder, policy = ROOT / app / "web", _content_security_policy(config)
    pages = {page.name: with_policy(page.read_bytes(), policy) for page in folder.glob("*.html")}
    routes = [
        Route("/config.json", lambda request: JSONResponse(dict(config))),
        *(Route(f"/{name}", lambda request, page=page: HTMLResponse(page)) for name, page in pages.items()),
        Route("/", lambda request: HTMLResponse(pages["index.html"])),
        Mount("/", StaticFiles(directory=folder, follow_symlink=True)),
    ]
    site = _WithHeader(Starlette(routes=routes), policy)
    server = uvicorn.Server(uvicorn.Config(site, port=port, log_level="error"))
    thread = Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()
