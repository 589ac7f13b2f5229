"""MyBlog.com as a reader uses it: through the edge, against the whole sandbox."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from phone import PHONE, accessible, steady
from playwright.sync_api import Page, expect
from users import Author
from waiting import until

PAYLOADS = (
    "<script>hacked = 1</script>",
    "</title><script>hacked = 1</script>",
    '"><img src=x onerror="hacked = 1">',
    "<svg onload='hacked = 1'></svg>",
    "[click](javascript:hacked=1)",
    '![" onerror="hacked=1](photo:none)',
)

type Publish = Callable[..., str]


@pytest.fixture
def blog(open_page: Callable[..., Page]) -> Page:
    """The first page of the blog."""
    return open_page("blog-app")


@pytest.fixture
def publish(sandbox: dict[str, Any]) -> Iterator[Publish]:
    """A function that publishes a post with the author's key until the end of the test, and returns its path."""
    author = Author.of(sandbox["blog-app"])
    slugs: list[str] = []

    def publish(**fields: Any) -> str:
        slug = f"test-{os.urandom(6).hex()}"
        slugs.append(slug)
        author.send("POST", "/posts", {"slug": slug, **fields}).raise_for_status()
        return f"/posts/{slug}/"

    yield publish
    for slug in slugs:
        author.send("DELETE", f"/posts/{slug}").raise_for_status()


def until_there(page: Page, path: str) -> None:
    """Open *path*, repeatedly until the site has it."""

    def is_there() -> bool:
        answer = page.goto(path)
        return answer is not None and answer.status == 200

    until(is_there)


def test_a_reader_goes_from_the_list_to_a_post_its_neighbour_and_its_tag(blog: Page) -> None:
    title = blog.get_by_role("article").first.get_by_role("heading").inner_text()
    blog.get_by_role("link", name=title).click()
    expect(blog.get_by_role("heading", level=1)).to_have_text(title)
    expect(blog).to_have_title(re.compile(re.escape(f"{title} · MyBlog")))

    earlier = blog.get_by_role("navigation", name="More posts").get_by_role("link").first
    name = earlier.locator("b").inner_text()
    earlier.click()
    expect(blog.get_by_role("heading", level=1)).to_have_text(name)

    tag = blog.locator("article .tags").get_by_role("link").first
    topic = tag.inner_text()
    tag.click()
    expect(blog.get_by_role("heading", level=1)).to_have_text(f"Posts about {topic}")
    expect(blog.get_by_role("link", name=name)).to_be_visible()


def test_everything_can_be_read_without_javascript(open_page: Callable[..., Page]) -> None:
    page = open_page("blog-app", java_script_enabled=False)
    expect(page.get_by_text("Subscribing by email needs JavaScript")).to_be_visible()
    expect(page.get_by_role("button", name="Subscribe")).to_be_hidden()
    page.get_by_role("article").first.get_by_role("link").first.click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator("article img").first).to_be_visible()
    page.goto("/unsubscribe/?token=x")
    expect(page.get_by_text("This page needs JavaScript")).to_be_visible()


def test_a_photo_has_the_size_of_the_screen_and_causes_no_layout_shift(open_page: Callable[..., Page]) -> None:
    page = open_page("blog-app", **PHONE)
    with page.expect_navigation():
        page.get_by_role("article").first.get_by_role("link").first.tap()
    photo = page.locator("article img").first
    page.wait_for_function("() => document.querySelector('article img').complete")

    assert photo.evaluate("image => image.naturalWidth") > 0
    assert re.search(r"webp", photo.evaluate("image => image.currentSrc"))
    assert "1280" not in photo.evaluate("image => image.currentSrc")
    assert page.evaluate(_SHIFTS) == 0


_SHIFTS = """() => new Promise((resolve) => {
  let sum = 0;
  new PerformanceObserver((list) => list.getEntries().forEach((entry) => (sum += entry.value)))
    .observe({ type: "layout-shift", buffered: true });
  setTimeout(() => resolve(sum), 300);
})"""


def test_a_reader_subscribes_gets_a_mail_and_unsubscribes_by_its_link(blog: Page, sandbox: dict[str, Any]) -> None:
    email = f"{os.urandom(6).hex()}@example.com"
    blog.get_by_label("Email").fill(email)
    blog.get_by_role("button", name="Subscribe").click()
    expect(blog.get_by_role("status")).to_have_text(f"Thank you. A welcome email is on its way to {email}.")
    expect(blog.get_by_label("Email")).to_have_value("")

    blog.goto(_unsubscribe_link(sandbox["console"], email))
    blog.get_by_role("button", name="Unsubscribe").click()
    expect(blog.get_by_role("status")).to_have_text("You are unsubscribed. We will not email you again.")
    expect(blog.get_by_role("button", name="Unsubscribe")).to_be_hidden()
    expect(blog.get_by_text("Press the button")).to_be_hidden()


def _unsubscribe_link(console: str, email: str) -> str:

    def found() -> re.Match[str] | None:
        mails = [json.dumps(mail) for mail in httpx.get(f"{console}/mails.json").json() if email in mail["To"]]
        return re.search(r"/unsubscribe/\?token=[\w.~%-]+", mails[0]) if mails else None

    return until(found)[0]


def test_an_invalid_address_is_explained(blog: Page) -> None:
    blog.get_by_label("Email").fill("ann@example")
    blog.get_by_role("button", name="Subscribe").click()
    expect(blog.get_by_role("status")).to_have_text("We cannot email this address. Check the spelling.")
    expect(blog.get_by_label("Email")).to_be_focused()
    blog.get_by_label("Email").press("End")
    blog.get_by_label("Email").press_sequentially(".com")
    expect(blog.get_by_role("status")).to_be_empty()


def test_a_service_that_does_not_answer_is_explained(blog: Page) -> None:
    blog.route("**/api/**", lambda route: route.abort("connectionrefused"))
    blog.get_by_label("Email").fill("ann@example.com")
    blog.get_by_role("button", name="Subscribe").click()
    expect(blog.get_by_role("status")).to_contain_text("is not responding")
    expect(blog.get_by_label("Email")).to_have_value("ann@example.com")


def test_a_used_or_incomplete_link_of_a_mail_is_explained(blog: Page) -> None:
    blog.goto("/unsubscribe/?token=unknown")
    blog.get_by_role("button", name="Unsubscribe").click()
    expect(blog.get_by_role("status")).to_contain_text("no longer valid")
    blog.goto("/unsubscribe/")
    expect(blog.get_by_role("status")).to_contain_text("Please open this page with the link in one of our emails")
    expect(blog.get_by_text("Press the button")).to_be_hidden()
    expect(blog.get_by_role("button", name="Unsubscribe")).to_be_hidden()


def test_a_missing_page_links_to_the_start(blog: Page) -> None:
    answer = blog.goto("/posts/no-such-post/")
    assert answer is not None
    assert answer.status == 404
    expect(blog.get_by_role("heading", level=1)).to_have_text("This page does not exist")
    blog.get_by_role("link", name="list of posts").click()
    expect(blog.get_by_role("article").first).to_be_visible()


def test_a_stored_script_never_runs(blog: Page, publish: Publish) -> None:
    alarms: list[str] = []
    blog.on("dialog", lambda dialog: alarms.append(dialog.message))
    blog.on("console", lambda message: alarms.append(message.text) if "Security Policy" in message.text else None)
    title = " ".join(PAYLOADS[:4])
    path = publish(title=title, summary=title, author=title[:100], body_markdown="\n\n".join(PAYLOADS), tags=["xss"])

    for page in (path, "/tags/xss/", "/"):
        until_there(blog, page)
        assert blog.evaluate("typeof hacked") == "undefined"
    until_there(blog, path)
    expect(blog.get_by_role("heading", level=1)).to_have_text(title)
    blog.get_by_text("click", exact=True).click()
    assert blog.evaluate("typeof hacked") == "undefined"
    assert alarms == []


def test_a_script_in_an_email_is_shown_as_text(blog: Page) -> None:
    blog.route("**/api/subscribers", lambda route: route.fulfill(status=202, json={}))
    blog.evaluate("document.querySelector('#subscribeForm').noValidate = true")
    blog.get_by_label("Email").fill(f"{PAYLOADS[2]}@example.com")
    blog.get_by_role("button", name="Subscribe").click()
    expect(blog.get_by_role("status")).to_contain_text(PAYLOADS[2])
    assert blog.evaluate("typeof hacked") == "undefined"


def test_on_a_phone_no_page_scrolls_sideways(open_page: Callable[..., Page], publish: Publish) -> None:
    long = "https://example.com/" + "a" * 200
    code = f"```\n{long}\n```\n\n|a|b|\n|-|-|\n|{long}|{long}|\n\n`{long}` {long}"
    path = publish(title="Donaudampfschifffahrtsgesellschaft" * 5, body_markdown=code, tags=["a" * 30])
    page = open_page("blog-app", **PHONE)
    for address in (path, "/", "/posts/no-such-post/", "/unsubscribe/?token=x"):
        if address == path:
            until_there(page, path)
        else:
            page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, address
        steady(page, address)
        accessible(page, address)


def test_the_keyboard_reaches_the_content_first(blog: Page) -> None:
    blog.keyboard.press("Tab")
    expect(blog.get_by_role("link", name="Skip to the content")).to_be_focused()
    blog.keyboard.press("Enter")
    blog.keyboard.press("Tab")
    expect(blog.get_by_role("article").first.get_by_role("link").first).to_be_focused()


def test_a_page_loads_nothing_from_other_hosts(blog: Page, sandbox: dict[str, Any]) -> None:
    urls: list[str] = []
    blog.on("request", lambda request: urls.append(request.url))
    with blog.expect_navigation(wait_until="networkidle"):
        blog.get_by_role("article").first.get_by_role("link").first.click()

    assert urls
    assert all(url.startswith(sandbox["blog-app"]["site"]) for url in urls)
