"""An open page reloads by itself after its site was published in the sandbox, and only there."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any

import httpx
import pytest
import uvicorn
from playwright.sync_api import Page, expect
from starlette.types import Receive, Scope, Send

from sandbox.pages import PUBLISHED, SCRIPT, Pages

POLICY = (
    "default-src 'none'; connect-src 'self'; script-src 'self'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'"
)


class Site:
    """Stands in for the edge of a distribution: each page has its text, and the policy of the deployed pages."""

    def __init__(self) -> None:
        self.text = "first"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        kind = b"text/html; charset=utf-8" if scope["path"] == "/" else b"text/plain"
        headers = [(b"content-type", kind), (b"content-security-policy", POLICY.encode())]
        page = f"<!doctype html><html><head><title>T</title></head><body><h1>{self.text}</h1></body></html>".encode()
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": page[:20], "more_body": True})
        await send({"type": "http.response.body", "body": page[20:]})


class Served:
    """A site behind `Pages`, on a port of its own."""

    def __init__(self) -> None:
        self.site = Site()
        self.pages = Pages(self.site)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._server = uvicorn.Server(uvicorn.Config(self.pages, lifespan="off", log_level="error"))
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        self._loop.run_until_complete(self._server.serve([self._socket]))

    def publish(self, text: str, *paths: str) -> None:
        self.site.text = text
        self._loop.call_soon_threadsafe(self.pages.publish, paths)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self.pages.stop)
        self._server.should_exit = True
        self._thread.join()
        self._loop.close()


@pytest.fixture
def served() -> Iterator[Served]:
    served = Served()
    yield served
    served.stop()


def test_an_open_page_shows_what_was_published(served: Served, new_page: Callable[..., Page]) -> None:
    page = new_page()
    page.goto(served.url)
    expect(page.locator("h1")).to_have_text("first")

    served.publish("second", "/", "/index.html")
    expect(page.locator("h1")).to_have_text("second")
    served.publish("third", "/*")
    expect(page.locator("h1")).to_have_text("third")


def test_what_is_not_a_page_that_a_browser_opens_is_the_answer_of_the_edge(served: Served) -> None:
    navigation = {"Sec-Fetch-Dest": "document"}

    def body(path: str, headers: dict[str, Any]) -> str:
        return httpx.get(served.url + path, headers=headers).text

    assert f'<script src="{SCRIPT}"' in body("/", navigation)
    assert "<script" not in body("/", {})
    assert "<script" not in body("/", {"Sec-Fetch-Dest": "empty"})
    assert "<script" not in body("/data.txt", navigation)


def test_a_page_that_was_loaded_before_it_was_published_learns_of_it(served: Served) -> None:
    """As one that was hidden, or loaded by an earlier start."""
    loaded = (
        httpx.get(served.url, headers={"Sec-Fetch-Dest": "document"}).text.split('data-published="')[1].split('"')[0]
    )

    def version() -> str:
        with httpx.stream("GET", served.url + PUBLISHED) as events:
            return next(events.iter_lines()).removeprefix("data: ")

    assert version() == loaded
    served.publish("first", "/videos/1.mp4")
    assert version() == loaded, "the pages are the same"
    served.publish("second", "/")
    assert version() != loaded
