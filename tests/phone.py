"""A phone's viewport, and checks that a page fits it."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page, expect

PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}

_TOUCHED = "button, input, select, textarea, summary, label, .links a, nav a, a.button"
_TOO_SMALL = """(touched) => [...document.querySelectorAll(touched)]
    .filter((element) => element.checkVisibility() && !element.closest(".unseen"))
    .filter((element) => !element.matches("[type=checkbox], [type=radio], label:not(.tick, .segments label)"))
    .filter((element) => element.getBoundingClientRect().height < 44)
    .map((element) => element.outerHTML)"""


def fits(page: Page, view: str) -> None:
    """Assert that the *view* does not scroll sideways and that its controls are large enough for a finger."""
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360, f"{view} scrolls sideways"
    assert page.evaluate(_TOO_SMALL, _TOUCHED) == [], f"too small to touch in {view}"
