"""Tables of an app in the emulator, with the keys and indexes of its resources.yaml."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from common import dynamodb
from deploy import stacks
from sandbox.settings import ROOT

_SCHEMA = ("AttributeDefinitions", "KeySchema", "LocalSecondaryIndexes", "GlobalSecondaryIndexes", "BillingMode")

TODO: dict[str, object] = {
    "title": "Milk",
    "notes": "two litres " * 10,
    "priority": "normal",
    "due": None,
    "tags": [],
    "done": False,
    "version": 1,
    "created_at": "2030-01-01T00:00:00.000Z",
    "updated_at": "2030-01-01T00:00:00.000Z",
}
"""A todo without its owner, its id and its state."""


def create(client: Any, app: str, resource: str) -> str:
    """Create the table that the app's template calls *resource*, without its stream; return the table's name."""
    properties = stacks.read((ROOT / app / "resources.yaml").read_text())["Resources"][resource]["Properties"]
    name = f"{app}-bench-{resource.lower()}"
    client.create_table(TableName=name, **{key: properties[key] for key in _SCHEMA if key in properties})
    return name


def fill(client: Any, table: str, items: Iterable[dict[str, Any]]) -> None:
    """Write *items*, which are plain values, by BatchWriteItem."""
    for batch in itertools.batched(items, 25):
        dynamodb.put_all(client, table, batch)
