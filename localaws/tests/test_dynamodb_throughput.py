"""What a table with provisioned throughput takes."""

from __future__ import annotations

import time
from typing import Any

import boto3
import pytest
from botocore.config import Config

from localaws.dynamodb.provisioned_throughput import left
from localaws.testing import refusal

REFUSED = (
    "ProvisionedThroughputExceededException: The level of configured provisioned throughput for the table was "
    "exceeded. Consider increasing your provisioning level with the UpdateTable API."
)
KEY = {"id": {"S": "x"}}


def table(endpoint: str, units: int) -> Any:
    once = Config(retries={"total_max_attempts": 1})  # the client would wait until there are units again
    client: Any = boto3.client("dynamodb", "us-east-1", endpoint_url=endpoint, config=once)
    client.create_table(
        TableName="throughput",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        ProvisionedThroughput={"ReadCapacityUnits": units, "WriteCapacityUnits": units},
    )
    return client


def test_a_table_refuses_reads_and_writes_above_its_throughput_until_it_is_on_demand(emulator: str) -> None:
    dynamodb = table(emulator, units=1)
    large = {**KEY, "data": {"S": "x" * 300_000}}

    assert "ConsumedCapacity" not in dynamodb.put_item(TableName="throughput", Item=large)
    writes = {refusal(lambda: dynamodb.put_item(TableName="throughput", Item=large)) for _ in range(20)}
    reads = {
        refusal(lambda: dynamodb.get_item(TableName="throughput", Key=KEY, ConsistentRead=True)) for _ in range(40)
    }

    assert writes == reads == {"", REFUSED}
    dynamodb.update_table(TableName="throughput", BillingMode="PAY_PER_REQUEST")
    assert [refusal(lambda: dynamodb.put_item(TableName="throughput", Item=large)) for _ in range(10)] == [""] * 10


def test_the_bare_emulator_takes_any_number_of_writes(bare_emulator: str) -> None:
    dynamodb = table(bare_emulator, units=1)

    large = {**KEY, "data": {"S": "x" * 300_000}}
    assert not any(refusal(lambda: dynamodb.put_item(TableName="throughput", Item=large)) for _ in range(5))


def test_a_table_keeps_what_it_did_not_use_for_five_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "time", lambda: now)
    here = {"TableId": "kept", "ProvisionedThroughput": {"ReadCapacityUnits": 2, "WriteCapacityUnits": 1}}

    assert (left(here, "Read"), left(here, "Write")) == (600, 300)
    now += 1_000
    assert left(here, "Read") == 600
