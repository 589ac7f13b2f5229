"""Makes the pictures of the README: `make screenshots`, while the sandbox runs.

Each view of a page is taken in light and in dark colours, and written to docs/images as a small WebP.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from sandbox import whole
from sandbox.demo.users import PASSWORD, USERS
from sandbox.settings import ROOT, Settings

FOLDER = ROOT / "docs" / "images"
SIZE = (1280, 800)
_WRITTEN = (800, 500)
_CHROMIUM = ("chromium-headless-shell", "chromium", "chromium-browser")


class View(NamedTuple):
    """A view of a page: its address, what is shown when it is complete, and what is done before."""

    address: Callable[[Mapping[str, Any]], str]
    complete: str
    before: Callable[[Page], None] = lambda page: None


def _sign_in(page: Page) -> None:
    page.get_by_label("Email").fill(USERS[0])
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


VIEWS = {
    "todo-app": View(lambda outputs: outputs["todo-app"]["web"], ".todo", _sign_in),
    "blog-app": View(lambda outputs: outputs["blog-app"]["site"], "article"),
    "video-app": View(lambda outputs: outputs["video-app"]["web"], "main img, main li"),
    "pipeline-app": View(lambda outputs: outputs["pipeline-app"]["dashboard"], "main canvas, main td"),
    "console": View(lambda outputs: outputs["console"], "main a[href]"),
    "services": View(lambda outputs: f"{outputs['console']}/services.html", "svg .node, svg g g"),
}


def take(browser: Browser, view: View, scheme: str, outputs: Mapping[str, Any]) -> bytes:
    """Return a picture of a view in the colours of *scheme*, ``light`` or ``dark``, as WebP."""
    colours: Any = scheme
    context = browser.new_context(
        viewport={"width": SIZE[0], "height": SIZE[1]}, color_scheme=colours, reduced_motion="reduce"
    )
    page = context.new_page()
    page.goto(view.address(outputs))
    view.before(page)
    page.locator(view.complete).first.wait_for(timeout=60_000)
    page.wait_for_load_state("networkidle")
    taken = Image.open(io.BytesIO(page.screenshot())).convert("RGB").resize(_WRITTEN, Image.Resampling.LANCZOS)
    context.close()
    written = io.BytesIO()
    taken.save(written, "WEBP", quality=70, method=6)
    return written.getvalue()


def main(names: list[str]) -> str | None:
    """Take the pictures *names*, or draw the whole and take all."""
    outputs_file = Settings.from_environment().outputs_file
    chromium = next(filter(None, map(shutil.which, _CHROMIUM)), None)
    if not outputs_file.exists():
        return "the sandbox does not run: make up"
    if chromium is None:
        return "there is no Chromium: on Debian, sudo apt-get install chromium-headless-shell"
    outputs = json.loads(outputs_file.read_text())
    if not names:
        with urllib.request.urlopen(f"{outputs['console']}/graph.json") as answer:
            whole.write(ROOT / "README.md", json.load(answer))
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for name in names or VIEWS:
            for scheme in ("light", "dark"):
                file = FOLDER / f"{name}-{scheme}.webp"
                file.write_bytes(take(browser, VIEWS[name], scheme, outputs))
                print(f"{file.relative_to(ROOT)}  {file.stat().st_size // 1000} kB")
        browser.close()
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
