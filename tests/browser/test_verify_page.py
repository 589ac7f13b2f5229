"""The page of `make verify`, opened from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from phone import PHONE, fits, watch_loading
from playwright.sync_api import Browser, expect

from deploy.verify import report
from deploy.verify.runner import Result

LONG = "500 for POST https://0123456789.execute-api.us-east-1.amazonaws.com/api/todos: " + "x" * 200


@pytest.mark.parametrize("options", [PHONE, {"viewport": {"width": 1280, "height": 800}}], ids=["phone", "desktop"])
@pytest.mark.parametrize(("scheme", "paper"), [("light", "rgb(245, 244, 240)"), ("dark", "rgb(17, 22, 20)")])
def test_the_page_fits_and_follows_the_colour_scheme(
    browser: Browser, tmp_path: Path, options: dict[str, Any], scheme: Any, paper: str
) -> None:
    results = [
        Result("todo-app", "A user signs in.", "passed", 1.5, 1.0),
        Result("todo-app", "A user creates a todo.", "failed", 0.5, 2.0, "201 and the new todo", LONG),
    ]
    report.write(results, "dev", "account 123456789012, Region us-east-1", "2030-01-31 18:00 UTC", tmp_path)
    context = browser.new_context(color_scheme=scheme, **options)
    page = context.new_page()
    watch_loading(page)
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))

    page.goto((tmp_path / "verify-dev.html").as_uri())

    expect(page.get_by_text("The first failure is in todo-app:")).to_be_visible()
    expect(page.locator("body")).to_have_css("background-color", paper)
    if options is PHONE:
        fits(page, "the report")
    assert len(requested) == 1
    context.close()
