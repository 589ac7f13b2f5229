"""The DynamoDB table of payments: the item of a payment's ``id``, to which each event adds what it knows."""

from __future__ import annotations

from typing import Any

import msgspec

from chalicelib.entitlements import Paid, Payment, Revoked
from common import aws, dynamodb


class PaymentTable:
    """Payments in the table *name*, through *client*."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name

    def note_paid(self, paid: Paid) -> Payment:
        return self._note(paid.payment, {"paid_at": paid.at, "user": paid.user, "item": paid.item})

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


def payment_of(values: dict[str, Any]) -> Payment:
    """Return the payment that DynamoDB's *values* are."""
    numbers = {name: int(values[name]) for name in ("version", "paid_at", "revoked_at") if name in values}
    return msgspec.convert(values | numbers, type=Payment)
