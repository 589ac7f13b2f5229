"""The Kinesis data stream of readings."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.records import Record

_MOST_RECORDS = 500
_MOST_BYTES = 4_000_000
"""Of one PutRecords, which takes 5 MB with the partition keys.

https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html
"""
_TRIES = 5


class KinesisStream:
    """Stream *name*, through a Kinesis *client*."""

    def __init__(self, client: Any, name: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._name = name
        self._sleep = sleep

    def put(self, records: Sequence[Record]) -> Collection[int]:
        """Put the records; return the indexes of those that were not taken after some tries."""
        left = list(range(len(records)))
        for attempt in range(_TRIES):
            if attempt:
                self._sleep(0.1 * 2**attempt)
            left = [index for part in _parts(records, left) for index in self._refused(records, part)]
            if not left:
                break
        return left

    def _refused(self, records: Sequence[Record], part: Sequence[int]) -> list[int]:
        entries = [{"Data": records[index].again(), "PartitionKey": records[index].key} for index in part]
        try:
            answer = self._client.put_records(StreamName=self._name, Records=entries)
        except ClientError:
            return list(part)
        return [index for index, result in zip(part, answer["Records"], strict=True) if "ErrorCode" in result]


def _parts(records: Sequence[Record], indexes: Sequence[int]) -> Iterator[list[int]]:
    """Yield the indexes in parts that one request takes."""
    part: list[int] = []
    size = 0
    for index in indexes:
        length = len(records[index].raw)
        if part and (len(part) == _MOST_RECORDS or size + length > _MOST_BYTES):
            yield part
            part, size = [], 0
        part.append(index)
        size += length
    if part:
        yield part
