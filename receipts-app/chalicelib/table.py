"""The DynamoDB table of receipts: the only module that speaks DynamoDB. A receipt is the item (``payment_id``)."""

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
            return _receipt(error.response["Item"])
        return None

    def get(self, payment_id: str) -> Receipt | None:
        with aws.translated():
            answer = self._client.get_item(TableName=self._name, Key=_key(payment_id), ConsistentRead=True)
        return _receipt(answer["Item"]) if answer.get("Item") else None

    def settle(self, receipt: Receipt) -> None:
        with aws.translated():
            self._client.put_item(TableName=self._name, Item=dynamodb.item(msgspec.structs.asdict(receipt)))

    def remove(self, payment_id: str) -> None:
        with aws.translated():
            self._client.delete_item(TableName=self._name, Key=_key(payment_id))


def _key(payment_id: str) -> dict[str, Any]:
    return dynamodb.item({"payment_id": payment_id})


def _receipt(item: dict[str, Any]) -> Receipt:
    values = dynamodb.values(item)
    return msgspec.convert(values | {"amount": int(values["amount"])}, type=Receipt)
