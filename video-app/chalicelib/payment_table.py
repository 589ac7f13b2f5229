"""The DynamoDB table of payments: the item of a payment's ``id``, to which each event adds what it knows.

Its stream is the outbox of `PurchaseCompleted`: what is stored and what is told of it cannot part.
"""

from __future__ import annotations

from typing import Any

import msgspec

from chalicelib.entitlements import Paid, Payment, Revoked
from chalicelib.purchases import PurchaseCompleted
from chalicelib.videos import timestamp
from common import aws, dynamodb, logs


class PaymentTable:
    """Payments in the table *name*, through *client*."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name

    def note_paid(self, paid: Paid) -> Payment:
        known: dict[str, Any] = {"paid_at": paid.at, "user": paid.user, "item": paid.item}
        if paid.sale is not None:
            known["sale"] = msgspec.structs.asdict(paid.sale) | {"correlation_id": logs.correlation_id.get()}
        return self._note(paid.payment, known)

    def note_revoked(self, revoked: Revoked) -> Payment:
        known = {"revoked_at": revoked.at, "user": revoked.user, "item": revoked.item}
        return self._note(revoked.payment, {name: value for name, value in known.items() if value is not None})

    def _note(self, payment_id: str, known: dict[str, Any]) -> Payment:
        """What was noted first stays."""
        notes = ", ".join(f"#{name} = if_not_exists(#{name}, :{name})" for name in known)
        with aws.translated():
            answer = self._client.update_item(
                TableName=self._name,
                Key=dynamodb.item({"id": payment_id}),
                UpdateExpression=f"SET {notes} ADD #version :one",
                ExpressionAttributeNames={f"#{name}": name for name in [*known, "version"]},
                ExpressionAttributeValues=dynamodb.item({f":{n}": v for n, v in known.items()} | {":one": 1}),
                ReturnValues="ALL_NEW",
            )
        return payment_of(dynamodb.values(answer["Attributes"]))


def completed(record: dict[str, Any]) -> PurchaseCompleted | None:
    """Return the event that a record of the stream is, if it is the first to say that a payment was made."""
    old, new = (dynamodb.values(record["dynamodb"].get(image, {})) for image in ("OldImage", "NewImage"))
    if "paid_at" in old or "paid_at" not in new or "sale" not in new:
        return None
    sale = new["sale"] | {"amount": int(new["sale"]["amount"])}
    return PurchaseCompleted(payment_id=new["id"], user=new["user"], at=timestamp(int(new["paid_at"])), **sale)


def payment_of(values: dict[str, Any]) -> Payment:
    """Return the payment that DynamoDB's *values* are."""
    numbers = {name: int(values[name]) for name in ("version", "paid_at", "revoked_at") if name in values}
    return msgspec.convert(values | numbers, type=Payment)
