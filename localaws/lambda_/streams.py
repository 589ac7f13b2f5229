"""Readers of DynamoDB and Kinesis streams: list the shards, and read the records of a shard from a position.

AWS: https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
LATEST starts at the second in which the mapping was enabled, not at the first read. So records that are written while
it is `Creating` are missed, as on AWS, and none that is written later. Positions are only in memory: after a restart,
every mapping starts again at its StartingPosition, and records that a Kinesis stream still has are delivered again.
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any, Protocol

from localaws.lambda_.batches import EventRecord
from localaws.lambda_.clients import Clients
from localaws.lambda_.mappings import EventSourceMapping


class StreamReader(Protocol):
    """Access to the shards and records of one mapping's stream."""

    def shards(self) -> dict[str, set[str]]:
        """Return the shard ids, each with the ids of its parents."""

    def iterator(self, shard_id: str, after: str | None) -> str:
        """Return a shard iterator: after that sequence number, or at the mapping's starting position."""

    def read(self, shard_id: str, iterator: str) -> tuple[list[EventRecord], str | None]:
        """Return the next records and the next iterator, which is None at the end of a closed shard."""


def stream_reader(mapping: EventSourceMapping, clients: Clients) -> StreamReader:
    """Return a reader of the mapping's stream."""
    return (
        KinesisStreamReader(mapping, clients)
        if mapping.service == "kinesis"
        else DynamoDBStreamReader(mapping, clients)
    )


class DynamoDBStreamReader:
    def __init__(self, mapping: EventSourceMapping, clients: Clients) -> None:
        self._mapping = mapping
        self._client = clients("dynamodbstreams")
        self._since = int(mapping.last_modified) if mapping.starting_position == "LATEST" else 0

    def shards(self) -> dict[str, set[str]]:
        shards: dict[str, set[str]] = {}
        page: dict[str, str] = {}
        while True:
            answer = self._client.describe_stream(StreamArn=self._mapping.source_arn, **page)["StreamDescription"]
            shards |= {shard["ShardId"]: _parents(shard) for shard in answer["Shards"]}
            if "LastEvaluatedShardId" not in answer:
                return shards
            page = {"ExclusiveStartShardId": answer["LastEvaluatedShardId"]}

    def iterator(self, shard_id: str, after: str | None) -> str:
        position = {"ShardIteratorType": "TRIM_HORIZON"}
        if after:
            position = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": after}
        stream = self._mapping.source_arn
        answer = self._client.get_shard_iterator(StreamArn=stream, ShardId=shard_id, **position)
        return str(answer["ShardIterator"])

    def read(self, shard_id: str, iterator: str) -> tuple[list[EventRecord], str | None]:
        answer = self._client.get_records(ShardIterator=iterator)
        records = [self._record(record) for record in answer["Records"]]
        return [record for record in records if record.arrived >= self._since], answer.get("NextShardIterator")

    def _record(self, record: dict[str, Any]) -> EventRecord:
        event = {**record, "eventSourceARN": self._mapping.source_arn}
        if "userIdentity" in event:  # a TTL deletion; the event has camelCase names, unlike the API
            event["userIdentity"] = {name[0].lower() + name[1:]: v for name, v in event["userIdentity"].items()}
        change = record["dynamodb"]
        text = json.dumps(event, default=_to_json)
        return EventRecord(
            identifier=change["SequenceNumber"],
            key=json.dumps(change["Keys"], sort_keys=True, default=_to_json),
            arrived=change["ApproximateCreationDateTime"].timestamp(),
            event=json.loads(text),
            size=len(text),
        )


class KinesisStreamReader:
    def __init__(self, mapping: EventSourceMapping, clients: Clients) -> None:
        self._mapping, self._clients = mapping, clients
        self._client = clients("kinesis")
        self._role = ""

    def shards(self) -> dict[str, set[str]]:
        pages = self._client.get_paginator("list_shards").paginate(StreamARN=self._mapping.source_arn)
        return {shard["ShardId"]: _parents(shard) for page in pages for shard in page["Shards"]}

    def iterator(self, shard_id: str, after: str | None) -> str:
        position: dict[str, Any] = {"ShardIteratorType": "TRIM_HORIZON"}
        starts = {"LATEST": self._mapping.last_modified, "AT_TIMESTAMP": self._mapping.starting_timestamp}
        if after:
            position = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": after}
        elif start := starts.get(self._mapping.starting_position):
            position = {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": datetime.fromtimestamp(start, UTC)}
        function = self._clients("lambda").get_function_configuration(FunctionName=self._mapping.function_arn)
        self._role, stream = function["Role"], self._mapping.source_arn
        answer = self._client.get_shard_iterator(StreamARN=stream, ShardId=shard_id, **position)
        return str(answer["ShardIterator"])

    def read(self, shard_id: str, iterator: str) -> tuple[list[EventRecord], str | None]:
        answer = self._client.get_records(ShardIterator=iterator)
        return [self._record(shard_id, record) for record in answer["Records"]], answer.get("NextShardIterator")

    def _record(self, shard_id: str, record: dict[str, Any]) -> EventRecord:
        arrived = record["ApproximateArrivalTimestamp"].timestamp()
        event = {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": record["PartitionKey"],
                "sequenceNumber": record["SequenceNumber"],
                "data": base64.b64encode(record["Data"]).decode(),
                "approximateArrivalTimestamp": arrived,
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"{shard_id}:{record['SequenceNumber']}",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": self._role,
            "awsRegion": self._mapping.region,
            "eventSourceARN": self._mapping.source_arn,
        }
        return EventRecord(
            record["SequenceNumber"], record["PartitionKey"], arrived, event, size=len(json.dumps(event))
        )


def _parents(shard: dict[str, Any]) -> set[str]:
    return {shard[name] for name in ("ParentShardId", "AdjacentParentShardId") if name in shard}


def _to_json(value: Any) -> Any:
    return value.timestamp() if isinstance(value, datetime) else base64.b64encode(value).decode()
