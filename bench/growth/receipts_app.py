"""Receipts, each of one purchase."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from bench import tables
from bench.growth.subject import Aws, Operation, Subject
from common.mail import Mail, MailTemplate
from sandbox.settings import ROOT


class _NoMail:
    def send(self, to: str, mail: Mail, tags: dict[str, str], unsubscribe_url: str = "") -> str:
        return "id"


def subjects(aws: Aws) -> list[Subject]:
    from chalicelib.receipts import PurchaseCompleted, Receipt, Receipts
    from chalicelib.table import ReceiptTable

    client = aws.client("dynamodb")
    table = tables.create(client, "receipts-app", "Receipts")
    template = MailTemplate(Path(ROOT / "receipts-app/chalicelib/mails"), "receipt")
    receipts = Receipts(ReceiptTable(client, table), _NoMail(), template)
    known: dict[str, Any] = {"user": "ann", "email": "ann@example.com", "title": "A film", "amount": 300}
    known |= {"currency": "usd"}
    receipt = Receipt(payment_id="", paid_at="2030-01-01T00:00:00Z", sent_at="2030-01-01T00:00:01Z", **known)
    purchase = PurchaseCompleted(version=1, payment_id="new", at="2030-01-01T00:00:00Z", **known)

    def grow(before: int, size: int) -> None:
        item = msgspec.structs.asdict(receipt)
        tables.fill(client, table, ({**item, "payment_id": f"p{n}"} for n in range(before, size)))

    def remove() -> None:
        client.delete_item(TableName=table, Key={"payment_id": {"S": "new"}})

    sent = Operation("a receipt is sent", lambda: receipts.send(purchase), undo=remove)
    read = Operation("a receipt is read", lambda: receipts.get("p5"))
    return [Subject("receipts", grow, (sent, read))]
