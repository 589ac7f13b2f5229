"""An Idempotency-Key whose value an earlier release stored."""

from __future__ import annotations

import time

import boto3
import pytest
from msgspec import Struct

from common import dynamodb, idempotency
from common.errors import IdempotencyKeyReused
from common.ids import new_id


class Thing(Struct, kw_only=True):
    id: str
    color: str = "none"


@pytest.mark.parametrize("value", ['{"id": "1"}', '{"id": "1", "color": "none", "added_later": "x"}'])
def test_a_value_of_another_release_is_returned(emulator: str, value: str) -> None:
    client = boto3.client("dynamodb", endpoint_url=emulator)
    table = f"things-{new_id()}"
    client.create_table(
        TableName=table,
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    stored = {"id": "key", "fingerprint": "f", "value": value, "expires_at": int(time.time()) + 60}
    client.put_item(TableName=table, Item=dynamodb.item(stored))
    put = {"TableName": table, "Item": dynamodb.item({"id": "2"})}

    assert idempotency.put_once(client, put, {"id": "key"}, "f", Thing(id="2")) == Thing(id="1")
    with pytest.raises(IdempotencyKeyReused):
        idempotency.put_once(client, put, {"id": "key"}, "another", Thing(id="2"))
