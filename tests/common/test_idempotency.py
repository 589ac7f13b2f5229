"""An Idempotency-Key whose value an earlier release stored."""

from __future__ import annotations

import time
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from msgspec import Struct

from common import dynamodb, idempotency
from common.errors import Conflict, IdempotencyKeyReused
from common.ids import new_id


class Busy:
    """DynamoDB, where other transactions with the same key are running, and have stored nothing."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.put: dict[str, Any] = {}

    def transact_write_items(self, TransactItems: list[dict[str, Any]]) -> None:
        self.times -= 1
        if self.times >= 0:
            raise ClientError({"Error": {"Code": "TransactionCanceledException"}}, "TransactWriteItems")
        self.put = dynamodb.values(TransactItems[0]["Put"]["Item"])

    def get_item(self, **_: Any) -> dict[str, Any]:
        return {}


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The longest pauses that may be chosen, recorded instead of waited for."""
    pauses: list[float] = []
    monkeypatch.setattr(idempotency.time, "sleep", pauses.append)
    monkeypatch.setattr(idempotency.random, "uniform", lambda shortest, longest: shortest + longest)
    return pauses


PUT = {"TableName": "things", "Item": dynamodb.item({"id": "2"})}


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


def test_a_key_is_tried_six_times_with_growing_pauses_while_others_use_it(pauses: list[float]) -> None:
    assert idempotency.put_once(Busy(times=5), PUT, {"id": "key"}, "f", Thing(id="2")) == Thing(id="2")
    assert pauses == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.8])

    with pytest.raises(Conflict):
        idempotency.put_once(Busy(times=6), PUT, {"id": "key"}, "f", Thing(id="2"))


def test_a_key_is_kept_for_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency.time, "time", lambda: 1_900_000_000.9)
    client = Busy(times=0)

    idempotency.put_once(client, PUT, {"id": "key"}, "f", Thing(id="2"))

    assert client.put["expires_at"] == 1_900_086_400
