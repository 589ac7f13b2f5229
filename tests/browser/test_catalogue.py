"""The shop's catalogue for people who own some of its films. The page is the app's own; AWS and the API are stubs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from page_server import serve_page
from playwright.sync_api import Page, Route, expect

API = "http://api.test"
ALLOWED = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "*"}
SESSION = '{"email": "ann@example.com", "idToken": "id", "refreshToken": "refresh", "expiresAt": 9e15}'

type Library = dict[str | None, Any]
"""The pages of the library by their cursors. The API fails for other ones."""


@pytest.fixture(scope="module")
def site(free_port: Callable[[], int]) -> Iterator[str]:
    config = {"api": API, "region": "us-east-1", "user_pool_client_id": "client"}
    with serve_page("video-app", free_port(), config) as url:
        yield url


@pytest.fixture
def remarks(new_page: Callable[..., Page], site: str) -> Callable[..., list[str]]:
    """Return a function that opens the catalogue of films a, b and c, and returns what it says of each."""

    def remarks(library: Library, signed_in: bool = True) -> list[str]:
        def answer(route: Route) -> None:
            address = urlsplit(route.request.url)
            cursor = parse_qs(address.query).get("cursor", [None])[0]
            if address.path == "/videos":
                route.fulfill(headers=ALLOWED, json={"items": [film(name) for name in "abc"], "cursor": None})
            elif cursor in library:
                route.fulfill(headers=ALLOWED, json=library[cursor])
            else:
                route.fulfill(status=500, headers=ALLOWED, json={})

        page = new_page()
        page.route(f"{API}/**", answer)
        if signed_in:
            page.add_init_script(f"sessionStorage.session = '{SESSION}'")
        page.goto(site)
        films = page.get_by_role("listitem")
        expect(films).to_have_count(3)
        return [text.splitlines()[-1] for text in films.all_inner_texts()]

    return remarks


def film(name: str, **access: str) -> dict[str, Any]:
    about = {"description": "", "duration": 75, "price": 299, "currency": "usd", "poster": "/icon.svg"}
    return {"id": name, "title": f"Film {name}", **about, **access}


def bought(*names: str, cursor: str | None = None) -> dict[str, Any]:
    return {"items": [film(name, access="purchase") for name in names], "cursor": cursor}


def test_a_bought_film_shows_no_price(remarks: Callable[..., list[str]]) -> None:
    shown = remarks({None: bought("c", cursor="more"), "more": bought("a")})

    assert [text.rpartition("1:15")[2].strip(" ·") for text in shown] == ["Bought", "$2.99", "Bought"]


def test_a_member_sees_what_premium_includes(remarks: Callable[..., list[str]]) -> None:
    included = [film(name, access="premium", until="2030-01-01T00:00:00.000Z") for name in "ac"]

    shown = remarks({None: {"items": [*bought("b")["items"], *included], "cursor": None}})

    assert ["Bought" in text for text in shown] == [False, True, False]
    assert ["Included in premium" in text for text in shown] == [True, False, True]


def test_strangers_see_prices_and_so_do_all_while_the_library_is_down(remarks: Callable[..., list[str]]) -> None:
    assert all("$2.99" in text for text in remarks({}, signed_in=False))
    assert all("$2.99" in text for text in remarks({}))


def test_the_library_is_read_once_for_all_pages_of_the_catalogue(new_page: Callable[..., Page], site: str) -> None:
    read: list[str] = []

    def answer(route: Route) -> None:
        address = urlsplit(route.request.url)
        read.append(address.path)
        more = {"items": [film(name) for name in "abc"], "cursor": "more"}
        route.fulfill(headers=ALLOWED, json=bought("a") if "library" in address.path or address.query else more)

    page = new_page()
    page.route(f"{API}/**", answer)
    page.add_init_script(f"sessionStorage.session = '{SESSION}'")
    page.goto(site)
    page.get_by_role("button", name="More").click()
    expect(page.get_by_role("listitem")).to_have_count(4)

    assert read.count("/library") == 1
    assert read.count("/videos") == 2
