"""The events of purchases, and the receipts from the other service."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest
from chalice.test import Client
from shop import Shop

from chalicelib import wiring
from chalicelib.payment_stream import completed
from chalicelib.payment_table import PaymentTable
from chalicelib.payments import Paid, Refunded, Sale
from chalicelib.purchases import PurchaseCompleted, Receipt, Receipts
from common import logs
from common.errors import NotFound, ServiceUnavailable
from common.ids import new_id

EXAMPLE: dict[str, Any] = json.loads((Path(__file__).parent.parent / "events/PurchaseCompleted.1.json").read_text())
SALE = Sale(EXAMPLE["title"], EXAMPLE["amount"], EXAMPLE["currency"], EXAMPLE["email"])
PAID = Paid(EXAMPLE["payment_id"], EXAMPLE["user"], f"video:{new_id()}", 1896112800, SALE)


@pytest.fixture
def changes(emulator: str) -> Any:
    """A table of payments with a stream, and a function that returns the events in the stream."""
    dynamodb = boto3.client("dynamodb", endpoint_url=emulator)
    streams = boto3.client("dynamodbstreams", endpoint_url=emulator)
    name = f"payments-{new_id()}"
    table = dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )["TableDescription"]

    def published() -> list[PurchaseCompleted]:
        arn = table["LatestStreamArn"]
        (shard,) = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
        iterator = streams.get_shard_iterator(
            StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        records = streams.get_records(ShardIterator=iterator)["Records"]
        return [event for event in map(completed, records) if event is not None]

    return PaymentTable(dynamodb, name), published


def test_a_payment_publishes_the_documented_event(changes: Any) -> None:
    payments, published = changes
    logs.correlate(EXAMPLE["correlation_id"])

    payments.note(PAID)

    assert [json.loads(msgspec.json.encode(event)) for event in published()] == [EXAMPLE]


def test_a_payment_is_published_once_despite_other_events(changes: Any) -> None:
    payments, published = changes

    payments.note(Refunded(PAID.payment, 1))
    for _ in range(3):
        payments.note(PAID)
    payments.note(Refunded(PAID.payment, 2))

    assert len(published()) == 1


def test_a_payment_without_an_address_is_not_published(changes: Any) -> None:
    payments, published = changes

    payments.note(msgspec.structs.replace(PAID, sale=None))

    assert published() == []


class Service:
    """Receipts-app with one receipt, or down."""

    def __init__(self, down: bool = False) -> None:
        self.down = down
        self.requested: list[str] = []

    def get[T](self, path: str, cls: type[T]) -> T:
        self.requested.append(path)
        if self.down:
            raise ServiceUnavailable("receipts-app does not answer, please try again later")
        values = {**EXAMPLE, "paid_at": EXAMPLE["at"], "sent_at": None}
        return msgspec.convert(values, type=cls)


def test_the_receipt_of_a_users_own_purchase_is_requested_by_its_payment(shop: Shop) -> None:
    service = Service()
    shop.payments.apply(PAID)

    receipt = Receipts(shop.entitlements, service).of(PAID.user, PAID.item.removeprefix("video:"))

    assert isinstance(receipt, Receipt)
    assert (receipt.title, service.requested) == (EXAMPLE["title"], [f"/receipts/{PAID.payment}"])


def test_no_user_reads_the_receipt_of_another(shop: Shop) -> None:
    service = Service()
    shop.payments.apply(PAID)

    with pytest.raises(NotFound):
        Receipts(shop.entitlements, service).of("bob", PAID.item.removeprefix("video:"))
    assert service.requested == []


def test_while_receipts_are_down_the_error_has_retry_after(
    client: Client, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.payments.apply(msgspec.structs.replace(PAID, user="ann"))
    monkeypatch.setattr(wiring, "receipts", lambda: Receipts(shop.entitlements, Service(down=True)))
    token = "e30.eyJzdWIiOiJhbm4iLCJhdWQiOiJ1bml0LWNsaWVudCIsInRva2VuX3VzZSI6ImlkIiwiY29nbml0bzp1c2VybmFtZSI6ImFubiJ9.s"
    path = f"/videos/{PAID.item.removeprefix('video:')}/receipt"

    answer = client.http.get(path, headers={"Authorization": token})

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert answer.json_body["Code"] == "ServiceUnavailable"
