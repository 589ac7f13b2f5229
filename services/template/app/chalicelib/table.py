"""The DynamoDB table of {{ things }}: the only module that speaks DynamoDB.

{{ A }} {{ thing }} is the item (``kind``, ``id``) with the kind "{{ thing }}". Ids sort by time, so one Query reads a page
of the newest. One kind is one partition, good for a thousand writes a second; a service with more begins its key with
an owner, as todo-app does:
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
        record_key = {"kind": "idempotency", "id": key}
        return idempotency.put_once(self._client, self._put({{ thing }}), record_key, fingerprint, {{ thing }})

    def get(self, {{ thing }}_id: str) -> {{ Thing }} | None:
        with aws.translated():
            answer = self._client.get_item(TableName=self._name, Key=_key({{ thing }}_id), ConsistentRead=True)
        return _{{ thing }}(answer["Item"]) if answer.get("Item") else None

    def list(self, query: {{ Thing }}Query) -> Page[{{ Thing }}]:
        request: dict[str, Any] = {
            "TableName": self._name,
            "KeyConditionExpression": "kind = :kind",
            "ExpressionAttributeValues": {":kind": {"S": _KIND}},
            "ScanIndexForward": False,
            "ConsistentRead": True,
            # One more than asked for tells whether there is another page.
            "Limit": query.limit + 1,
        }
        if query.cursor is not None:
            request["ExclusiveStartKey"] = _key(pages.position(query.cursor))
        with aws.translated({"ValidationException": InvalidInput("cursor: not one that this API gave")}):
            answer = self._client.query(**request)
        found = [_{{ thing }}(item) for item in answer["Items"]]
        page = found[: query.limit]
        return Page(page, pages.cursor(page[-1].id) if len(found) > query.limit else None)

    def update(self, {{ thing }}_id: str, fields: dict[str, Any], versions: Collection[str] | None) -> {{ Thing }}:
        condition, values = _condition(versions)
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
        return _{{ thing }}(answer["Attributes"])

    def remove(self, {{ thing }}_id: str, versions: Collection[str] | None) -> None:
        condition, values = _condition(versions)
        given: dict[str, Any] = {"ExpressionAttributeValues": dynamodb.item(values)} if values else {}
        names = {"#id": "id"} | ({"#version": "version"} if values else {})
        try:
            with aws.translated():
                self._client.delete_item(
                    TableName=self._name,
                    Key=_key({{ thing }}_id),
                    ConditionExpression=condition,
                    ExpressionAttributeNames=names,
                    **given,
                )
        except ClientError as error:
            raise self._refusal(error, {{ thing }}_id) from error

    def _refusal(self, error: Exception, {{ thing }}_id: str) -> Exception:
        """A failed condition does not say which half failed: look."""
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


def _condition(versions: Collection[str] | None) -> tuple[str, dict[str, Any]]:
    """It is there and, unless any will do, at one of *versions*; a tag that is no version matches nothing."""
    if versions is None:
        return "attribute_exists(#id)", {}
    values = {f":v{i}": int(v) if v.isdecimal() and len(v) < 16 else -1 for i, v in enumerate(versions)}
    values = values or {":v0": -1}
    return f"attribute_exists(#id) AND #version IN ({', '.join(values)})", values


def _{{ thing }}(item: dict[str, Any]) -> {{ Thing }}:
    values = dynamodb.values(item)
    return msgspec.convert(values | {"version": int(values["version"])}, type={{ Thing }})
