"""The contract of every store of receipts: in memory, and the table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from memory import MemoryReceipts, Outbox
from msgspec.structs import replace
from rows import rows

from chalicelib.receipts import MAX_LENGTH, Receipt, Receipts, ReceiptStore
from chalicelib.table import ReceiptTable
from common import dynamodb
from common.errors import NotFound
from common.ids import new_id
from common.mail import MailTemplate

RECEIPT = Receipt(
    payment_id="pi_1",
    user="ann",
    email="ann@example.com",
    title="A film",
    amount=499,
    currency="eur",
    paid_at="2030-01-01T00:00:00Z",
)


@pytest.fixture(params=["memory", "table"])
def any_store(request: pytest.FixtureRequest) -> ReceiptStore:
    if request.param == "memory":
        return MemoryReceipts()
    table, client = a_table(request.getfixturevalue("emulator"))
    return ReceiptTable(client, table)


def a_table(emulator: str) -> tuple[str, Any]:
    """Return the name of a new table as in resources.yaml, and a client."""
    client = boto3.client("dynamodb", endpoint_url=emulator)
    yaml.SafeLoader.add_multi_constructor("!", lambda loader, suffix, node: None)
    resources = yaml.safe_load(Path("receipts-app/resources.yaml").read_text())["Resources"]
    wanted = ("AttributeDefinitions", "KeySchema", "BillingMode")
    name = f"receipts-{new_id()}"
    client.create_table(TableName=name, **{key: resources["Receipts"]["Properties"][key] for key in wanted})
    return name, client


def test_the_first_receipt_of_a_payment_is_stored_and_returned_to_the_second(any_store: ReceiptStore) -> None:
    assert any_store.add(RECEIPT) is None
    assert any_store.add(replace(RECEIPT, amount=1)) == RECEIPT
    assert any_store.get("pi_1") == RECEIPT
    assert any_store.get("pi_2") is None


def test_a_settled_receipt_has_the_time_of_its_mail(any_store: ReceiptStore) -> None:
    any_store.add(RECEIPT)
    sent = replace(RECEIPT, sent_at="2030-01-01T00:00:01Z")

    any_store.settle(sent)

    assert any_store.add(RECEIPT) == sent


def test_a_removed_receipt_can_be_added_again(any_store: ReceiptStore) -> None:
    any_store.add(RECEIPT)

    any_store.remove("pi_1")

    assert any_store.add(RECEIPT) is None


def test_an_id_that_no_event_can_have_is_not_found(any_store: ReceiptStore, template: MailTemplate) -> None:
    receipts = Receipts(any_store, Outbox(), template)
    longest = replace(RECEIPT, payment_id="🎬" * MAX_LENGTH)
    any_store.add(longest)

    assert receipts.get(longest.payment_id) == longest
    for payment_id in (longest.payment_id + "1", "p" * 2049):
        with pytest.raises(NotFound):
            receipts.get(payment_id)


@rows("receipts-app", "Receipt")
def test_a_receipt_of_another_release_is_read(emulator: str, row: dict[str, Any]) -> None:
    table, client = a_table(emulator)
    client.put_item(TableName=table, Item=dynamodb.item(row))

    receipt = ReceiptTable(client, table).get(row["payment_id"])

    assert receipt is not None
    assert (receipt.title, receipt.sent_at) == (row["title"], None)
