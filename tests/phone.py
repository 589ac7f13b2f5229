"""A phone's viewport, and checks that a page fits it and that everybody can use it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}

_TOUCHED = "button, input, select, textarea, summary, label, .links a, nav a, a.button"
_TOO_SMALL = """(touched) => [...document.querySelectorAll(touched)]
    .filter((element) => element.checkVisibility() && !element.closest(".unseen"))
    .filter((element) => !element.matches("[type=checkbox], [type=radio], label:not(.tick, .segments label)"))
    .filter((element) => element.getBoundingClientRect().height < 44)
    .map((element) => element.outerHTML)"""


_AXE = Path(__file__).parents[1] / "node_modules" / "axe-core" / "axe.min.js"
"""https://github.com/dequelabs/axe-core"""
_FINDINGS = """async (options) => (await axe.run({ resultTypes: ["violations"], ...options })).violations
    .flatMap(({ id, nodes }) => nodes.map(({ html, any }) => `${id}: ${html} ${any.map(({ message }) => message)}`))"""
_CONTRAST = {"runOnly": ["color-contrast"]}
_IS_DARK = "matchMedia('(prefers-color-scheme: dark)').matches"


def accessible(page: Page, view: str) -> None:
    """Assert that axe finds nothing wrong with the *view*, and with the contrasts in the other colour scheme."""
    if not _AXE.exists():
        pytest.skip("no axe-core: run npm ci --ignore-scripts")
    page.evaluate(_AXE.read_text())
    assert page.evaluate(_FINDINGS, {}) == [], view
    own, other = ("dark", "light") if page.evaluate(_IS_DARK) else ("light", "dark")
    page.emulate_media(color_scheme=other)
    assert page.evaluate(_FINDINGS, _CONTRAST) == [], f"{view}, {other}"
    page.emulate_media(color_scheme=own)


def count_shifts(page: Page) -> None:
    """Sum up the layout shifts of each document that the page opens from now on: https://web.dev/articles/cls"""
    page.add_init_script(
        "window.shifts = 0; new PerformanceObserver((list) => list.getEntries().forEach((entry) => window.shifts += "
        "entry.value)).observe({ type: 'layout-shift', buffered: true })"
    )


def fits(page: Page, view: str) -> None:
    """Assert that the *view* does not scroll sideways and that its controls are large enough for a finger.

    It must have nothing that axe finds wrong, and if its layout shifts are counted, few of them.
    """
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360, f"{view} scrolls sideways"
    assert page.evaluate(_TOO_SMALL, _TOUCHED) == [], f"too small to touch in {view}"
    assert page.evaluate("window.shifts ?? 0") < 0.1, f"{view} moves while it loads"
    accessible(page, view)
