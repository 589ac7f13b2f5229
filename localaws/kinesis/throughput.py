"""Gap: a shard takes and returns any number of bytes, records and reads a second.

A shard takes 1 MiB or 1,000 records a second, partition keys included, and returns 2 MiB a second in at most five
reads. Above that, PutRecord and GetRecords fail, and PutRecords reports the records that it refused. After a read of
more than 2 MiB, the next reads fail until as many seconds have passed. The pollers of localaws for functions and
delivery streams do not count: they wait for records with many short reads, where AWS's read once a second.
AWS: https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html
AWS: https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html
AWS: https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html
No longer needed when the sixth GetRecords of a second gets a ProvisionedThroughputExceededException.
"""

import json
import time
from collections import defaultdict
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from ministack.core.responses import error_response_json, get_account_id
from ministack.services import kinesis

from localaws.lambda_.clients import WAIT_HEADER

type Json = dict[str, Any]

MIB = 1024 * 1024
EXCEEDED = "ProvisionedThroughputExceededException"

_is_poller: ContextVar[bool] = ContextVar("is_poller", default=False)


@dataclass
class TokenBucket:
    """As many tokens as a shard has in a second. A request that needs more may take them if the bucket is full."""

    rate: float
    tokens: float = field(init=False)
    filled: float = field(default_factory=lambda: time.time())
    """When the tokens were last counted, epoch seconds."""

    def __post_init__(self) -> None:
        self.tokens = self.rate

    def has(self, wanted: float) -> bool:
        now = time.time()
        self.tokens = min(self.rate, self.tokens + (now - self.filled) * self.rate)
        self.filled = now
        return self.tokens >= min(wanted, self.rate)


@dataclass
class Throughput:
    """What is left to a shard in this second."""

    written_bytes: TokenBucket = field(default_factory=lambda: TokenBucket(MIB))
    written_records: TokenBucket = field(default_factory=lambda: TokenBucket(1_000))
    reads: TokenBucket = field(default_factory=lambda: TokenBucket(5))
    read_bytes: TokenBucket = field(default_factory=lambda: TokenBucket(2 * MIB))

    def takes(self, size: int) -> bool:
        """Return whether the shard takes a record of *size* bytes, and count it if so."""
        if not (self.written_records.has(1) and self.written_bytes.has(size)):
            return False
        self.written_records.tokens -= 1
        self.written_bytes.tokens -= size
        return True

    def can_be_read(self) -> bool:
        """Return whether the shard may be read, and count the read if so."""
        if not (self.reads.has(1) and self.read_bytes.has(1)):
            return False
        self.reads.tokens -= 1
        return True


_shards: dict[tuple[str, str], Throughput] = defaultdict(Throughput)
"""By the ARN of the stream and the id of the shard."""


def size(record: Json) -> int:
    """Return the bytes of a record and its partition key. The data are in Base64."""
    return len(record.get("Data") or "") * 3 // 4 + len((record.get("PartitionKey") or "").encode())


def shard_of(stream: Json, record: Json) -> str:
    given = record.get("ExplicitHashKey")
    hashed = int(given) if given else kinesis._partition_key_to_hash(record.get("PartitionKey") or "")
    return str(kinesis._route_to_shard(hashed, stream))


def message(name: str, shard_id: str) -> str:
    return f"Rate exceeded for shard {shard_id} in stream {name} under account {get_account_id()}."


def put_record(put: Any) -> Any:
    """Wrap PutRecord."""

    def run(data: Json) -> Any:
        name, stream = kinesis._resolve_stream(data)
        if stream:
            shard_id = shard_of(stream, data)
            if not _shards[stream["StreamARN"], shard_id].takes(size(data)):
                return error_response_json(EXCEEDED, message(name, shard_id), 400)
        return put(data)

    return run


def put_records(put: Any) -> Any:
    """Wrap PutRecords: only the records that their shard takes are put."""

    def run(data: Json) -> Any:
        name, stream = kinesis._resolve_stream(data)
        records = data.get("Records") or []
        if not stream:
            return put(data)
        shards = [shard_of(stream, record) for record in records]
        taken = [
            _shards[stream["StreamARN"], shard_id].takes(size(record))
            for record, shard_id in zip(records, shards, strict=True)
        ]
        accepted = [record for record, is_taken in zip(records, taken, strict=True) if is_taken]
        status, headers, body = put(data | {"Records": accepted})
        if status >= 400 or all(taken):
            return status, headers, body
        answer = json.loads(body)
        results = iter(answer["Records"])
        answer["Records"] = [
            next(results) if is_taken else {"ErrorCode": EXCEEDED, "ErrorMessage": message(name, shard_id)}
            for is_taken, shard_id in zip(taken, shards, strict=True)
        ]
        return status, headers, json.dumps(answer | {"FailedRecordCount": taken.count(False)}).encode()

    return run


def get_records(get: Any) -> Any:
    """Wrap GetRecords."""

    def run(data: Json) -> Any:
        iterator = kinesis._shard_iterators.get(data.get("ShardIterator"))
        if _is_poller.get() or not iterator:
            return get(data)
        shard = _shards[iterator.get("stream_arn", ""), iterator["shard_id"]]
        if not shard.can_be_read():
            return error_response_json(EXCEEDED, message(iterator["stream"], iterator["shard_id"]), 400)
        answer = get(data)
        if answer[0] == 200:
            shard.read_bytes.tokens -= sum(size(record) for record in json.loads(answer[2])["Records"])
        return answer

    return run


def apply() -> None:
    handle = kinesis.handle_request

    async def handle_request(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        _is_poller.set(WAIT_HEADER in headers)
        return await handle(method, path, headers, body, query)

    kinesis.handle_request = handle_request
    kinesis._put_record = put_record(kinesis._put_record)
    kinesis._put_records = put_records(kinesis._put_records)
    kinesis._get_records = get_records(kinesis._get_records)
