"""The description of a DynamoDB table, and the ids of its stream's records."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from localaws.testing import until

REGION = "us-east-1"
numbers = itertools.count(1)


def client(service: str, endpoint: str) -> Any:
    return boto3.client(service, REGION, endpoint_url=endpoint)


def create_table(endpoint: str, *, stream: bool, **settings: Any) -> dict[str, Any]:
    view = {"StreamViewType": "NEW_IMAGE"} if stream else {}
    settings = settings or {"BillingMode": "PAY_PER_REQUEST"}
    answer = client("dynamodb", endpoint).create_table(
        TableName=f"described-{next(numbers)}",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        StreamSpecification={"StreamEnabled": stream} | view,
        **settings,
    )
    return dict(answer["TableDescription"])


def describe(endpoint: str, table: dict[str, Any]) -> dict[str, Any]:
    return dict(client("dynamodb", endpoint).describe_table(TableName=table["TableName"])["Table"])


def a_table_without_a_stream_describes_none(endpoint: str) -> None:
    table = create_table(endpoint, stream=False)
    assert not {"StreamSpecification", "LatestStreamArn", "LatestStreamLabel"} & table.keys()
    assert not {"StreamSpecification", "LatestStreamArn"} & describe(endpoint, table).keys()


def a_table_is_being_created_first(endpoint: str) -> None:
    table = create_table(endpoint, stream=True)
    assert (table["TableStatus"], "WarmThroughput" in table) == ("CREATING", False)
    assert table["ProvisionedThroughput"]["NumberOfDecreasesToday"] == 0
    assert describe(endpoint, table)["TableStatus"] == "ACTIVE"


def a_table_describes_its_warm_throughput(endpoint: str) -> None:
    on_demand = describe(endpoint, create_table(endpoint, stream=False))["WarmThroughput"]
    assert on_demand == {"ReadUnitsPerSecond": 12_000, "WriteUnitsPerSecond": 4_000, "Status": "ACTIVE"}
    units = {"ReadCapacityUnits": 3, "WriteCapacityUnits": 2}
    provisioned = describe(endpoint, create_table(endpoint, stream=False, ProvisionedThroughput=units))
    assert provisioned["WarmThroughput"]["ReadUnitsPerSecond"] == 3


def the_event_of_a_record_has_32_hexadecimal_digits(endpoint: str) -> None:
    table, streams = create_table(endpoint, stream=True), client("dynamodbstreams", endpoint)
    client("dynamodb", endpoint).put_item(TableName=table["TableName"], Item={"id": {"S": "a"}})
    arn = table["LatestStreamArn"]
    (shard,) = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    start = {"ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
    iterator = streams.get_shard_iterator(StreamArn=arn, **start)["ShardIterator"]
    (record,) = until(lambda: streams.get_records(ShardIterator=iterator)["Records"], 5)
    assert len(bytes.fromhex(record["eventID"])) == 16
    assert "-" not in record["eventID"]


PROBES = (
    a_table_without_a_stream_describes_none,
    a_table_is_being_created_first,
    a_table_describes_its_warm_throughput,
    the_event_of_a_record_has_32_hexadecimal_digits,
)


@pytest.mark.parametrize("probe", PROBES)
def test_the_gap_is_closed_here_and_still_there_in_ministack(
    probe: Callable[[str], None], emulator: str, bare_emulator: str
) -> None:
    probe(emulator)
    with pytest.raises((AssertionError, ValueError)):
        probe(bare_emulator)
