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
_WATCH = """{
    window.shifts = window.firstPaint = 0;
    const shifts = new PerformanceObserver((list) => list.getEntries().forEach((each) => window.shifts += each.value));
    shifts.observe({ type: "layout-shift", buffered: true });
    for (const press of ["pointerdown", "keydown"]) addEventListener(press, () => shifts.disconnect(), true);
    new PerformanceObserver((list) => list.getEntriesByName("first-contentful-paint")
        .forEach((each) => window.firstPaint = each.startTime)).observe({ type: "paint", buffered: true });
}"""
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


def watch_loading(page: Page) -> None:
    """Note the first paint of each document that the page opens from now on, and sum up its layout shifts.

    A shift counts until the user first presses something. Later ones depend on how fast the machine answers.
    https://web.dev/articles/cls, https://web.dev/articles/fcp
    """
    page.add_init_script(_WATCH)


def steady(page: Page, view: str) -> None:
    """Assert that the *view* moved little while it loaded. Its first paint is a time, so it is only printed."""
    page.wait_for_function("() => window.firstPaint > 0")
    shifts, paint = page.evaluate("[window.shifts, window.firstPaint]")
    print(f"{view}: layout shift {shifts:.3f}, first paint {paint:.0f} ms")
    assert shifts < 0.1, f"{view} moves while it loads"


def fits(page: Page, view: str) -> None:
    """Assert that the *view* does not scroll sideways and that its controls are large enough for a finger.

    It must be steady, and have nothing that axe finds wrong.
    """
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360, f"{view} scrolls sideways"
    assert page.evaluate(_TOO_SMALL, _TOUCHED) == [], f"too small to touch in {view}"
    steady(page, view)
    accessible(page, view)
