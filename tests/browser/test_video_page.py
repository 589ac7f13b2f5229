"""MyVideos as a person uses it: page and films through the edge, payments at the sandbox's provider."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from phone import PHONE, fits
from playwright.sync_api import Locator, Page, Request, Route, expect
from users import PASSWORD, User

from localaws.testing import until
from sandbox.payments.account import PAYS
from sandbox.payments.client import Payments

TITLE = "The ferry home"
WITHOUT_MEDIA_SOURCE = "delete window.MediaSource; delete window.ManagedMediaSource; delete window.WebKitMediaSource;"
WITHOUT_HLS = WITHOUT_MEDIA_SOURCE + "HTMLMediaElement.prototype.canPlayType = () => '';"


@pytest.fixture
def shop(open_page: Callable[..., Page]) -> Iterator[Page]:
    """The shop, signed out. The test fails if something violates its Content-Security-Policy."""
    page = open_page("video-app")
    broken: list[str] = []
    page.on("console", lambda said: broken.append(said.text) if "Security Policy" in said.text else None)
    yield page
    assert broken == []


@pytest.fixture(scope="session")
def viewer(sign_up: Callable[..., User]) -> User:
    """A buyer of one film, who can watch it in every test."""
    user = sign_up("video-app")
    buy(user, film(user.outputs))
    return user


@pytest.fixture
def stranger(sign_up: Callable[..., User]) -> User:
    """A user who has bought nothing."""
    return sign_up("video-app")


def film(outputs: dict[str, Any], title: str = TITLE) -> str:
    """Return the id of a film of the catalogue."""
    items = httpx.get(f"{outputs['web']}/api/videos?limit=100").json()["items"]
    return next(str(item["id"]) for item in items if item["title"] == title)


def buy(user: User, video: str) -> None:
    with user.api() as api:
        httpx.post(api.post(f"/videos/{video}/checkout").json()["url"], data={"card": PAYS})
        assert video in {item["id"] for item in api.get("/library?limit=100").json()["items"]}


def refund(user: User, video: str, title: str) -> None:
    """Refund the newest payment for a film, and return when the shop has processed the refund."""
    payments = Payments(user.outputs["payments"])
    payments.refund(next(charge["payment_intent"] for charge in payments.charges() if charge["description"] == title))
    until_refused(user, video)


def until_refused(user: User, video: str) -> None:
    """Return when the shop has processed the refund of a film."""
    with user.api() as api:
        until(lambda: api.get(f"/videos/{video}/link").status_code == 403)


def sign_in(page: Page, user: User) -> None:
    page.get_by_label("Email").fill(user.email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def watch(page: Page, user: User, video: str) -> Locator:
    """Sign in, open a paid film, and return its playing player."""
    page.goto(f"/#videos/{video}")
    page.locator("main").get_by_role("link", name="Sign in").click()
    sign_in(page, user)
    player = page.locator("video")
    expect(player).to_be_visible()
    player.evaluate("video => video.play()")
    plays(player)
    return player


def plays(player: Locator, beyond: float = 0) -> None:
    """Assert that the film passes *beyond* seconds and keeps playing."""
    player.page.wait_for_function(
        "([video, from]) => video.currentTime > from && video.readyState > 2", arg=[player.element_handle(), beyond]
    )
    now = player.evaluate("video => video.currentTime")
    player.page.wait_for_function("([video, now]) => video.currentTime > now + 0.2", arg=[player.element_handle(), now])


def requests_to(page: Page, path: str) -> list[Request]:
    """Return a list that grows with each request whose path matches."""
    requests: list[Request] = []
    page.on("request", lambda request: requests.append(request) if re.search(path, request.url) else None)
    return requests


def test_a_person_is_refused_pays_watches_and_is_refused_after_the_refund(
    shop: Page, open_page: Callable[..., Page], stranger: User
) -> None:
    shop.get_by_role("link", name=TITLE).click()
    expect(shop.get_by_role("heading", level=1)).to_have_text(TITLE)
    expect(shop).to_have_title(f"{TITLE} · MyVideos")
    shop.locator("main").get_by_role("link", name="Sign in").click()
    sign_in(shop, stranger)
    expect(shop.get_by_text("Buy this film to watch it, or get premium to watch every film.")).to_be_visible()
    expect(shop.locator("video")).to_have_count(0)

    shop.get_by_role("button", name="Buy for $2.99").click()
    expect(shop.get_by_role("row", name=f"{TITLE} $2.99")).to_be_visible()
    shop.get_by_role("link", name="Cancel and go back").click()
    shop.get_by_role("button", name="Buy for $2.99").click()
    shop.get_by_role("button", name="Pay with a card that is declined").click()
    expect(shop.get_by_role("alert")).to_contain_text("Your card was declined.")
    shop.get_by_role("button", name="Pay $2.99").click()

    expect(shop.get_by_text("Thank you. Enjoy the film.")).to_be_visible()
    player = shop.locator("video")
    player.evaluate("video => video.play()")
    plays(player, beyond=1)
    assert player.evaluate("video => video.currentSrc").startswith("blob:"), "not played by HLS"
    shop.get_by_role("link", name="My library").click()
    expect(shop.get_by_role("listitem").filter(has_text=TITLE)).to_contain_text("Bought")

    console = open_page("console")
    payments = console.get_by_role("list", name="Payments, newest first").get_by_role("listitem")
    expect(payments.filter(has_text="Declined").first).to_contain_text(TITLE)
    paid = payments.filter(has_text="Paid").filter(has_text=TITLE).first
    paid.get_by_role("button", name=f"Refund {TITLE}").click()
    expect(payments.filter(has_text=TITLE).filter(has_text="Refunded").first).to_be_visible()
    until_refused(stranger, film(stranger.outputs))

    shop.get_by_role("link", name=TITLE).click()
    expect(shop.get_by_role("button", name="Buy for $2.99")).to_be_visible()
    expect(shop.locator("video")).to_have_count(0)
    shop.get_by_role("link", name="My library").click()
    expect(shop.get_by_text("Nothing here yet.")).to_be_visible()


def test_a_film_plays_only_with_a_valid_link(shop: Page, viewer: User) -> None:
    video, other = film(viewer.outputs), film(viewer.outputs, "Small planets")
    with viewer.api() as api:
        link: str = api.get(f"/videos/{video}/link").json()["url"]
    signature = re.findall(r"Signature=([^&]+)", link)[0]
    altered = signature[:20] + ("A" if signature[20] != "A" else "B") + signature[21:]
    links = (
        link,
        link.partition("?")[0],
        link.replace(signature, altered),
        link.replace(video, other),
        re.sub(r"Expires=(\d+)", lambda found: f"Expires={int(found[1]) + 60}", link),
    )

    assert [shop.evaluate(_PLAY, link) for link in links] == [True, False, False, False, False]


_PLAY = """(link) => new Promise((resolve) => {
  const video = document.createElement("video");
  video.addEventListener("timeupdate", () => video.currentTime > 0.2 && resolve(true));
  video.addEventListener("error", () => resolve(false));
  video.muted = true;
  video.src = link;
  video.play().catch(() => {});
})"""


def test_a_seek_after_the_cookies_expired_continues_from_there(shop: Page, viewer: User) -> None:
    video = film(viewer.outputs)
    sessions = requests_to(shop, f"/api/videos/{video}/session")
    player = watch(shop, viewer, video)
    refused: list[str] = []
    shop.on("response", lambda answer: refused.append(answer.url) if answer.status == 403 else None)

    shop.context.clear_cookies()
    player.evaluate("video => { video.currentTime = 25; }")

    plays(player, beyond=25)
    assert len(refused) == 1, "the edge did not refuse, or the player insisted"
    assert refused[0].endswith(".m4s")
    assert len(sessions) == 2


def test_a_session_is_renewed_before_it_expires_and_a_refund_ends_it(shop: Page, stranger: User) -> None:
    video = film(stranger.outputs, "Small planets")
    buy(stranger, video)
    shop.clock.install()
    sessions = requests_to(shop, f"/api/videos/{video}/session")
    player = watch(shop, stranger, video)
    # A running download would seem to take minutes.
    shop.wait_for_function("([video]) => video.buffered.end(0) > 15", arg=[player.element_handle()])
    assert len(sessions) == 1

    with shop.expect_response(f"**/videos/{video}/session") as renewed:
        shop.clock.fast_forward("04:00")
    assert renewed.value.status == 200
    plays(player)

    refund(stranger, video, "Small planets")
    shop.clock.fast_forward("04:00")
    expect(shop.get_by_text("Your access to this film has ended.")).to_be_visible()
    expect(shop.locator("video")).to_have_count(0)
    expect(shop.get_by_role("button", name="Buy for $4.99")).to_be_visible()


@pytest.mark.parametrize("script", [WITHOUT_MEDIA_SOURCE, WITHOUT_HLS], ids=["media source", "hls"])
def test_a_browser_without_a_feature_plays_too(shop: Page, viewer: User, script: str) -> None:
    video = film(viewer.outputs)
    shop.add_init_script(script)
    shop.reload()
    files = requests_to(shop, f"/videos/{video}/(video.mp4|hls/index.m3u8)")
    player = watch(shop, viewer, video)
    plays(player, beyond=0.5)
    assert {".mp4" in request.url for request in files} == {script == WITHOUT_HLS}


def test_a_link_that_expires_while_playing_is_renewed_at_the_same_position_and_speed(shop: Page, viewer: User) -> None:
    video = film(viewer.outputs)
    shop.add_init_script(WITHOUT_HLS)
    shop.reload()
    links = requests_to(shop, f"/api/videos/{video}/link")

    def expire_after_start(route: Route) -> None:
        """Let the first link deliver the beginning of the film and then expire."""
        if len(links) > 1:
            return route.continue_()
        start = int(re.findall(r"bytes=(\d+)", route.request.headers.get("range", "bytes=0"))[0])
        if start:
            return route.fulfill(status=403)
        whole = route.fetch(headers={**route.request.headers, "range": "bytes=0-89999"})
        return route.fulfill(response=whole)

    shop.route("**/video.mp4*", expire_after_start)
    player = watch(shop, viewer, video)
    player.evaluate("video => { video.playbackRate = 8; }")
    shop.wait_for_function("([video]) => video.currentTime > 4", arg=[player.element_handle()])
    player.evaluate("video => { video.back = []; video.ontimeupdate = () => video.back.push(video.currentTime); }")

    shop.wait_for_function("([video]) => video.currentTime > 20", arg=[player.element_handle()])
    assert len(links) == 2
    times = player.evaluate("video => video.back")
    assert min(times) > 3.9, "it started again"
    assert player.evaluate("video => video.playbackRate") == 8


def test_with_premium_every_film_is_in_the_library_on_a_phone_too(
    open_page: Callable[..., Page], stranger: User
) -> None:
    page = open_page("video-app", color_scheme="dark", **PHONE)
    expect(page.get_by_role("listitem").first).to_be_visible()
    fits(page, "catalogue")
    page.get_by_role("link", name="My library").click()
    fits(page, "sign in")
    sign_in(page, stranger)
    expect(page.get_by_text("Nothing here yet.")).to_be_visible()
    fits(page, "empty library")
    page.get_by_role("link", name="Get premium").click()
    expect(page.get_by_role("button", name="Get a year")).to_be_visible()
    fits(page, "plans")
    page.get_by_role("button", name="Get a month").click()
    expect(page.get_by_role("button", name="Pay $9.90")).to_be_visible()
    fits(page, "payment")
    page.get_by_role("button", name="Pay $9.90").click()
    expect(page.get_by_text("You have premium until")).to_be_visible()
    page.get_by_role("link", name="My library").click()
    expect(page.get_by_text("Premium until")).to_have_count(3)
    fits(page, "library")
    page.get_by_role("link", name=TITLE).click()
    expect(page.locator("video")).to_be_visible()
    fits(page, "player")


def test_a_visitor_sees_prices_and_returns_to_the_film_after_the_sign_in(shop: Page, stranger: User) -> None:
    shop.get_by_role("link", name="Premium", exact=True).click()
    shop.get_by_role("button", name="Sign in to buy").first.click()
    sign_in(shop, stranger)
    expect(shop.get_by_role("heading", name="Premium")).to_be_visible()
    expect(shop.get_by_role("button", name="Get a month")).to_be_visible()


def test_two_clicks_on_buy_start_one_payment(shop: Page, stranger: User) -> None:
    checkouts = requests_to(shop, "/checkout$")
    shop.get_by_role("link", name=TITLE).click()
    shop.locator("main").get_by_role("link", name="Sign in").click()
    sign_in(shop, stranger)
    shop.get_by_role("button", name="Buy for").evaluate("button => { button.click(); button.click(); }")
    expect(shop.get_by_role("heading", name="Pay")).to_be_visible()
    assert len(checkouts) == 1


def test_a_provider_that_is_down_is_explained(shop: Page, stranger: User) -> None:
    shop.get_by_role("link", name=TITLE).click()
    shop.locator("main").get_by_role("link", name="Sign in").click()
    sign_in(shop, stranger)
    shop.route("**/checkout", lambda route: route.fulfill(status=503, json={"Code": "ServiceUnavailable"}))
    shop.get_by_role("button", name="Buy for").click()
    expect(shop.get_by_role("alert").filter(has_text="The service has a problem.")).to_be_visible()
    shop.unroute("**/checkout")
    shop.get_by_role("button", name="Buy for").click()
    expect(shop.get_by_role("heading", name="Pay")).to_be_visible()


def test_the_page_waits_for_a_payment_that_has_not_arrived_yet(shop: Page, viewer: User) -> None:
    video = film(viewer.outputs)
    shop.goto("/#sign-in")
    sign_in(shop, viewer)
    expect(shop.get_by_role("heading", name="Films")).to_be_visible()
    refused = requests_to(shop, f"/api/videos/{video}/session")

    def late(route: Route) -> None:
        if len(refused) > 1:
            return route.continue_()
        return route.fulfill(status=403, json={"Code": "NotEntitled", "Message": "not yet"})

    shop.route(f"**/videos/{video}/session", late)
    shop.goto(f"/#videos/{video}/paid")
    expect(shop.get_by_text("Waiting for your payment to arrive")).to_be_visible()
    expect(shop.locator("video")).to_be_visible()
    expect(shop).to_have_url(re.compile(f"#videos/{video}$"))


def test_a_missing_film_and_an_unreachable_service_are_explained(shop: Page) -> None:
    shop.goto("/#videos/00000000-0000-7000-8000-000000000000")
    expect(shop.get_by_role("alert").filter(has_text="This film is not available.")).to_be_visible()
    shop.route("**/api/videos*", lambda route: route.abort("connectionrefused"))
    shop.get_by_role("link", name="All films").click()
    expect(shop.get_by_role("alert").filter(has_text="is not responding")).to_be_visible()
    shop.unroute("**/api/videos*")
    shop.get_by_role("button", name="Try again").click()
    expect(shop.get_by_role("link", name=TITLE)).to_be_visible()


def test_the_keyboard_alone_opens_a_film(shop: Page) -> None:
    expect(shop.get_by_role("listitem").first).to_be_visible()
    shop.keyboard.press("Tab")
    expect(shop.get_by_role("link", name="Skip to the content")).to_be_focused()
    shop.keyboard.press("Enter")
    shop.keyboard.press("Tab")
    first = shop.get_by_role("listitem").first.get_by_role("link")
    expect(first).to_be_focused()
    title = first.inner_text()
    shop.keyboard.press("Enter")
    expect(shop.get_by_role("heading", level=1)).to_have_text(title)
    expect(shop.get_by_role("heading", level=1)).to_be_focused()
