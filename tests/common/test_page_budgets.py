"""How much each page loads before it is complete: requests, bytes, and nothing that delays its first paint.

The figures are those of the files, without the compression of the edge, so they are the same on every machine.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import suite

ROOT = Path(__file__).parents[2]

pytestmark = suite.of_all_apps

BUDGETS = {
    "todo-app/web/index.html": (20, 110),
    "video-app/web/index.html": (21, 87),
    "pipeline-app/web/index.html": (25, 262),
    "pipeline-app/web/sign-in.html": (12, 46),
    "sandbox/console/web/index.html": (10, 58),
    "sandbox/console/web/data.html": (10, 55),
    "sandbox/console/web/event_sources.html": (10, 48),
    "sandbox/console/web/services.html": (9, 90),
    "sandbox/console/web/traces.html": (10, 41),
    "sandbox/console/web/updates.html": (10, 38),
    "sandbox/console/web/api.html": (9, 31),
    "sandbox/payments/web/pay.html": (4, 12),
}
"""Requests and kilobytes at most. The kilobytes are a tenth above what the page has at present."""

_EXTENDED = re.compile(r'{% extends "(.+?)" %}')
_LOADED = re.compile(r'<(?:script|link|img)\b[^>]*?\b(?:src|href)="([\w./-]+)"')
_IMPORTED = re.compile(r'^(?:import|export)\b[^;"]*"(\./[\w./-]+|\.\./[\w./-]+)"', re.MULTILINE)


def loaded(page: Path) -> set[Path]:
    """Return the files that the page loads at once: itself, its stylesheets, scripts and all that these import."""
    found: set[Path] = set()
    waiting = [page]
    while waiting:
        file = waiting.pop()
        if file in found:
            continue
        found.add(file)
        if file.suffix in (".html", ".js"):
            waiting += [file.parent / name.removeprefix("/static/") for name in _names(file)]
    return found


def _names(file: Path) -> list[str]:
    text = file.read_text()
    return [*_EXTENDED.findall(text), *_LOADED.findall(text)] if file.suffix == ".html" else _IMPORTED.findall(text)


@pytest.mark.parametrize("page", BUDGETS)
def test_a_page_loads_no_more_than_its_budget(page: str) -> None:
    files = loaded(ROOT / page)

    requests = len({file for file in files if file.name != "layout.html"})  # which the server fills in
    size = sum(file.stat().st_size for file in files) / 1000

    assert requests <= BUDGETS[page][0]
    assert size <= BUDGETS[page][1], f"{size:.0f} kB"


@pytest.mark.parametrize("page", BUDGETS)
def test_no_script_delays_the_first_paint(page: str) -> None:
    scripts = re.findall(r"<script\b[^>]*>", (ROOT / page).read_text())

    assert [script for script in scripts if 'type="module"' not in script and "defer" not in script] == []


def test_every_page_has_a_budget() -> None:
    pages = [page for pattern in ("*-app/web/*.html", "sandbox/*/web/*.html") for page in ROOT.glob(pattern)]

    assert {str(page.relative_to(ROOT)) for page in pages if page.name != "layout.html"} == set(BUDGETS)
