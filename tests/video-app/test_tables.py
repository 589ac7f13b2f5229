"""The contracts of the stores of payments and of entitlements: in memory, and the tables."""

from __future__ import annotations

import os
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
from memory import MemoryEntitlements, MemoryPayments
from rows import later, rows
from shop import Provider

from chalicelib.entitlement_table import EntitlementTable
from chalicelib.entitlements import EntitlementStore
from chalicelib.payment_table import PaymentTable
from chalicelib.payments import (
    Dispute,
    DisputeChanged,
    Event,
    Paid,
    Payment,
    Payments,
    PaymentStore,
    Refund,
    RefundChanged,
    Refunded,
)
from common.dynamodb import item as as_item
from common.errors import InvalidInput
from common.ids import new_id


@pytest.fixture(params=["memory", "table"])
def payments(request: pytest.FixtureRequest) -> PaymentStore:
    if request.param == "memory":
        return MemoryPayments()
    return PaymentTable(request.getfixturevalue("dynamodb"), os.environ["PAYMENTS_TABLE"])


@pytest.fixture(params=["memory", "table"])
def store(request: pytest.FixtureRequest) -> EntitlementStore:
    if request.param == "memory":
        return MemoryEntitlements()
    return EntitlementTable(request.getfixturevalue("dynamodb"), os.environ["TABLE"])


def a_payment(version: int = 1, refunded_at: int | None = None, payment_id: str = "pi_1") -> Payment:
    return Payment(id=payment_id, version=version, user="ann", item="plan:month", paid_at=1, refunded_at=refunded_at)


def events_of(payment: str) -> list[Event]:
    """Return every kind of event of a payment, several of them about one refund and about one dispute."""
    refunds = [("pending", 3), ("succeeded", 4), ("failed", 5), ("failed", 6)]
    disputes = [("warning_needs_response", 7), ("needs_response", 8), ("won", 9), ("funds_reinstated", 9)]
    return [
        Paid(payment, "ann", "plan:month", 1, amount=990),
        Paid(payment, "ann", "plan:month", 2, amount=990),
        Refunded(payment, 3, "ann", "plan:month"),
        Refunded(payment, 4),
        *(RefundChanged(payment, "re_1", Refund(status, 990, at)) for status, at in refunds),
        RefundChanged(payment, "re_2", Refund("succeeded", 10, 5)),
        *(DisputeChanged(payment, "du_1", Dispute(status, at)) for status, at in disputes[:3]),
        DisputeChanged(payment, "du_2", Dispute("lost", 9)),
    ]


@pytest.mark.parametrize("seed", range(4))
def test_events_of_a_payment_are_noted_alike_in_memory_and_in_the_table(dynamodb: Any, seed: int) -> None:
    table, memory = PaymentTable(dynamodb, os.environ["PAYMENTS_TABLE"]), MemoryPayments()
    events = events_of(f"pi_{new_id()}")
    random.Random(seed).shuffle(events)

    for event in events * 2:
        assert table.note(event) == memory.note(event)

    (payment,) = memory.payments.values()
    known = {"paid_at": 1, "refunded_at": 4, "amount": 990, "user": "ann", "item": "plan:month"}
    assert {name: getattr(payment, name) for name in known} == known
    assert payment.refunds == {"re_1": Refund("failed", 990, 5), "re_2": Refund("succeeded", 10, 5)}
    assert payment.disputes == {"du_1": Dispute("won", 9), "du_2": Dispute("lost", 9)}


def test_an_event_of_an_unknown_payment_can_be_left_out(payments: PaymentStore) -> None:
    payment_id = f"pi_{new_id()}"
    dispute = DisputeChanged(payment_id, "du_1", Dispute("needs_response", 2))

    assert payments.note(dispute, known_only=True) is None
    assert payments.note(Paid(payment_id, "ann", "plan:month", 1)) == Payment(
        id=payment_id, version=1, user="ann", item="plan:month", paid_at=1
    )
    noted = payments.note(dispute, known_only=True)
    assert noted is not None
    assert noted.disputes == {"du_1": Dispute("needs_response", 2)}
    assert payments.note(dispute, known_only=True) == noted


def test_the_payments_for_an_item_are_those_of_its_user(store: EntitlementStore) -> None:
    ann, bob = new_id(), new_id()
    store.put(ann, "premium", a_payment(payment_id="pi_1"))
    store.put(ann, "premium", a_payment(payment_id="pi_2"))

    found = store.get(ann, ["premium", "video:x"])

    assert sorted(payment.id for payment in found["premium"]) == ["pi_1", "pi_2"]
    assert found["video:x"] == []
    assert store.get(bob, ["premium"]) == {"premium": []}


@pytest.mark.parametrize("order", [(1, 2), (2, 1), (2, 1, 2, 1)])
def test_a_newer_version_is_never_replaced_by_an_older_one(store: EntitlementStore, order: tuple[int, ...]) -> None:
    user = new_id()
    known = {
        1: a_payment(1),
        2: msgspec.structs.replace(a_payment(2, refunded_at=5), refunds={"re_1": Refund("failed", 1, 2)}),
    }

    for version in order:
        store.put(user, "premium", known[version])

    assert store.get(user, ["premium"]) == {"premium": [known[2]]}


def test_pages_have_each_bought_video_once(store: EntitlementStore) -> None:
    user = new_id()
    items = [f"video:{new_id()}" for _ in range(5)]
    for item in [*items, "premium"]:
        store.put(user, item, a_payment())

    first = list(store.videos(user, 3, None))
    rest = list(store.videos(user, 3, first[-1]))

    assert len(first) == 3
    assert sorted([*first, *rest]) == sorted(items)


def test_a_page_is_complete_when_dynamodb_reads_less_of_it_at_once(dynamodb: Any) -> None:
    """DynamoDB ends a response after 1 MB: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html"""
    store = EntitlementTable(dynamodb, os.environ["TABLE"])
    user = new_id()
    items = sorted(f"video:{new_id()}" for _ in range(5))
    for item in items:
        for number in range(4):
            store.put(user, item, a_payment(payment_id=f"pi_{number}" + "x" * 45_000))

    assert list(store.videos(user, 4, None)) == items[:4]
    assert list(store.videos(user, 4, items[3])) == items[4:]


def test_an_invalid_cursor_is_rejected(dynamodb: Any) -> None:
    with pytest.raises(InvalidInput, match="cursor"):
        EntitlementTable(dynamodb, os.environ["TABLE"]).videos("ann", 3, "")


def test_a_hundred_replays_at_once_make_one_entitlement(dynamodb: Any) -> None:
    ledger = PaymentTable(dynamodb, os.environ["PAYMENTS_TABLE"])
    store = EntitlementTable(dynamodb, os.environ["TABLE"])
    user, payment_id = new_id(), f"pi_{new_id()}"
    payments = Payments(ledger, store, Provider())
    events = [Paid(payment_id, user, "plan:month", 1), Refunded(payment_id, 2)]

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(payments.apply, events[:1] * 100))
    (payment,) = store.get(user, ["premium"])["premium"]
    assert payment.counts
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(payments.apply, events * 50))

    (payment,) = store.get(user, ["premium"])["premium"]
    assert (payment.paid_at, payment.refunded_at) == (1, 2)


@rows("video-app", "Payment")
def test_a_payment_of_another_release_takes_more_events(dynamodb: Any, row: dict[str, Any]) -> None:
    payment_id = f"pi_{new_id()}"
    dynamodb.put_item(TableName=os.environ["PAYMENTS_TABLE"], Item=as_item(row | {"id": payment_id}))

    paid = PaymentTable(dynamodb, os.environ["PAYMENTS_TABLE"]).note(Paid(payment_id, "ann", "plan:month", 1))

    assert paid == Payment(id=payment_id, version=2, user="ann", item="plan:month", paid_at=1)


@pytest.mark.parametrize(
    ("later", "counts"),
    [
        ([], False),
        ([DisputeChanged("", "du_1", Dispute("lost", 10))], False),
        ([DisputeChanged("", "du_1", Dispute("won", 10))], True),
        ([RefundChanged("", "re_1", Refund("failed", 299, 10))], True),
        ([RefundChanged("", "re_1", Refund("succeeded", 299, 10))], False),
    ],
)
def test_a_payment_that_an_earlier_release_revoked_counts_again_when_it_comes_to_nothing(
    dynamodb: Any, later: list[Event], counts: bool
) -> None:
    """The first releases stored a full refund and a dispute alike, as ``revoked_at``, and the amount in ``sale``."""
    payment_id = f"pi_{new_id()}"
    row = {"id": payment_id, "version": 2, "user": "ann", "item": "plan:month", "paid_at": 1, "revoked_at": 5}
    row["sale"] = {"title": "x", "amount": 299, "currency": "eur", "email": "ann@example.com"}
    dynamodb.put_item(TableName=os.environ["PAYMENTS_TABLE"], Item=as_item(row))
    table = PaymentTable(dynamodb, os.environ["PAYMENTS_TABLE"])

    known = table.note(Paid(payment_id, "ann", "plan:month", 1))
    for event in later:
        known = table.note(msgspec.structs.replace(event, payment=payment_id))

    assert known is not None
    assert (known.counts, known.amount) == (counts, 299)


@rows("video-app", "Entitlement")
def test_an_entitlement_of_another_release_is_read(dynamodb: Any, row: dict[str, Any]) -> None:
    row["payment:pi_first"] = later(row["payment:pi_first"])
    dynamodb.put_item(TableName=os.environ["TABLE"], Item=as_item(row))

    found = EntitlementTable(dynamodb, os.environ["TABLE"]).get(row["user"], [row["item"]])

    assert found == {"premium": [Payment(id="pi_first", version=1)]}
