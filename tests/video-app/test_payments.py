"""What payments are worth, whatever the order and the number of the events about them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory import MemoryEntitlements, MemoryPayments
from msgspec.structs import replace
from shop import Provider, Shop

from chalicelib.payments import (
    Dispute,
    DisputeChanged,
    Event,
    Paid,
    Payment,
    Payments,
    Refund,
    RefundChanged,
    Refunded,
    stored_under,
)
from common.errors import InvalidInput

VIDEO = "video:0190b6c2-0000-7000-8000-000000000001"
PRICE = 500


def test_a_refund_or_a_dispute_before_its_payment_is_kept_for_it(shop: Shop) -> None:
    shop.refund("pi_1")
    shop.pay(VIDEO, "ann", "pi_1")
    shop.payments.apply(DisputeChanged("pi_2", "du_1", Dispute("needs_response", 1)))
    shop.pay(VIDEO, "ann", "pi_2")
    assert not shop.entitlements.has_bought("ann", VIDEO.removeprefix("video:"))

    shop.payments.apply(DisputeChanged("pi_2", "du_1", Dispute("won", 2)))
    assert shop.entitlements.has_bought("ann", VIDEO.removeprefix("video:"))


@pytest.mark.parametrize(
    "event",
    [
        DisputeChanged("pi_other", "du_1", Dispute("needs_response", 1)),
        RefundChanged("pi_other", "re_1", Refund("succeeded", 1, 1)),
    ],
)
def test_an_event_of_another_shop_stores_nothing(shop: Shop, event: Event) -> None:
    shop.provider.others.add("pi_other")

    shop.payments.apply(event)

    assert (shop.ledger.payments, shop.store.items) == ({}, {})


@pytest.mark.parametrize("item", ["premium", "plan:day", "video:x", "video:" + "0" * 36, "", VIDEO + "0", VIDEO + "\n"])
def test_a_payment_for_an_unknown_item_is_rejected_and_not_stored(shop: Shop, item: str) -> None:
    with pytest.raises(InvalidInput):
        shop.pay(item)
    with pytest.raises(InvalidInput):
        shop.refund("pi_1", "ann", item)
    assert (shop.ledger.payments, shop.store.items) == ({}, {})


def test_a_state_keeps_the_order_that_an_earlier_release_stored_for_it() -> None:
    """The table compares the order of a new state with the stored one."""
    refunds = [Refund(status, 1, 5).order for status in ("pending", "succeeded", "failed", "canceled")]
    disputes = [Dispute(status, 7).order for status in ("warning_closed", "needs_response", "won", "lost")]

    assert refunds == [-5, 10**12 - 5, 2 * 10**12 - 5, 2 * 10**12 - 5]
    assert disputes == [70, 71, 72, 73]


def test_a_refund_that_fails_and_a_dispute_that_ends_in_the_second_of_their_event_come_to_nothing() -> None:
    paid = Payment(id="pi_1", version=1, user="ann", item=VIDEO, paid_at=1, amount=PRICE)

    for at, counts in ((5, True), (4, False)):
        failed, won = {"re_1": Refund("failed", PRICE, at)}, {"du_1": Dispute("won", at)}
        assert replace(paid, refunded_at=5, refunds=failed).counts is counts
        assert replace(paid, revoked_at=5, refunds=failed).counts is counts
        assert replace(paid, revoked_at=5, disputes=won).counts is counts


@dataclass
class Life:
    """The life of one payment at the provider: its events, and whether the customer has the money at the end."""

    payment: str
    user: str
    item: str
    now: int
    events: list[Event] = field(default_factory=list)
    refunds: dict[str, int] = field(default_factory=dict)
    dispute: str = "won"

    def pay(self) -> None:
        self.events.append(Paid(self.payment, self.user, self.item, self._later(), amount=PRICE))

    def refund(self, amount: int, pending: bool) -> None:
        """Refund up to *amount* of what is left."""
        amount = min(amount, PRICE - sum(self.refunds.values()))
        if not amount:
            return
        refund = f"re_{len(self.events)}"
        self.refunds[refund] = amount
        self._refund_is(refund, "pending" if pending else "succeeded", amount)
        if sum(self.refunds.values()) == PRICE:
            self.events.append(Refunded(self.payment, self._later(), self.user, self.item))
        if pending:
            self._refund_is(refund, "succeeded", amount)

    def fail_a_refund(self) -> None:
        if self.refunds:
            refund, amount = self.refunds.popitem()
            for _ in range(2):  # refund.failed and charge.refund.updated
                self._refund_is(refund, "failed", amount)

    def argue(self, statuses: list[str], same_second: bool) -> None:
        """Let a new dispute go through *statuses*, after any earlier one was decided."""
        dispute = f"du_{len(self.events)}"
        at = self._later()
        for status in statuses:
            at = at if same_second else self._later()
            self.events.append(DisputeChanged(self.payment, dispute, Dispute(status, at)))
        self.dispute = "lost" if "lost" in (statuses[-1], self.dispute) else statuses[-1]

    @property
    def counts(self) -> bool:
        kept = sum(self.refunds.values()) < PRICE
        return kept and self.dispute in ("won", "funds_reinstated", "warning_needs_response", "warning_closed")

    def _refund_is(self, refund: str, status: str, amount: int) -> None:
        self.events.append(RefundChanged(self.payment, refund, Refund(status, amount, self._later())))

    def _later(self) -> int:
        self.now += 1
        return self.now


DISPUTES = [
    ["warning_needs_response"],
    ["warning_needs_response", "warning_closed"],
    ["warning_needs_response", "needs_response", "under_review", "won"],
    ["needs_response", "funds_withdrawn", "won", "funds_reinstated"],
    ["needs_response", "under_review", "lost"],
]


@st.composite
def lives(draw: st.DrawFn) -> list[Life]:
    """Payments of two users, with refunds that succeed or fail, and disputes that are won or lost."""
    histories = []
    for number in range(draw(st.integers(1, 3))):
        user = draw(st.sampled_from(["ann", "bob"]))
        item = draw(st.sampled_from([VIDEO, "plan:month", "plan:year"]))
        life = Life(f"pi_{number}", user, item, draw(st.integers(0, 10**9)))
        life.pay()
        for step in draw(st.lists(st.sampled_from(["refund", "fail", "argue"]), max_size=6)):
            if step == "refund":
                life.refund(draw(st.sampled_from([1, 200, 300, PRICE])), draw(st.booleans()))
            elif step == "fail":
                life.fail_a_refund()
            else:
                life.argue(draw(st.sampled_from(DISPUTES)), draw(st.booleans()))
        histories.append(life)
    return histories


type Known = dict[tuple[str, str], dict[str, tuple[int | None, bool]]]


def known(store: MemoryEntitlements) -> Known:
    """Return the store: by user and item, the time of each payment, and whether it counts."""
    return {
        key: {payment.id: (payment.paid_at, payment.counts) for payment in payments.values()}
        for key, payments in store.items.items()
    }


def expected(histories: list[Life]) -> Known:
    store: Known = {}
    for life in histories:
        paid = life.events[0]
        assert isinstance(paid, Paid)
        store.setdefault((life.user, stored_under(life.item)), {})[life.payment] = (paid.at, life.counts)
    return store


def shuffled(histories: list[Life], chance: random.Random) -> list[Event]:
    events = [event for life in histories for event in life.events]
    again = [*events, *chance.choices(events, k=len(events))]
    chance.shuffle(again)
    return again


@given(lives(), st.randoms(use_true_random=False))
def test_events_in_any_order_with_any_repeats_tell_who_has_the_money(
    histories: list[Life], chance: random.Random
) -> None:
    store = MemoryEntitlements()
    payments = Payments(MemoryPayments(), store, Provider())

    for event in shuffled(histories, chance):
        payments.apply(event)

    assert known(store) == expected(histories)


@given(lives(), st.randoms(use_true_random=False))
def test_concurrent_writes_in_any_order_have_the_same_result(histories: list[Life], chance: random.Random) -> None:
    """Run functions concurrently: each adds its event to the payment, and later stores it, in any order."""
    ledger, store = MemoryPayments(), MemoryEntitlements()
    noted = [ledger.note(event) for event in shuffled(histories, chance)]
    chance.shuffle(noted)

    for payment in noted:
        assert isinstance(payment, Payment)
        if payment.user is not None and payment.item is not None:
            store.put(payment.user, stored_under(payment.item), payment)

    assert known(store) == expected(histories)
