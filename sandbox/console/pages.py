"""The console's pages: templates in ``web`` that share one head, bar and navigation, in ``layout.html``."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, TemplateNotFound
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

WEB = Path(__file__).parent / "web"

_templates = Environment(loader=FileSystemLoader(WEB), autoescape=True)


def routes() -> list[BaseRoute]:
    """Return the routes of the pages, and of the scripts, stylesheets and pictures that they load."""
    return [
        Route("/", _page),
        Route("/{page}.html", _page),
        Mount("/", StaticFiles(directory=WEB, follow_symlink=True)),
    ]


def _page(request: Request) -> Response:
    name = request.path_params.get("page", "index")
    here = "./" if name == "index" else f"{name}.html"
    try:
        return HTMLResponse(_templates.get_template(f"{name}.html").render(here=here))
    except TemplateNotFound:
        return PlainTextResponse("Not Found", 404)
