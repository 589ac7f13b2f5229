"""The DynamoDB table of payments. Adapter for DynamoDB.

A payment is the item of its ``id``. Each event is stored by one conditional write, which adds the attribute of its fact
or replaces an earlier state of it: ``paid_at``, ``refunded_at``, ``refund:<id>`` and ``dispute:<id>``.
"""

from __future__ import annotations

from typing import Any

import msgspec
from botocore.exceptions import ClientError

from chalicelib.payments import Dispute, DisputeChanged, Event, Paid, Payment, Refund, RefundChanged, Refunded
from common import aws, dynamodb, logs

_REFUND, _DISPUTE = "refund:", "dispute:"


class PaymentTable:
    """Payments in the table *name*, through *client*."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name

    def note(self, event: Event, known_only: bool = False) -> Payment | None:
        value: Any
        match event:
            case Paid():
                fact, value, newer = "paid_at", event.at, "#fact > :fact"
            case Refunded():
                fact, value, newer = "refunded_at", event.at, "#fact < :fact"
            case RefundChanged():
                fact, value, newer = _REFUND + event.id, _state(event.refund), "#fact.#order < :fact_order"
            case DisputeChanged():
                fact, value, newer = _DISPUTE + event.id, _state(event.dispute), "#fact.#order < :fact_order"
        return self._update(event.payment, fact, value, newer, _about(event), known_only)

    def _update(
        self, payment_id: str, fact: str, value: Any, newer: str, about: dict[str, Any], known_only: bool
    ) -> Payment | None:
        """Set the attribute *fact* unless the known one is as new, and the attributes *about* that are not known."""
        names = {"#fact": fact, "#version": "version"} | {f"#{name}": name for name in about}
        values = {":fact": value, ":one": 1} | {f":{name}": known for name, known in about.items()}
        if "#order" in newer:
            names["#order"], values[":fact_order"] = "order", value["order"]
        notes = ["#fact = :fact", *(f"#{name} = if_not_exists(#{name}, :{name})" for name in about)]
        condition = f"(attribute_not_exists(#fact) OR {newer})"
        try:
            with aws.translated():
                answer = self._client.update_item(
                    TableName=self._name,
                    Key=dynamodb.item({"id": payment_id}),
                    UpdateExpression=f"SET {', '.join(notes)} ADD #version :one",
                    ConditionExpression=f"attribute_exists(id) AND {condition}" if known_only else condition,
                    ExpressionAttributeNames=names,
                    ExpressionAttributeValues=dynamodb.item(values),
                    ReturnValues="ALL_NEW",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
        except ClientError as error:
            if aws.code(error) != "ConditionalCheckFailedException":
                raise
            old = error.response.get("Item")
            return _payment(old) if old else None
        return _payment(answer["Attributes"])


def _about(event: Event) -> dict[str, Any]:
    """Return the attributes that do not depend on the order of events."""
    known: dict[str, Any] = {}
    if isinstance(event, Paid | Refunded):
        known |= {"user": event.user, "item": event.item}
    if isinstance(event, Paid):
        known["amount"] = event.amount
        if event.sale is not None:
            known["sale"] = msgspec.structs.asdict(event.sale) | {"correlation_id": logs.correlation_id.get()}
    return {name: value for name, value in known.items() if value is not None}


def _state(state: Refund | Dispute) -> dict[str, Any]:
    return msgspec.structs.asdict(state) | {"order": state.order}


def _payment(item: dict[str, Any]) -> Payment:
    """Return the payment of an item of any release: the first ones had its amount only in ``sale``."""
    values = dynamodb.values(item)
    values.setdefault("amount", values.get("sale", {}).get("amount"))
    for field, prefix in (("refunds", _REFUND), ("disputes", _DISPUTE)):
        values[field] = {name.removeprefix(prefix): state for name, state in values.items() if name.startswith(prefix)}
    return msgspec.convert(values, Payment)
