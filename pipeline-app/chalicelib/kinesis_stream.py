"""A Kinesis data stream: PutRecords in full batches, and again for refused records. Adapter for Kinesis."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from botocore.exceptions import ClientError

from common import aws
from common.errors import ServiceUnavailable

# https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html
_MAX_RECORDS = 500
_MAX_BYTES = 5 * 1024 * 1024
"""Data and partition keys of one request."""

_MAX_PAUSE = 8.0
"""Seconds between two requests."""


class KeyedRecord(Protocol):
    """A record to put. *key* chooses the shard: records of one key keep their order within a batch."""

    @property
    def key(self) -> str: ...
    @property
    def data(self) -> bytes: ...


class KinesisStream:
    """Stream *name*, through a Kinesis *client*. Gives up after *attempts* requests in a row that put nothing."""

    def __init__(
        self, client: Any, name: str, attempts: int = 5, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self._client = client
        self._name = name
        self._attempts = attempts
        self._sleep = sleep

    def put(self, records: Sequence[KeyedRecord]) -> Mapping[int, str]:
        """Put *records*. Return the reason for each that the stream still refuses, by its index.

        A record may be put twice, if a response is lost.
        """
        refused: dict[int, str] = {}
        first = 0
        for batch in batches(records):
            refused |= {first + index: reason for index, reason in self._put(batch).items()}
            first += len(batch)
        return refused

    def _put(self, batch: Sequence[KeyedRecord]) -> dict[int, str]:
        entries = [{"Data": record.data, "PartitionKey": record.key} for record in batch]
        refused = dict.fromkeys(range(len(entries)), "")
        attempt = 0
        while refused and attempt < self._attempts:
            if attempt:
                self._sleep(min(_MAX_PAUSE, 0.1 * 2**attempt) * random.uniform(0.5, 1))  # noqa: S311  # jitter
            before = len(refused)
            try:
                with aws.translated():
                    refused = self._request(entries, list(refused))
            except ServiceUnavailable as error:
                refused = dict.fromkeys(refused, str(error.__cause__))
            except ClientError as error:
                return dict.fromkeys(refused, str(error))
            attempt = 1 if len(refused) < before else attempt + 1
        return refused

    def _request(self, entries: Sequence[dict[str, Any]], indexes: Sequence[int]) -> dict[int, str]:
        """Put the entries at *indexes*. Return the error code of each that the stream refuses.

        A response of 200 may contain refused records.
        """
        answer = self._client.put_records(StreamName=self._name, Records=[entries[index] for index in indexes])
        results = zip(indexes, answer["Records"], strict=True)
        return {index: result["ErrorCode"] for index, result in results if "ErrorCode" in result}


def batches[R: KeyedRecord](records: Iterable[R]) -> Iterator[list[R]]:
    """Yield *records* in batches that one request may hold."""
    batch: list[R] = []
    size = 0
    for record in records:
        length = len(record.data) + len(record.key.encode())
        if batch and (len(batch) == _MAX_RECORDS or size + length > _MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += length
    if batch:
        yield batch
