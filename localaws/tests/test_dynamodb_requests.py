"""Reads and writes that DynamoDB rejects, in its words, and what descriptions and stream records carry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest

from localaws.testing import eventually, refusal

type Call = Callable[[Any], Any]

ENVELOPE = "ValidationException: 1 validation error detected: "
KEYS: dict[str, Any] = {"KeyConditions": {"id": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "x"}]}}}


@pytest.fixture(scope="module")
def dynamodb(emulator: str) -> Any:
    client: Any = boto3.client("dynamodb", "us-east-1", endpoint_url=emulator)
    client.create_table(
        TableName="requests",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 5},
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    return client


def scan(**more: Any) -> Call:
    return lambda dynamodb: dynamodb.scan(TableName="requests", **more)


def query(**more: Any) -> Call:
    return lambda dynamodb: dynamodb.query(TableName="requests", **KEYS, **more)


def update(key: str, **more: Any) -> Call:
    return lambda dynamodb: dynamodb.update_item(TableName="requests", Key={"id": {"S": key}}, **more)


CASES: dict[str, tuple[Call, str]] = {
    "an unknown Select": (
        scan(Select="count"),
        f"{ENVELOPE}Value 'count' at 'select' failed to satisfy constraint: Member must satisfy enum value set: "
        "[SPECIFIC_ATTRIBUTES, COUNT, ALL_ATTRIBUTES, ALL_PROJECTED_ATTRIBUTES]",
    ),
    "attributes and a count, in a scan": (
        scan(Select="COUNT", AttributesToGet=["id"]),
        "ValidationException: Cannot specify the AttributesToGet when choosing to get only the Count",
    ),
    "attributes and a count, in a query": (
        query(Select="COUNT", AttributesToGet=["id"]),
        f"{ENVELOPE}Cannot specify the AttributesToGet when choosing to get only the Count",
    ),
    "a value without a colon": (
        scan(FilterExpression="a = b", ExpressionAttributeValues={"b": {"S": "x"}}),
        'ValidationException: ExpressionAttributeValues contains invalid key: Syntax error; key: "b"',
    ),
    "an empty update": (
        update("x", UpdateExpression="", ExpressionAttributeValues={":a": {"S": "x"}}),
        f"{ENVELOPE}Invalid UpdateExpression: The expression can not be empty;",
    ),
    "a long key": (
        update("x" * 2049, UpdateExpression="SET a = :a", ExpressionAttributeValues={":a": {"S": "x"}}),
        "ValidationException: One or more parameter values were invalid: "
        "Size of hashkey has exceeded the maximum size limit of2048 bytes",
    ),
    "names without an expression": (
        lambda dynamodb: dynamodb.get_item(
            TableName="requests", Key={"id": {"S": "x"}}, ExpressionAttributeNames={"#a": "a"}
        ),
        "ValidationException: ExpressionAttributeNames can only be specified when using expressions",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_request_is_rejected(dynamodb: Any, case: str) -> None:
    call, expected = CASES[case]

    assert refusal(lambda: call(dynamodb)) == expected


def test_the_bare_emulator_accepts_an_unknown_select(bare_emulator: str) -> None:
    bare: Any = boto3.client("dynamodb", "us-east-1", endpoint_url=bare_emulator)
    bare.create_table(
        TableName="requests",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )

    assert not refusal(lambda: scan(Select="count")(bare))


def test_a_stream_and_its_records(dynamodb: Any, emulator: str) -> None:
    streams: Any = boto3.client("dynamodbstreams", "us-east-1", endpoint_url=emulator)
    table = dynamodb.describe_table(TableName="requests")["Table"]
    there = {"StreamArn": table["LatestStreamArn"]}
    shard = streams.describe_stream(**there)["StreamDescription"]["Shards"][0]
    dynamodb.put_item(TableName="requests", Item={"id": {"S": "Fred"}})
    start = streams.get_shard_iterator(**there, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")

    records = eventually(lambda: streams.get_records(ShardIterator=start["ShardIterator"])["Records"])

    assert shard["SequenceNumberRange"]["StartingSequenceNumber"]
    assert records[0]["dynamodb"]["SizeBytes"] == 12
    assert "BillingModeSummary" not in table


def test_a_stream_that_does_not_exist(emulator: str) -> None:
    streams: Any = boto3.client("dynamodbstreams", "us-east-1", endpoint_url=emulator)
    arn = "arn:aws:dynamodb:us-east-1:000000000000:table/none/stream/2024-11-18T14:36:44.149"

    expected = f"ResourceNotFoundException: Requested resource not found: Stream: {arn} not found"
    assert refusal(lambda: streams.describe_stream(StreamArn=arn)) == expected
