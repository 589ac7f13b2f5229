"""The rules of entitlements: who may watch what, and until when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from shop import Shop

from chalicelib.entitlements import Access, premium_until
from chalicelib.payments import PREMIUM, Payment
from common.errors import NotEntitled

DAY = 24 * 3600


def test_a_purchase_never_expires(shop: Shop) -> None:
    video = shop.catalogue.get(shop.publish())

    shop.pay(f"video:{video.id}")
    shop.clock.advance(days=10_000)

    assert shop.entitlements.access("ann", video) == Access("purchase")
    with pytest.raises(NotEntitled):
        shop.entitlements.access("bob", video)


def test_premium_opens_every_video_until_it_ends(shop: Shop) -> None:
    video = shop.catalogue.get(shop.publish())
    until = shop.clock.seconds + 30 * DAY

    shop.pay("plan:month")

    assert shop.entitlements.access("ann", video) == Access("premium", until)
    assert shop.entitlements.premium("ann").plan == "month"
    shop.clock.advance(days=30)
    with pytest.raises(NotEntitled):
        shop.entitlements.access("ann", video)
    assert shop.entitlements.premium("ann").premium is False


def test_only_its_buyers_may_watch_a_withdrawn_video(shop: Shop) -> None:
    video_id = shop.publish()
    shop.pay(f"video:{video_id}", "ann", "pi_1")
    shop.pay("plan:year", "bob", "pi_2")

    shop.publishing.withdraw(video_id)
    video = shop.catalogue.get(video_id)

    assert shop.entitlements.access("ann", video).by == "purchase"
    with pytest.raises(NotEntitled):
        shop.entitlements.access("bob", video)


def test_a_refund_revokes_at_once(shop: Shop) -> None:
    video = shop.catalogue.get(shop.publish())
    shop.pay(f"video:{video.id}")

    shop.refund("pi_1", "ann", f"video:{video.id}")

    with pytest.raises(NotEntitled):
        shop.entitlements.access("ann", video)


def test_a_refund_of_one_of_two_payments_keeps_the_video(shop: Shop) -> None:
    video = shop.catalogue.get(shop.publish())
    shop.pay(f"video:{video.id}", payment="pi_1")
    shop.pay(f"video:{video.id}", payment="pi_2")

    shop.refund("pi_1")

    assert shop.entitlements.access("ann", video).by == "purchase"


def test_without_a_plan_premium_never_began() -> None:
    assert premium_until([]) == 0


def test_a_plan_begins_when_the_running_one_ends(shop: Shop) -> None:
    start = shop.clock.seconds
    shop.pay("plan:month", payment="pi_1")
    shop.clock.advance(days=10)
    shop.pay("plan:year", payment="pi_2")

    assert premium_until(shop.store.get("ann", [PREMIUM])[PREMIUM]) == start + (30 + 365) * DAY
    assert shop.entitlements.premium("ann").plan == "year"


def test_a_plan_after_a_pause_begins_when_it_is_paid(shop: Shop) -> None:
    shop.pay("plan:month", payment="pi_1")
    shop.clock.advance(days=100)
    shop.pay("plan:month", payment="pi_2")

    assert premium_until(shop.store.get("ann", [PREMIUM])[PREMIUM]) == shop.clock.seconds + 30 * DAY


def test_a_refund_of_one_of_two_plans_removes_only_its_days(shop: Shop) -> None:
    start = shop.clock.seconds
    shop.pay("plan:month", payment="pi_1")
    shop.pay("plan:month", payment="pi_2")

    shop.refund("pi_2")

    assert premium_until(shop.store.get("ann", [PREMIUM])[PREMIUM]) == start + 30 * DAY


def test_a_plan_refunded_long_ago_does_not_shorten_a_later_one(shop: Shop) -> None:
    shop.pay("plan:month", payment="pi_1")
    shop.refund("pi_1")
    shop.clock.advance(days=100)
    shop.pay("plan:month", payment="pi_2")

    assert premium_until(shop.store.get("ann", [PREMIUM])[PREMIUM]) == shop.clock.seconds + 30 * DAY


@given(st.permutations(range(5)), st.sets(st.integers(0, 4)))
def test_a_refunded_plan_counts_as_never_paid(order: list[int], back: set[int]) -> None:
    plans = [("month", 0), ("month", 10), ("year", 20), ("month", 700), ("month", 701)]
    payments = [
        Payment(id=f"pi_{n}", version=1, user="ann", item=f"plan:{plan}", paid_at=day * DAY)
        for n, (plan, day) in enumerate(plans)
    ]
    kept = [payment for n, payment in enumerate(payments) if n not in back]
    known = [replace(payments[n], version=2, refunded_at=1) if n in back else payments[n] for n in order]

    assert premium_until(known) == premium_until(kept)
