"""Sends records to a Kinesis stream in full batches, several at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import NamedTuple

import boto3
from botocore.config import Config

from chalicelib.kinesis_stream import KinesisStream, batches

_WORKERS = 4
_ATTEMPTS = 8
"""Requests in a row that put nothing, with about half a minute between the first and the last."""


class Entry(NamedTuple):
    """A record to send. *key* is its partition key."""

    key: str
    data: bytes


class SendFailed(Exception):
    """The stream refuses records. The message says why."""


class Sender:
    """Sends to *stream*. A record may be sent twice, so readers recognise a reading by its content."""

    def __init__(self, stream: KinesisStream) -> None:
        self._stream = stream

    def send(self, entries: Iterable[Entry]) -> Iterator[int]:
        """Send *entries* as they come. Yield the size of each batch when it is in the stream. Raises SendFailed."""
        with ThreadPoolExecutor(_WORKERS) as pool:
            pending: set[Future[int]] = set()
            for batch in batches(entries):
                pending.add(pool.submit(self._put, batch))
                if len(pending) == 2 * _WORKERS:
                    done, pending = wait(pending, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            yield from (future.result() for future in pending)

    def _put(self, batch: Sequence[Entry]) -> int:
        refused = self._stream.put(batch)
        if refused:
            raise SendFailed(f"the stream refuses records: {next(iter(refused.values()))}")
        return len(batch)


def connect(name: str) -> Sender:
    """Return a sender to the stream *name* of the account and Region that boto3 finds."""
    config = Config(retries={"mode": "standard", "max_attempts": 6}, read_timeout=60, max_pool_connections=_WORKERS)
    return Sender(KinesisStream(boto3.client("kinesis", config=config), name, attempts=_ATTEMPTS))
