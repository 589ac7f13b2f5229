"""The console's pages: templates in ``web`` that share one head, bar and navigation, in ``layout.html``."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, TemplateNotFound
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from sandbox.settings import ROOT

WEB = Path(__file__).parent / "web"
DOCUMENTATION = ROOT / "dist" / "docs"
"""The site that `make docs` builds. It has a link as soon as it exists."""

_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "worker-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The generator of the site writes scripts and styles into its pages. They load nothing from elsewhere."""

_templates = Environment(loader=FileSystemLoader(WEB), autoescape=True)


def routes() -> list[BaseRoute]:
    """Return the routes of the pages, and of the scripts, stylesheets and pictures that they load."""
    return [
        Route("/", _page),
        Route("/{page}.html", _page),
        Mount("/docs", _Documentation(directory=DOCUMENTATION, html=True, check_dir=False)),
        Mount("/", StaticFiles(directory=WEB, follow_symlink=True)),
    ]


class _Documentation(StaticFiles):
    async def check_config(self) -> None:
        """Do nothing: until the site is built, its pages are not found."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Content-Security-Policy"] = _POLICY
        return response


def _page(request: Request) -> Response:
    name = request.path_params.get("page", "index")
    here = "./" if name == "index" else f"{name}.html"
    try:
        template = _templates.get_template(f"{name}.html")
    except TemplateNotFound:
        return PlainTextResponse("Not Found", 404)
    return HTMLResponse(template.render(here=here, documented=DOCUMENTATION.exists()))
