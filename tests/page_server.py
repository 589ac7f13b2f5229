"""Serves the page of an app from its folder, with a config.json of the test's own."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Thread

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from deploy.apps import ROOT


@contextmanager
def serve_page(app: str, port: int, config: Mapping[str, str]) -> Iterator[str]:
    """Serve the page of *app* on *port* until the end of the context; yield its URL."""
    files = StaticFiles(directory=ROOT / app / "web", html=True, follow_symlink=True)
    config_json = Route("/config.json", lambda request: JSONResponse(dict(config)))
    site = Starlette(routes=[config_json, Mount("/", files)])
    server = uvicorn.Server(uvicorn.Config(site, port=port, log_level="error"))
    thread = Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()
