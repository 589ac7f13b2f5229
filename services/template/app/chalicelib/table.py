"""The DynamoDB table of {{ things }}. Adapter for DynamoDB.

{{ A }} {{ thing }} is the item (``kind``, ``id``) with the kind "{{ thing }}". Ids sort by time, so one Query reads a page
of the newest. One kind is one partition, which takes a thousand writes a second. A service with more writes starts its
key with an owner, as todo-app does:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from chalicelib.{{ things }} import {{ Thing }}, {{ Thing }}Query
from common import aws, dynamodb, idempotency, pages
from common.errors import InvalidInput, NotFound, PreconditionFailed
from common.pages import Page

_KIND = "{{ thing }}"


class {{ Thing }}Table:
    """{{ Things }} in the DynamoDB table *name*, through *client*."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name

    def add(self, {{ thing }}: {{ Thing }}) -> {{ Thing }}:
        with aws.translated():
            self._client.put_item(**self._put({{ thing }}))
        return {{ thing }}

    def add_once(self, {{ thing }}: {{ Thing }}, key: str, fingerprint: str) -> {{ Thing }}:
        key_item = {"kind": "idempotency", "id": key}
        return idempotency.put_once(self._client, self._put({{ thing }}), key_item, fingerprint, {{ thing }})

    def get(self, {{ thing }}_id: str) -> {{ Thing }} | None:
        with aws.translated():
            answer = self._client.get_item(TableName=self._name, Key=_key({{ thing }}_id), ConsistentRead=True)
        return dynamodb.read(answer["Item"], {{ Thing }}) if answer.get("Item") else None

    def list(self, query: {{ Thing }}Query) -> Page[{{ Thing }}]:
        request: dict[str, Any] = {
            "TableName": self._name,
            "KeyConditionExpression": "kind = :kind",
            "ExpressionAttributeValues": {":kind": {"S": _KIND}},
            "ScanIndexForward": False,
            "ConsistentRead": True,
            # One more item than requested shows whether there is another page.
            "Limit": query.limit + 1,
        }
        if query.cursor is not None:
            request["ExclusiveStartKey"] = _key(pages.position(query.cursor))
        with aws.translated({"ValidationException": InvalidInput("cursor: not one that this API gave")}):
            answer = self._client.query(**request)
        found = [dynamodb.read(item, {{ Thing }}) for item in answer["Items"]]
        page = found[: query.limit]
        # DynamoDB ends a page after 1 MB, too.
        more = len(found) > query.limit or "LastEvaluatedKey" in answer
        return Page(page, pages.cursor(page[-1].id) if more and page else None)

    def update(self, {{ thing }}_id: str, fields: dict[str, Any], versions: Collection[str] | None) -> {{ Thing }}:
        condition, values = dynamodb.version_condition("id", versions)
        names = {f"#{name}": name for name in [*fields, "version"]}
        values |= {f":{name}": value for name, value in fields.items()} | {":one": 1}
        try:
            with aws.translated():
                answer = self._client.update_item(
                    TableName=self._name,
                    Key=_key({{ thing }}_id),
                    UpdateExpression="SET " + ", ".join(f"#{f} = :{f}" for f in fields) + " ADD #version :one",
                    ConditionExpression=condition,
                    ExpressionAttributeNames=names | {"#id": "id"},
                    ExpressionAttributeValues=dynamodb.item(values),
                    ReturnValues="ALL_NEW",
                )
        except ClientError as error:
            raise self._refusal(error, {{ thing }}_id) from error
        return dynamodb.read(answer["Attributes"], {{ Thing }})

    def remove(self, {{ thing }}_id: str, versions: Collection[str] | None) -> None:
        condition, values = dynamodb.version_condition("id", versions)
        options: dict[str, Any] = {"ExpressionAttributeValues": dynamodb.item(values)} if values else {}
        names = {"#id": "id"} | ({"#version": "version"} if values else {})
        try:
            with aws.translated():
                self._client.delete_item(
                    TableName=self._name,
                    Key=_key({{ thing }}_id),
                    ConditionExpression=condition,
                    ExpressionAttributeNames=names,
                    **options,
                )
        except ClientError as error:
            raise self._refusal(error, {{ thing }}_id) from error

    def _refusal(self, error: Exception, {{ thing }}_id: str) -> Exception:
        """Return the error for a failed condition, which does not say whether the item or its version is missing."""
        if aws.code(error) != "ConditionalCheckFailedException":
            return error
        if self.get({{ thing }}_id) is None:
            return NotFound(f"there is no {{ thing }} { {{- thing }}_id}")
        return PreconditionFailed(f"{{ thing }} { {{- thing }}_id} has changed since that version")

    def _put(self, {{ thing }}: {{ Thing }}) -> dict[str, Any]:
        return {
            "TableName": self._name,
            "Item": dynamodb.item(msgspec.structs.asdict({{ thing }}) | {"kind": _KIND}),
            "ConditionExpression": "attribute_not_exists(kind)",
        }


def _key({{ thing }}_id: str) -> dict[str, Any]:
    return dynamodb.item({"kind": _KIND, "id": {{ thing }}_id})
