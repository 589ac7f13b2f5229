"""The DynamoDB table of payments. Adapter for DynamoDB.

A payment is the item of its ``id``, to which each event adds its attributes.
"""

from __future__ import annotations

from typing import Any

import msgspec

from chalicelib.entitlements import Paid, Payment, Revoked
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
        """Add the attributes that the item does not have yet."""
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
        return dynamodb.read(answer["Attributes"], Payment)
