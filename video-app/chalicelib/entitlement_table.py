"""The DynamoDB table of entitlements. Adapter for DynamoDB.

An entitlement is the item (``user``, ``item``) with an attribute for each payment. So one consistent read shows whether
a user may watch a video. A payment is stored by one conditional write, which never replaces a newer version of it.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from chalicelib.payments import Payment
from common import aws, dynamodb
from common.errors import InvalidInput

_PREFIX = "payment:"


class EntitlementTable:
    """Entitlements in the table *name*, through *client*."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name

    def put(self, user: str, item: str, payment: Payment) -> None:
        known = {name: value for name, value in msgspec.to_builtins(payment).items() if value is not None}
        try:
            with aws.translated():
                self._client.update_item(
                    TableName=self._name,
                    Key=dynamodb.item({"user": user, "item": item}),
                    UpdateExpression="SET #payment = :payment",
                    ConditionExpression="attribute_not_exists(#payment) OR #payment.#version < :version",
                    ExpressionAttributeNames={"#payment": _PREFIX + payment.id, "#version": "version"},
                    ExpressionAttributeValues=dynamodb.item({":payment": known, ":version": payment.version}),
                )
        except ClientError as error:
            if aws.code(error) != "ConditionalCheckFailedException":
                raise

    def get(self, user: str, items: Collection[str]) -> dict[str, list[Payment]]:
        keys = [{"user": user, "item": item} for item in items]
        found = dynamodb.get_all(self._client, self._name, keys, consistent=True)
        return {item: [] for item in items} | {values["item"]: _payments(values) for values in found}

    def videos(self, user: str, limit: int, after: str | None) -> dict[str, list[Payment]]:
        request: dict[str, Any] = {
            "TableName": self._name,
            "KeyConditionExpression": "#user = :user AND begins_with(#item, :video)",
            "ExpressionAttributeNames": {"#user": "user", "#item": "item"},
            "ExpressionAttributeValues": dynamodb.item({":user": user, ":video": "video:"}),
            "ConsistentRead": True,
            "Limit": limit,
        }
        if after is not None:
            request["ExclusiveStartKey"] = dynamodb.item({"user": user, "item": after})
        pages = self._client.get_paginator("query").paginate(**request)  # DynamoDB ends a response after 1 MB
        with aws.translated({"ValidationException": InvalidInput("cursor: not one that this API gave")}):
            items = list(islice((item for page in pages for item in page["Items"]), limit))
        return {values["item"]: _payments(values) for values in map(dynamodb.values, items)}


def _payments(values: dict[str, Any]) -> list[Payment]:
    return [msgspec.convert(known, Payment) for name, known in values.items() if name.startswith(_PREFIX)]
