"""The newest records of each shard of a Kinesis stream or of a DynamoDB stream."""

from __future__ import annotations

import base64
import json
import time
from collections import deque
from collections.abc import Callable, Mapping

from deploy.account import client
from sandbox.console.data.answers import Json, decoded, field, given

SHOWN = 50
"""How many records of a shard the console shows, the newest."""
RECENT, KEPT = 300, 24 * 3600
"""Seconds back from now that are read first, and those that are read if they have too few records."""
READS = 20
"""How many answers of a shard are read at most."""


def stream(query: Mapping[str, str]) -> Json:
    """Return the newest records of a ``stream``: the name of a Kinesis stream, or the ARN of a table's stream."""
    name = given(query, "stream")
    return _of_table(name) if name.startswith("arn:") else _of_kinesis(name)


def _of_kinesis(name: str) -> Json:
    kinesis = client("kinesis")

    def newest(shard: str, seconds: int) -> tuple[list[Json], bool]:
        start = {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": time.time() - seconds}
        iterator = kinesis.get_shard_iterator(StreamName=name, ShardId=shard, **start)["ShardIterator"]
        return followed(kinesis.get_records, iterator, lambda answer: answer["MillisBehindLatest"] == 0)

    shards = []
    for page in kinesis.get_paginator("list_shards").paginate(StreamName=name):
        for shard in (each["ShardId"] for each in page["Shards"]):
            records, complete = newest(shard, RECENT)
            if len(records) < SHOWN:
                records, complete = newest(shard, KEPT)
            shards.append(_shard(shard, [of_kinesis(each) for each in records], complete))
    return {"name": name, "shards": shards}


def _of_table(arn: str) -> Json:
    streams = client("dynamodbstreams")
    described = streams.describe_stream(StreamArn=arn)["StreamDescription"]
    shards = []
    for shard in (each["ShardId"] for each in described["Shards"]):
        start = {"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"}
        iterator = streams.get_shard_iterator(**start)["ShardIterator"]
        records, complete = followed(streams.get_records, iterator, lambda answer: not answer["Records"])
        shards.append(_shard(shard, [of_table(each) for each in records], complete))
    return {"name": described["TableName"], "shards": shards}


def _shard(id: str, entries: list[Json], complete: bool) -> Json:
    return {"id": id, "complete": complete, "entries": entries[::-1]}


def followed(
    read: Callable[..., Json], iterator: str | None, at_end: Callable[[Json], bool]
) -> tuple[list[Json], bool]:
    """Return the last records from *iterator* on, oldest first, and whether the end was reached."""
    newest: deque[Json] = deque(maxlen=SHOWN)
    for _ in range(READS):
        answer = read(ShardIterator=iterator)
        newest.extend(answer["Records"])
        iterator = answer.get("NextShardIterator")
        if not iterator or at_end(answer):
            return list(newest), True
    return list(newest), False


def of_kinesis(record: Json) -> Json:
    """Return a record of Kinesis as an entry."""
    data = decoded("Data", record["Data"])
    return {
        "id": record["SequenceNumber"],
        "title": record["PartitionKey"],
        "note": "",
        "at": record["ApproximateArrivalTimestamp"].timestamp(),
        "preview": " ".join(data["text"].split())[:300],
        "fields": [
            data,
            field("Partition key", "", record["PartitionKey"]),
            field("Sequence number", "", record["SequenceNumber"]),
        ],
    }


def of_table(record: Json) -> Json:
    """Return a record of a table's stream as an entry. Its images have the types of their attributes."""
    change = record["dynamodb"]
    keys = {name: next(iter(value.values())) for name, value in change["Keys"].items()}
    images = [name for name in ("OldImage", "NewImage") if name in change]
    return {
        "id": change["SequenceNumber"],
        "title": " · ".join(map(_text, keys.values())),
        "note": record["eventName"],
        "at": change["ApproximateCreationDateTime"].timestamp(),
        "preview": "",
        "fields": [
            *(field(name, "JSON", json.dumps(change[name], indent=2, default=_text)) for name in images),
            field("Keys", "JSON", json.dumps(change["Keys"], indent=2, default=_text)),
            field("Sequence number", "", change["SequenceNumber"]),
        ],
    }


def _text(value: str | bytes) -> str:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value
