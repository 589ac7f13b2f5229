"""Sends records to a Kinesis stream in full batches, several at a time, and what the stream refuses again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, NamedTuple

import boto3
from botocore.config import Config

# https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html
_MOST_RECORDS = 500
_MOST_BYTES = 5 * 1024 * 1024

_WORKERS = 4
_TRIES = 8
"""In a row, of which none had any record taken: with the pauses between them about half a minute."""


class Record(NamedTuple):
    """*key* chooses the shard: records of one key keep their order within a batch."""

    key: str
    data: bytes


class StreamBusy(Exception):
    """The stream goes on refusing records; the message says why."""


class Stream:
    """The stream *name*; *pause* sleeps for some seconds."""

    def __init__(self, client: Any, name: str, pause: Callable[[float], object] = time.sleep) -> None:
        self._client = client
        self._name = name
        self._pause = pause

    def send(self, records: Iterable[Record]) -> Iterator[int]:
        """Send *records* as they come, and yield of each batch that is in the stream how many it held.

        A record may be sent twice, when an answer got lost; so readers know records by what is in them.
        Raises StreamBusy.
        """
        with ThreadPoolExecutor(_WORKERS) as pool:
            under_way: set[Future[int]] = set()
            for batch in _batches(records):
                under_way.add(pool.submit(self._put, batch))
                if len(under_way) == 2 * _WORKERS:
                    done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            yield from (future.result() for future in under_way)

    def _put(self, batch: list[Record]) -> int:
        pending, tries, why = batch, 0, ""
        while tries < _TRIES:
            entries = [{"PartitionKey": record.key, "Data": record.data} for record in pending]
            answer = self._client.put_records(StreamName=self._name, Records=entries)
            # One refused record fails itself alone, with an answer of 200.
            outcomes = list(zip(pending, answer["Records"], strict=True))
            refused = [record for record, outcome in outcomes if "ErrorCode" in outcome]
            if not refused:
                return len(batch)
            why = next(outcome["ErrorCode"] for _, outcome in outcomes if "ErrorCode" in outcome)
            tries = 1 if len(refused) < len(pending) else tries + 1
            pending = refused
            self._pause(min(8, 0.1 * 2**tries) * random.uniform(0.5, 1))  # noqa: S311
        raise StreamBusy(f"{self._name} takes no more records: {why}")


def _batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    batch: list[Record] = []
    size = 0
    for record in records:
        weight = len(record.data) + len(record.key.encode())
        if batch and (len(batch) == _MOST_RECORDS or size + weight > _MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += weight
    if batch:
        yield batch


def connect(name: str) -> Stream:
    """Return the stream *name* of the account and Region that boto3 finds."""
    patient = Config(retries={"mode": "standard", "max_attempts": 6}, read_timeout=60, max_pool_connections=_WORKERS)
    return Stream(boto3.client("kinesis", config=patient), name)
