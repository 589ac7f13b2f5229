"""The todo that the handlers of all peers return, from the table."""

import os
from decimal import Decimal
from functools import cache
from typing import Any

import boto3
from boto3.dynamodb.types import TypeDeserializer

_SHOWN = ("id", "title", "notes", "due", "priority", "tags", "done", "created_at", "updated_at", "version")


@cache
def _client() -> Any:
    return boto3.client("dynamodb")


def get(owner: str, todo_id: str) -> dict[str, Any]:
    key = {"owner": {"S": owner}, "id": {"S": todo_id}}
    item = _client().get_item(TableName=os.environ["TABLE"], Key=key, ConsistentRead=True)["Item"]
    values = {name: TypeDeserializer().deserialize(item[name]) for name in _SHOWN}
    return {name: int(value) if isinstance(value, Decimal) else value for name, value in values.items()}
