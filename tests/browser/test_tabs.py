"""Several tabs of one page: they have one session. The pages are the apps' own; AWS and the APIs are stubs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from page_server import serve_page
from playwright.sync_api import BrowserContext, Page, Route, expect

API, AWS = "http://api.test", "http://aws.test"
SIGNED_IN = {"AuthenticationResult": {"IdToken": "id", "RefreshToken": "refresh", "ExpiresIn": 3600}}
ALLOWED = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "*", "Access-Control-Allow-Methods": "*"}


def answer_aws(route: Route) -> None:
    route.fulfill(headers=ALLOWED, json=SIGNED_IN)


def answer_api(route: Route) -> None:
    """Answer each list with nothing in it, and refuse a request without a token, as far as the todos go."""
    request = route.request
    if request.method == "GET" and "/todos" in request.url and "authorization" not in request.headers:
        route.fulfill(status=401, headers=ALLOWED, json={"Code": "Unauthorized", "Message": "no token"})
        return
    status = (
        {"freshness": {"devices": None, "reports": None}, "reports": []} if request.url.endswith("/status?") else {}
    )
    route.fulfill(headers=ALLOWED, json={"items": [], "cursor": None, **status})


@pytest.fixture(scope="module", params=["todo-app", "pipeline-app", "video-app"])
def site(request: pytest.FixtureRequest, free_port: Callable[[], int]) -> Iterator[str]:
    config = {"api": API, "region": "us-east-1", "user_pool_client_id": "client", "endpoint": AWS}
    with serve_page(request.param, free_port(), config) as url:
        yield url


@pytest.fixture
def tab(new_page: Callable[..., Page], site: str) -> Callable[..., Page]:
    """Return a function that opens the page in a new tab, of the browser of another tab or of a new one."""

    def tab(browser: BrowserContext | None = None, path: str = "/") -> Page:
        page = browser.new_page() if browser else new_page()
        page.route(f"{AWS}/**", answer_aws)
        page.route(f"{API}/**", answer_api)
        page.goto(site + path)
        return page

    return tab


def sign_in(page: Page) -> None:
    link = page.get_by_role("banner").get_by_role("link", name="Sign in")
    form = page.get_by_label("Email")
    expect(link.or_(form).first).to_be_visible()
    if link.is_visible():
        link.click()
    form.fill("ann@example.com")
    page.get_by_label("Password", exact=True).fill("Correct-horse-1")
    page.get_by_role("button", name="Sign in").click()
    is_signed_in(page)


def is_signed_in(page: Page) -> None:
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    expect(page.get_by_text("ann@example.com")).to_be_visible()


def test_a_second_tab_is_signed_in_and_another_browser_is_not(tab: Callable[..., Page]) -> None:
    first = tab()
    sign_in(first)

    is_signed_in(tab(first.context))
    expect(tab().get_by_text("Sign in").first).to_be_visible()


def test_a_sign_in_and_a_sign_out_apply_to_all_tabs(tab: Callable[..., Page]) -> None:
    first = tab()
    second = tab(first.context, "/sign-in.html" if "Readings" in first.title() else "/#sign-in")
    expect(second.get_by_label("Email")).to_be_visible()

    sign_in(first)
    is_signed_in(second)
    second.get_by_role("button", name="Sign out").click()

    for page in (first, second):
        expect(page.get_by_text("Sign in").first).to_be_visible()
        assert page.evaluate("sessionStorage.length") == 0


def test_tokens_are_not_kept_after_the_last_tab(tab: Callable[..., Page]) -> None:
    first = tab()
    sign_in(first)

    assert first.evaluate("localStorage.length") == 0
    assert json.loads(first.evaluate("sessionStorage.session"))["refreshToken"] == "refresh"
    context = first.context
    first.close()
    expect(tab(context).get_by_text("Sign in").first).to_be_visible()


SLOW_ANSWERS = """
const later = window.setTimeout;
window.setTimeout = (run, wait, ...more) => wait !== 200 ? later(run, wait, ...more) : later(() => {
  run();
  later(() => { window.asked = true; }, 100);
}, 2000);
"""
"""Let a new tab wait ten times as long for the session of another one."""


def test_what_a_person_types_stays_when_a_new_tab_has_asked_the_others(
    new_page: Callable[..., Page], site: str
) -> None:
    page = new_page()
    page.route(f"{AWS}/**", answer_aws)
    page.route(f"{API}/**", answer_api)
    page.add_init_script(SLOW_ANSWERS)
    page.goto(site)
    page.evaluate("location.hash = 'sign-in'")

    page.get_by_label("Email").fill("ann@example.com")
    page.wait_for_function("() => window.asked")

    expect(page.get_by_label("Email")).to_have_value("ann@example.com")
