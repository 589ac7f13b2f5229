"""The contracts of the stores of payments and of entitlements: in memory, and the tables."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from memory import MemoryEntitlements, MemoryPayments
from rows import later, rows

from chalicelib.entitlement_table import EntitlementTable
from chalicelib.entitlements import Entitlements, EntitlementStore, Paid, Payment, PaymentStore, Revoked
from chalicelib.payment_table import PaymentTable
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


def a_payment(version: int = 1, revoked_at: int | None = None, payment_id: str = "pi_1") -> Payment:
    return Payment(id=payment_id, version=version, user="ann", item="plan:month", paid_at=1, revoked_at=revoked_at)


def test_each_event_adds_its_data_to_the_payment(payments: PaymentStore) -> None:
    payment_id = f"pi_{new_id()}"

    assert payments.note_revoked(Revoked(payment_id, 2)) == Payment(id=payment_id, version=1, revoked_at=2)
    paid = payments.note_paid(Paid(payment_id, "ann", "plan:month", 1))
    assert paid == Payment(id=payment_id, version=2, user="ann", item="plan:month", paid_at=1, revoked_at=2)


def test_the_first_data_of_a_payment_is_kept(payments: PaymentStore) -> None:
    payment_id = f"pi_{new_id()}"
    payments.note_paid(Paid(payment_id, "ann", "plan:month", 1))

    again = payments.note_paid(Paid(payment_id, "bob", "plan:year", 9))

    assert again == Payment(id=payment_id, version=2, user="ann", item="plan:month", paid_at=1)


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
    known = {1: a_payment(1), 2: a_payment(2, revoked_at=5)}

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


def test_an_invalid_cursor_is_rejected(dynamodb: Any) -> None:
    with pytest.raises(InvalidInput, match="cursor"):
        EntitlementTable(dynamodb, os.environ["TABLE"]).videos("ann", 3, "")


def test_a_hundred_replays_at_once_make_one_entitlement(dynamodb: Any) -> None:
    ledger = PaymentTable(dynamodb, os.environ["PAYMENTS_TABLE"])
    store = EntitlementTable(dynamodb, os.environ["TABLE"])
    user, payment_id = new_id(), f"pi_{new_id()}"
    entitlements = Entitlements(ledger, store)
    events = [Paid(payment_id, user, "plan:month", 1), Revoked(payment_id, 2)]

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(entitlements.apply, events[:1] * 100))
    (payment,) = store.get(user, ["premium"])["premium"]
    assert payment.counts
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(entitlements.apply, events * 50))

    (payment,) = store.get(user, ["premium"])["premium"]
    assert (payment.paid_at, payment.revoked_at) == (1, 2)


@rows("video-app", "Payment")
def test_a_payment_of_another_release_takes_more_events(dynamodb: Any, row: dict[str, Any]) -> None:
    payment_id = f"pi_{new_id()}"
    dynamodb.put_item(TableName=os.environ["PAYMENTS_TABLE"], Item=as_item(row | {"id": payment_id}))

    paid = PaymentTable(dynamodb, os.environ["PAYMENTS_TABLE"]).note_paid(Paid(payment_id, "ann", "plan:month", 1))

    assert paid == Payment(id=payment_id, version=2, user="ann", item="plan:month", paid_at=1)


@rows("video-app", "Entitlement")
def test_an_entitlement_of_another_release_is_read(dynamodb: Any, row: dict[str, Any]) -> None:
    row["payment:pi_first"] = later(row["payment:pi_first"])
    dynamodb.put_item(TableName=os.environ["TABLE"], Item=as_item(row))

    found = EntitlementTable(dynamodb, os.environ["TABLE"]).get(row["user"], [row["item"]])

    assert found == {"premium": [Payment(id="pi_first", version=1)]}
