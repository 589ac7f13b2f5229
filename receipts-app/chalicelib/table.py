"""The DynamoDB table of receipts: a receipt is the item of its ``payment_id``. Adapter for DynamoDB."""

from __future__ import annotations

from typing import Any

import msgspec
from botocore.exceptions import ClientError

from chalicelib.receipts import Receipt
from common import aws, dynamodb


class ReceiptTable:
    """Receipts in the DynamoDB table *name*, through *client*."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name

    def add(self, receipt: Receipt) -> Receipt | None:
        try:
            with aws.translated():
                self._client.put_item(
                    TableName=self._name,
                    Item=dynamodb.item(msgspec.structs.asdict(receipt)),
                    ConditionExpression="attribute_not_exists(payment_id)",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
        except ClientError as error:
            if aws.code(error) != "ConditionalCheckFailedException":
                raise
            return dynamodb.read(error.response["Item"], Receipt)
        return None

    def get(self, payment_id: str) -> Receipt | None:
        with aws.translated():
            answer = self._client.get_item(TableName=self._name, Key=_key(payment_id), ConsistentRead=True)
        return dynamodb.read(answer["Item"], Receipt) if answer.get("Item") else None

    def settle(self, receipt: Receipt) -> None:
        with aws.translated():
            self._client.put_item(TableName=self._name, Item=dynamodb.item(msgspec.structs.asdict(receipt)))

    def remove(self, payment_id: str) -> None:
        with aws.translated():
            self._client.delete_item(TableName=self._name, Key=_key(payment_id))


def _key(payment_id: str) -> dict[str, Any]:
    return dynamodb.item({"payment_id": payment_id})
