"""The console's pages share one head, bar and navigation."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.console import console, pages
from sandbox.console.pages import WEB
from sandbox.settings import Settings

PAGES = sorted({file.stem for file in WEB.glob("*.html")} - {"layout"})


def _get(path: str) -> httpx.Response:
    site: Any = console.site(Settings.from_environment(), {}, {})

    async def get() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(site), base_url="http://127.0.0.1") as client:
            return await client.get(path)

    return asyncio.run(get())


@pytest.mark.parametrize("page", PAGES)
def test_each_page_has_the_same_bar_and_marks_itself_in_it(page: str) -> None:
    html = _get("/" if page == "index" else f"/{page}.html").text

    marked = re.findall(r'<a href="([^"]+)" aria-current="page">', html)
    assert marked == ([] if page == "api" else ["./" if page == "index" else f"{page}.html"])
    assert html.count("<title>") == html.count('<main id="main"') == html.count('id="state"') == 1
    assert 'href="#main"' in html
    assert "require-trusted-types-for" in html
    for name in re.findall(r'(?:src|href)="([a-z_/.0-9]+\.(?:js|css|html|svg))"', html):
        assert _get(f"/{name}").status_code == 200, name


def test_a_page_that_does_not_exist_is_not_found() -> None:
    assert _get("/nothing.html").status_code == 404


def test_the_documentation_is_a_page_when_it_has_been_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "DOCUMENTATION", tmp_path / "docs")
    assert "docs/" not in _get("/").text
    assert _get("/docs/").status_code == 404

    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.html").write_text("<h1>It</h1>")

    assert '<a href="docs/">Documentation</a>' in _get("/").text
    page = _get("/docs/")
    assert (page.status_code, page.text) == (200, "<h1>It</h1>")
    assert "script-src 'self' 'unsafe-inline'" in page.headers["Content-Security-Policy"]
