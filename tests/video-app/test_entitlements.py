"""The rules of entitlements: who may watch what, and until when, whatever the order of events."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory import MemoryEntitlements, MemoryPayments
from msgspec.structs import replace
from shop import Clock, Shop

from chalicelib.entitlements import PREMIUM, Access, Entitlements, Paid, Payment, Revoked, premium_until
from common.errors import InvalidInput, NotEntitled

DAY = 24 * 3600
VIDEO = "video:0190b6c2-0000-7000-8000-000000000001"


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

    shop.revoke("pi_1", "ann", f"video:{video.id}")

    with pytest.raises(NotEntitled):
        shop.entitlements.access("ann", video)


def test_a_refund_that_arrives_before_its_payment_revokes_it(shop: Shop) -> None:
    video = shop.catalogue.get(shop.publish())
    shop.revoke("pi_1", "ann", f"video:{video.id}")

    shop.pay(f"video:{video.id}")

    with pytest.raises(NotEntitled):
        shop.entitlements.access("ann", video)


def test_a_dispute_that_names_only_the_payment_revokes_it_in_any_order(shop: Shop) -> None:
    shop.pay(VIDEO, "ann", "pi_1")
    shop.revoke("pi_1")
    shop.revoke("pi_2")
    shop.pay(VIDEO, "ann", "pi_2")

    assert not shop.entitlements.has_bought("ann", VIDEO.removeprefix("video:"))


def test_a_refund_of_one_of_two_payments_keeps_the_video(shop: Shop) -> None:
    video = shop.catalogue.get(shop.publish())
    shop.pay(f"video:{video.id}", payment="pi_1")
    shop.pay(f"video:{video.id}", payment="pi_2")

    shop.revoke("pi_1")

    assert shop.entitlements.access("ann", video).by == "purchase"


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

    shop.revoke("pi_2")

    assert premium_until(shop.store.get("ann", [PREMIUM])[PREMIUM]) == start + 30 * DAY


def test_a_plan_refunded_long_ago_does_not_shorten_a_later_one(shop: Shop) -> None:
    shop.pay("plan:month", payment="pi_1")
    shop.revoke("pi_1")
    shop.clock.advance(days=100)
    shop.pay("plan:month", payment="pi_2")

    assert premium_until(shop.store.get("ann", [PREMIUM])[PREMIUM]) == shop.clock.seconds + 30 * DAY


@pytest.mark.parametrize("item", ["premium", "plan:day", "video:x", "video:" + "0" * 36, "", VIDEO + "0", VIDEO + "\n"])
def test_a_payment_for_an_unknown_item_is_rejected_and_not_stored(shop: Shop, item: str) -> None:
    with pytest.raises(InvalidInput):
        shop.pay(item)
    with pytest.raises(InvalidInput):
        shop.revoke("pi_1", "ann", item)
    assert not shop.payments.payments
    assert not shop.store.items


type Known = dict[tuple[str, str], dict[str, tuple[int | None, bool]]]


def expected_store(events: list[Paid | Revoked]) -> Known:
    """Return the expected store: by user and item, the time of each payment, and whether it is revoked."""
    store = MemoryEntitlements()
    entitlements = Entitlements(MemoryPayments(), store, Clock())
    for event in events:
        entitlements.apply(event)
    return {
        key: {payment.id: (payment.paid_at, payment.revoked_at is not None) for payment in payments.values()}
        for key, payments in store.items.items()
    }


@st.composite
def histories(draw: st.DrawFn) -> list[Paid | Revoked]:
    """Payments of two users, with one event each, and refunds and disputes of some of them."""
    events: list[Paid | Revoked] = []
    for number in range(draw(st.integers(1, 6))):
        user = draw(st.sampled_from(["ann", "bob"]))
        item = draw(st.sampled_from([VIDEO, "plan:month", "plan:year"]))
        at = draw(st.integers(0, 400)) * DAY
        events.append(Paid(f"pi_{number}", user, item, at))
        if draw(st.booleans()):
            events.append(Revoked(f"pi_{number}", at + 1, user, item))
        if draw(st.booleans()):
            events.append(Revoked(f"pi_{number}", at + 2))
    return events


@given(histories(), st.randoms(use_true_random=False))
def test_events_in_any_order_with_any_repeats_have_the_same_result(
    events: list[Paid | Revoked], chance: random.Random
) -> None:
    shuffled = [*events, *chance.choices(events, k=len(events))]
    chance.shuffle(shuffled)

    assert expected_store(shuffled) == expected_store(events)


@given(histories(), st.randoms(use_true_random=False))
def test_concurrent_writes_in_any_order_have_the_same_result(
    events: list[Paid | Revoked], chance: random.Random
) -> None:
    """Run two functions concurrently: both add their event to the payment, then both store it, in either order."""
    ledger, store = MemoryPayments(), MemoryEntitlements()
    noted = [ledger.note_paid(e) if isinstance(e, Paid) else ledger.note_revoked(e) for e in events]
    chance.shuffle(noted)
    for payment in noted:
        if payment.user is not None and payment.item is not None:
            store.put(payment.user, PREMIUM if payment.item.startswith("plan:") else payment.item, payment)

    stored = {
        key: {payment.id: (payment.paid_at, payment.revoked_at is not None) for payment in payments.values()}
        for key, payments in store.items.items()
    }
    assert stored == expected_store(events)


@given(st.permutations(range(5)), st.sets(st.integers(0, 4)))
def test_a_refunded_plan_counts_as_never_paid(order: list[int], back: set[int]) -> None:
    plans = [("month", 0), ("month", 10), ("year", 20), ("month", 700), ("month", 701)]
    payments = [
        Payment(id=f"pi_{n}", version=1, user="ann", item=f"plan:{plan}", paid_at=day * DAY)
        for n, (plan, day) in enumerate(plans)
    ]
    kept = [payment for n, payment in enumerate(payments) if n not in back]
    known = [replace(payments[n], version=2, revoked_at=1) if n in back else payments[n] for n in order]

    assert premium_until(known) == premium_until(kept)


def test_a_payment_a_refund_and_a_dispute_in_any_order_are_revoked() -> None:
    events: list[Paid | Revoked] = [Paid("pi", "ann", VIDEO, 1), Revoked("pi", 2, "ann", VIDEO), Revoked("pi", 3)]

    ends = [expected_store(list(order)) for order in itertools.permutations(events)]

    assert ends == [{("ann", VIDEO): {"pi": (1, True)}}] * 6
