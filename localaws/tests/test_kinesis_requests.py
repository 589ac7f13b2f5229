"""Requests that Kinesis rejects."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import boto3
import pytest
from botocore.config import Config

from localaws.kinesis.throughput import MIB, Throughput
from localaws.testing import eventually, refusal

type Call = Callable[[Any], Any]

NAME = "requests"
SHARD = {"StreamName": NAME, "ShardId": "shardId-000000000000"}


def put(key: str) -> Call:
    return lambda kinesis: kinesis.put_record(StreamName=NAME, Data=b"x", PartitionKey="a", ExplicitHashKey=key)


def position(kind: str) -> Call:
    return lambda kinesis: kinesis.get_shard_iterator(**SHARD, ShardIteratorType=kind)


def read(limit: int) -> Call:
    return lambda kinesis: kinesis.get_records(
        ShardIterator=position("TRIM_HORIZON")(kinesis)["ShardIterator"], Limit=limit
    )


FAILED = "ValidationException: 1 validation error detected: Value"
CASES: dict[str, tuple[Call, str]] = {
    "a name with a space": (
        lambda kinesis: kinesis.create_stream(StreamName="a b", ShardCount=1),
        f"{FAILED} 'a b' at 'streamName' failed to satisfy constraint: Member must satisfy regular expression pattern: "
        "[a-zA-Z0-9_.-]+",
    ),
    "a hash key that is no number": (
        put("x"),
        rf"{FAILED} 'x' at 'explicitHashKey' failed to satisfy constraint: Member must satisfy regular expression "
        r"pattern: 0|([1-9]\d{0,38})",
    ),
    "a hash key above the range": (
        put(str(2**128)),
        "InvalidArgumentException: Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. "
        f"Specified value was {2**128}",
    ),
    "no records": (
        lambda kinesis: kinesis.put_records(StreamName=NAME, Records=[]),
        f"{FAILED} '[]' at 'records' failed to satisfy constraint: Member must have length greater than or equal to 1",
    ),
    "a limit of 10,001": (
        read(10_001),
        f"{FAILED} '10001' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 10000",
    ),
    "a position without a sequence number": (
        position("AT_SEQUENCE_NUMBER"),
        "InvalidArgumentException: Must specify StartingSequenceNumber with a ShardIteratorType of AT_SEQUENCE_NUMBER",
    ),
}


@cache
def client(endpoint: str) -> Any:
    """Return a client for which the stream of the cases exists."""
    config = Config(retries={"max_attempts": 0}, parameter_validation=False)
    kinesis = boto3.client("kinesis", endpoint_url=endpoint, config=config)
    with contextlib.suppress(kinesis.exceptions.ResourceInUseException):
        kinesis.create_stream(StreamName=NAME, ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName=NAME, WaiterConfig={"Delay": 1})
    return kinesis


@pytest.mark.parametrize("case", CASES)
def test_an_invalid_request_is_rejected(emulator: str, case: str) -> None:
    call, expected = CASES[case]

    assert refusal(lambda: call(client(emulator))) == expected


@pytest.mark.parametrize("case", CASES)
def test_the_gap_is_still_there(bare_emulator: str, case: str) -> None:
    call, expected = CASES[case]

    assert refusal(lambda: call(client(bare_emulator))) != expected


@pytest.mark.parametrize("call", [put("0"), put(str(2**128 - 1)), read(1), read(10_000), position("LATEST")])
def test_a_valid_request_is_accepted(emulator: str, call: Call) -> None:
    assert refusal(lambda: call(client(emulator))) == ""


def test_a_stream_without_a_number_of_shards_is_on_demand(emulator: str) -> None:
    kinesis: Any = boto3.client("kinesis", endpoint_url=emulator)
    kinesis.create_stream(StreamName="on-demand")
    assert len(kinesis.list_shards(StreamName="on-demand")["Shards"]) == 4
    mode = kinesis.describe_stream_summary(StreamName="on-demand")["StreamDescriptionSummary"]["StreamModeDetails"]
    assert mode == {"StreamMode": "ON_DEMAND"}


def test_a_shard_iterator_may_be_in_quotes(emulator: str) -> None:
    kinesis: Any = boto3.client("kinesis", endpoint_url=emulator)
    kinesis.create_stream(StreamName="quotes", ShardCount=1)
    shard = kinesis.list_shards(StreamName="quotes")["Shards"][0]["ShardId"]
    iterator = kinesis.get_shard_iterator(StreamName="quotes", ShardId=shard, ShardIteratorType="LATEST")
    assert kinesis.get_records(ShardIterator=f'"{iterator["ShardIterator"]}"')["Records"] == []


@pytest.fixture(scope="module")
def iterator(emulator: str) -> str:
    """An iterator of a stream with one shard."""
    kinesis = client(emulator)
    kinesis.create_stream(StreamName="throughput", ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName="throughput", WaiterConfig={"Delay": 1})
    shard = {"StreamName": "throughput", "ShardId": SHARD["ShardId"]}
    return str(kinesis.get_shard_iterator(**shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"])


RATE = f"Rate exceeded for shard {SHARD['ShardId']} in stream throughput under account 000000000000."


def test_a_shard_takes_a_mebibyte_a_second(emulator: str, iterator: str) -> None:
    kinesis = client(emulator)
    records = [{"Data": bytes(500_000), "PartitionKey": "a"}] * 4

    answer = kinesis.put_records(StreamName="throughput", Records=records)

    assert answer["FailedRecordCount"] == 2
    assert ["SequenceNumber" in record for record in answer["Records"]] == [True, True, False, False]
    refused = {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": RATE}
    assert answer["Records"][2:] == [refused, refused]
    large = {"StreamName": "throughput", "Data": bytes(1024 * 1024), "PartitionKey": "a"}
    assert eventually(lambda: not refusal(lambda: kinesis.put_record(**large)))


def test_a_shard_is_read_five_times_a_second(emulator: str, iterator: str) -> None:
    kinesis = client(emulator)

    refusals = {refusal(lambda: kinesis.get_records(ShardIterator=iterator, Limit=1)) for _ in range(100)}

    assert refusals == {"", f"ProvisionedThroughputExceededException: {RATE}"}


def test_what_is_left_to_a_shard_in_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "time", lambda: now)
    shard = Throughput()

    assert [shard.takes(100) for _ in range(1001)] == [True] * 1000 + [False]
    assert [shard.can_be_read() for _ in range(6)] == [True] * 5 + [False]
    now += 0.25
    assert [shard.can_be_read() for _ in range(2)] == [True, False]
    shard.read_bytes.tokens -= 10 * MIB  # a read of 10 MiB ends reads for five seconds
    now += 3.5
    assert not shard.can_be_read()
    now += 1.5
    assert shard.can_be_read()
    assert [shard.takes(100) for _ in range(1001)] == [True] * 1000 + [False]
