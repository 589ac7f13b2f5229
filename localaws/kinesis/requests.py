"""Gap: Kinesis accepts stream names, hash keys, limits and positions that AWS rejects.

A stream without a number of shards is on demand, and has four. A shard iterator may be in quotes.

AWS: https://docs.aws.amazon.com/kinesis/latest/APIReference/API_CreateStream.html
AWS: https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecord.html
AWS: https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetShardIterator.html
AWS: https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html
No longer needed when GetRecords with a Limit of 10,001 is rejected.
"""

import re
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import kinesis

type Json = dict[str, Any]

NAME = re.compile(r"[a-zA-Z0-9_.-]{1,128}")
HASH_KEY = re.compile(r"0|[1-9]\d{0,38}")
MAX_HASH_KEY = 2**128 - 1
MAX_RECORDS = 10_000


def invalid(member: str, value: object, constraint: str) -> Any:
    failed = f"Value '{value}' at '{member}' failed to satisfy constraint: Member must {constraint}"
    return error_response_json("ValidationException", f"1 validation error detected: {failed}", 400)


def name_error(data: Json) -> Any:
    name = data.get("StreamName") or ""
    pattern = "satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
    return None if NAME.fullmatch(name) else invalid("streamName", name, pattern)


def hash_key_error(data: Json) -> Any:
    for record in data.get("Records") or [data]:
        key = record.get("ExplicitHashKey")
        if key is None:
            continue
        if not HASH_KEY.fullmatch(key):
            return invalid("explicitHashKey", key, r"satisfy regular expression pattern: 0|([1-9]\d{0,38})")
        if int(key) > MAX_HASH_KEY:
            message = "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. "
            message += f"Specified value was {key}"
            return error_response_json("InvalidArgumentException", message, 400)
    return None


def records_error(data: Json) -> Any:
    if not data.get("Records"):
        return invalid("records", "[]", "have length greater than or equal to 1")
    return hash_key_error(data)


def limit_error(data: Json) -> Any:
    limit = data.get("Limit")
    if limit is None or 1 <= limit <= MAX_RECORDS:
        return None
    bound = f"less than or equal to {MAX_RECORDS}" if limit > MAX_RECORDS else "greater than or equal to 1"
    return invalid("limit", limit, f"have value {bound}")


def position_error(data: Json) -> Any:
    kind = data.get("ShardIteratorType") or ""
    if kind.endswith("SEQUENCE_NUMBER") and not data.get("StartingSequenceNumber"):
        message = f"Must specify StartingSequenceNumber with a ShardIteratorType of {kind}"
        return error_response_json("InvalidArgumentException", message, 400)
    return None


ON_DEMAND = {"ShardCount": 4, "StreamModeDetails": {"StreamMode": "ON_DEMAND"}}
"""What a stream has that is created without a number of shards."""


def with_shards(create: Any) -> Any:
    return lambda data: create(data if data.get("ShardCount") else data | ON_DEMAND)


def with_plain_iterator(get: Any) -> Any:
    return lambda data: get(data | {"ShardIterator": (data.get("ShardIterator") or "").strip('"')})


def checked(run: Any, error: Any) -> Any:
    return lambda data: error(data) or run(data)


def apply() -> None:
    kinesis._create_stream = checked(with_shards(kinesis._create_stream), name_error)
    kinesis._put_record = checked(kinesis._put_record, hash_key_error)
    kinesis._put_records = checked(kinesis._put_records, records_error)
    kinesis._get_records = checked(with_plain_iterator(kinesis._get_records), limit_error)
    kinesis._get_shard_iterator = checked(kinesis._get_shard_iterator, position_error)
