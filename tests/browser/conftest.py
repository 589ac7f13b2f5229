"""The system's Chromium, and users of the sandbox's pages."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from phone import watch_loading
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from users import User

_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser")
"""The executable that is used, the first that there is. The headless shell takes a quarter of the CPU time."""

_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)

# The first call of a function is a cold start.
expect.set_options(timeout=15_000)


@pytest.fixture(scope="session")
def launch() -> Iterator[Callable[..., Browser]]:
    """The function that starts a browser, with more arguments of its command."""
    chromium = next(filter(None, map(shutil.which, _NAMES)), None)
    if chromium is None:
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright:
        yield lambda *more: playwright.chromium.launch(executable_path=chromium, args=[*_ARGUMENTS, *more])


@pytest.fixture(scope="session")
def browser(launch: Callable[..., Browser]) -> Iterator[Browser]:
    browser = launch()
    yield browser
    browser.close()


@pytest.fixture
def new_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """A function that makes an empty page in a new browser context. The test fails if a page raises an error."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def new_page(**options: Any) -> Page:
        context = browser.new_context(reduced_motion="reduce", **options)
        contexts.append(context)
        page = context.new_page()
        watch_loading(page)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: errors.append(line.text) if "Content Security Policy" in line.text else None)
        return page

    yield new_page
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def open_page(new_page: Callable[..., Page], sandbox: dict[str, Any]) -> Callable[..., Page]:
    """A function that opens a page of the sandbox."""

    def open_page(app: str = "todo-app", **options: Any) -> Page:
        url = sandbox["console"] if app == "console" else sandbox[app].get("web") or sandbox[app]["site"]
        page = new_page(base_url=url, **options)
        page.goto("/")
        return page

    return open_page


@pytest.fixture
def page(open_page: Callable[..., Page]) -> Page:
    """MyTodoList, signed out."""
    return open_page()


@pytest.fixture
def elsewhere(sign_up: Callable[[], User]) -> User:
    """A user who is signed in on another device."""
    return sign_up()


@pytest.fixture
def email(elsewhere: User) -> str:
    """The email address of that user."""
    return elsewhere.email
