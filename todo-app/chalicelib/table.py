"""The DynamoDB table of todos. Adapter for DynamoDB.

A todo is the item (``owner``, ``id``). Ids sort by time, so one Query reads a page of the newest, whatever the number
of todos. The index ``by-state`` sorts by (``done``, ``id``) for the filter. It is local, since only a local index
supports consistent reads:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/LSI.html
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from chalicelib.todos import Todo, TodoQuery
from common import aws, dynamodb, idempotency, pages
from common.errors import InvalidInput, NotFound, PreconditionFailed
from common.pages import Page

_FAILED = "ConditionalCheckFailedException"


class TodoTable:
    """Todos in the DynamoDB table *name*, through *client* (DynamoDB's own or DAX's).

    *consistent* reads see all completed writes; DAX passes them on to DynamoDB. Other reads may come from the item and
    query caches of DAX.
    """

    def __init__(self, client: Any, name: str, consistent: bool = True) -> None:
        self._client = client
        self._name = name
        self._consistent = consistent

    def add(self, owner: str, todo: Todo) -> Todo:
        with aws.translated():
            self._client.put_item(**self._put(owner, todo))
        return todo

    def add_once(self, owner: str, todo: Todo, key: str, fingerprint: str) -> Todo:
        key_item = {"owner": f"idempotency#{owner}", "id": key}
        return idempotency.put_once(self._client, self._put(owner, todo), key_item, fingerprint, todo)

    def get(self, owner: str, todo_id: str) -> Todo | None:
        item = self._item(owner, todo_id, self._consistent)
        return None if item is None else dynamodb.read(item, Todo)

    def list(self, owner: str, query: TodoQuery) -> Page[Todo]:
        request: dict[str, Any] = {
            "TableName": self._name,
            "KeyConditionExpression": "#owner = :owner",
            "ExpressionAttributeNames": {"#owner": "owner"},
            "ExpressionAttributeValues": {":owner": {"S": owner}},
            "ScanIndexForward": False,
            "ConsistentRead": self._consistent,
            # One more item than requested shows whether there is another page.
            "Limit": query.limit + 1,
        }
        if query.done is not None:
            request["IndexName"] = "by-state"
            request["KeyConditionExpression"] += " AND begins_with(#state, :state)"
            request["ExpressionAttributeNames"]["#state"] = "state"
            request["ExpressionAttributeValues"][":state"] = {"S": _state(query.done, "")}
        if query.cursor is not None:
            request["ExclusiveStartKey"] = self._key_after(owner, query)
        with aws.translated({"ValidationException": InvalidInput("cursor: not one that this API gave")}):
            answer = self._client.query(**request)
        todos = [dynamodb.read(item, Todo) for item in answer["Items"]]
        more = len(todos) > query.limit or "LastEvaluatedKey" in answer
        page = todos[: query.limit]
        return Page(page, pages.cursor(page[-1].id) if more and page else None)

    def _key_after(self, owner: str, query: TodoQuery) -> dict[str, Any]:
        assert query.cursor is not None
        last = pages.position(query.cursor)
        key = {"owner": owner, "id": last}
        if query.done is not None:
            key["state"] = _state(query.done, last)
        return dynamodb.item(key)

    def update(self, owner: str, todo_id: str, fields: dict[str, Any], versions: Collection[str] | None) -> Todo:
        if "done" in fields:
            fields = fields | {"state": _state(fields["done"], todo_id)}
        names = {f"#{name}": name for name in [*fields, "owner", "version"]}
        values = {f":{name}": value for name, value in fields.items()} | {":one": 1}
        condition, condition_values = dynamodb.version_condition("owner", versions)
        assignments = ", ".join(f"#{name} = :{name}" for name in fields)
        try:
            with aws.translated():
                answer = self._client.update_item(
                    TableName=self._name,
                    Key=dynamodb.item({"owner": owner, "id": todo_id}),
                    UpdateExpression=f"SET {assignments} ADD #version :one",
                    ConditionExpression=condition,
                    ExpressionAttributeNames=names,
                    ExpressionAttributeValues=dynamodb.item(values | condition_values),
                    ReturnValues="ALL_NEW",
                )
        except ClientError as error:
            raise self._refusal(error, owner, todo_id) from error
        return dynamodb.read(answer["Attributes"], Todo)

    def remove(self, owner: str, todo_id: str, versions: Collection[str] | None) -> None:
        condition, values = dynamodb.version_condition("owner", versions)
        request: dict[str, Any] = {
            "TableName": self._name,
            "Key": dynamodb.item({"owner": owner, "id": todo_id}),
            "ConditionExpression": condition,
            "ExpressionAttributeNames": {"#owner": "owner"},
        }
        if values:
            request["ExpressionAttributeNames"]["#version"] = "version"
            request["ExpressionAttributeValues"] = dynamodb.item(values)
        try:
            with aws.translated():
                self._client.delete_item(**request)
        except ClientError as error:
            raise self._refusal(error, owner, todo_id) from error

    def _refusal(self, error: Exception, owner: str, todo_id: str) -> Exception:
        """Return the error for a failed condition, which does not say whether the todo or its version is missing."""
        if aws.code(error) != _FAILED:
            return error
        if self._item(owner, todo_id, consistent=True) is None:
            return NotFound(f"there is no todo {todo_id}")
        return PreconditionFailed(f"todo {todo_id} has changed since that version")

    def _item(self, owner: str, item_id: str, consistent: bool) -> dict[str, Any] | None:
        with aws.translated():
            answer = self._client.get_item(
                TableName=self._name,
                Key=dynamodb.item({"owner": owner, "id": item_id}),
                ConsistentRead=consistent,
            )
        return answer.get("Item") or None

    def _put(self, owner: str, todo: Todo) -> dict[str, Any]:
        item = msgspec.structs.asdict(todo) | {"owner": owner, "state": _state(todo.done, todo.id)}
        return {
            "TableName": self._name,
            "Item": dynamodb.item(item),
            "ConditionExpression": "attribute_not_exists(#owner)",
            "ExpressionAttributeNames": {"#owner": "owner"},
        }


def _state(done: bool, todo_id: str) -> str:
    return f"{'done' if done else 'open'}#{todo_id}"
