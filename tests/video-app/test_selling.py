"""The rules of checkouts, links and the library."""

from __future__ import annotations

import pytest
from shop import FILES, Shop

from chalicelib.links import LinkQuery
from chalicelib.videos import VideoQuery
from common.errors import AlreadyBought, InvalidInput, NotEntitled, NotFound

UNBOUND = LinkQuery()
BOUND = LinkQuery("address")


# Checkouts


def test_a_video_is_ordered_at_its_own_price(shop: Shop) -> None:
    video_id = shop.publish()

    checkout = shop.checkouts.video("ann", video_id, "key")

    ((order, key),) = shop.provider.orders
    assert checkout.url == "https://pay.example/cs_1"
    assert (order.user, order.item, order.name, order.price, order.currency, key) == (
        *("ann", f"video:{video_id}", "The ferry", 299, "eur", "key"),
    )
    assert order.success_url == f"https://videos.example/#videos/{video_id}/paid"
    assert order.cancel_url == f"https://videos.example/#videos/{video_id}"


def test_a_plan_is_ordered_at_the_displayed_price(shop: Shop) -> None:
    shop.checkouts.plan("ann", "year")

    ((order, _),) = shop.provider.orders
    year = shop.checkouts.offers().items[1]
    assert (order.item, order.price, order.name) == ("plan:year", year.price, "Premium for 365 days")


def test_a_plan_can_be_bought_while_one_is_running(shop: Shop) -> None:
    shop.pay("plan:month")

    shop.checkouts.plan("ann", "month")

    assert len(shop.provider.orders) == 1


def test_a_video_can_be_bought_again_only_after_a_refund(shop: Shop) -> None:
    video_id = shop.publish()
    shop.pay(f"video:{video_id}")

    with pytest.raises(AlreadyBought):
        shop.checkouts.video("ann", video_id)
    shop.refund("pi_1")
    shop.checkouts.video("ann", video_id)
    assert len(shop.provider.orders) == 1


def test_a_withdrawn_or_unknown_video_is_not_sold(shop: Shop) -> None:
    video_id = shop.publish()
    shop.publishing.withdraw(video_id)

    for unsold in (video_id, "none"):
        with pytest.raises(NotFound):
            shop.checkouts.video("ann", unsold)


# Links


def test_a_link_is_valid_for_minutes_from_any_address(shop: Shop) -> None:
    video_id = shop.publish()
    shop.pay(f"video:{video_id}")

    link = shop.links.link("ann", video_id, UNBOUND, "203.0.113.7")

    expires = shop.clock.seconds + 300
    assert link.url == f"https://videos.example/videos/{video_id}/video.mp4?expires={expires}&source=None"
    assert link.expires_at == "2030-01-01T00:05:01.000Z"


def test_a_link_can_be_bound_to_the_callers_address(shop: Shop) -> None:
    video_id = shop.publish()
    shop.pay(f"video:{video_id}")

    assert shop.links.link("ann", video_id, BOUND, "203.0.113.7").url.endswith("source=203.0.113.7")
    for address in ("2001:db8::1", "", "203.0.113.0/24", "*"):
        with pytest.raises(InvalidInput, match="bind"):
            shop.links.link("ann", video_id, BOUND, address)


def test_no_link_is_valid_after_premium_ends(shop: Shop) -> None:
    video_id = shop.publish()
    shop.pay("plan:month")
    shop.clock.advance(days=30, seconds=-60)

    assert shop.links.link("ann", video_id, UNBOUND, "").expires_at == "2030-01-31T00:00:01.000Z"
    assert shop.links.session("ann", video_id).session.expires_at == "2030-01-31T00:00:01.000Z"


def test_a_session_opens_the_videos_folder_and_no_other(shop: Shop) -> None:
    video_id = shop.publish()
    shop.pay(f"video:{video_id}")

    opened = shop.links.session("ann", video_id)

    assert opened.session.playlist == f"https://videos.example/videos/{video_id}/hls/index.m3u8"
    assert opened.path == f"/videos/{video_id}/"
    assert opened.cookies["CloudFront-Policy"].startswith(f"https://videos.example/videos/{video_id}/*|")


def test_without_a_payment_there_is_no_link_and_no_session(shop: Shop) -> None:
    video_id = shop.publish()

    with pytest.raises(NotEntitled):
        shop.links.link("ann", video_id, UNBOUND, "")
    with pytest.raises(NotEntitled):
        shop.links.session("ann", video_id)


def test_a_video_without_hls_has_no_session_and_an_unknown_one_no_link(shop: Shop) -> None:
    video_id = shop.publish(FILES[:2])
    shop.pay("plan:month")

    with pytest.raises(NotFound, match="HLS"):
        shop.links.session("ann", video_id)
    for unknown in ("none", "0190b6c2-0000-7000-8000-000000000001"):
        with pytest.raises(NotFound):
            shop.links.link("ann", unknown, UNBOUND, "")


# The library


def library(shop: Shop, user: str, limit: int) -> tuple[list[tuple[str, str]], int]:
    """Return the videos of all pages, and the number of pages."""
    found: list[tuple[str, str]] = []
    cursor, pages = None, 0
    while True:
        page = shop.library.list(user, VideoQuery(limit, cursor))
        assert len(page.items) <= limit
        found += [(video.id, video.access) for video in page.items]
        cursor, pages = page.cursor, pages + 1
        if cursor is None:
            return found, pages


def test_a_library_has_all_bought_videos_even_withdrawn_ones(shop: Shop) -> None:
    ids = [shop.publish() for _ in range(3)]
    for number, video_id in enumerate(ids[:2]):
        shop.pay(f"video:{video_id}", payment=f"pi_{number}")
    shop.publishing.withdraw(ids[0])

    found, pages = library(shop, "ann", 20)
    assert (sorted(found), pages) == (sorted([(ids[0], "purchase"), (ids[1], "purchase")]), 1)
    assert library(shop, "bob", 20) == ([], 1)


@pytest.mark.parametrize("limit", [1, 2, 3, 20])
def test_the_library_of_a_premium_user_has_each_video_of_the_catalogue_once(shop: Shop, limit: int) -> None:
    ids = [shop.publish() for _ in range(5)]
    shop.pay(f"video:{ids[1]}", payment="pi_1")
    shop.pay(f"video:{ids[2]}", payment="pi_2")
    shop.refund("pi_2")
    shop.pay("plan:month", payment="pi_3")

    found, _ = library(shop, "ann", limit)

    assert found == [(ids[1], "purchase"), *((ids[n], "premium") for n in (4, 3, 2, 0))]


def test_after_premium_the_library_has_only_the_bought_videos(shop: Shop) -> None:
    video_id = shop.publish()
    shop.publish()
    shop.pay(f"video:{video_id}", payment="pi_1")
    shop.pay("plan:month", payment="pi_2")
    shop.clock.advance(days=31)

    assert library(shop, "ann", 20)[0] == [(video_id, "purchase")]


@pytest.mark.parametrize("cursor", ["%%%", "bm9uZQ", "Ym91Z2h0"])
def test_an_invalid_cursor_is_rejected(shop: Shop, cursor: str) -> None:
    with pytest.raises(InvalidInput, match="cursor"):
        shop.library.list("ann", VideoQuery(20, cursor))
