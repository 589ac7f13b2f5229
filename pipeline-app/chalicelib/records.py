"""Records of the stream: what tells one from all others, however often it is delivered or sent on.

A record that goes through the stream once more, since there was no room for it or Firehose could not deliver it, gets
another sequence number. Its partition key keeps what it was: ``again/<record>/<arrived_at>/<attempt>``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple, Protocol

_AGAIN = "again/"


class Origin(NamedTuple):
    """Which record it is, when it first came (milliseconds), and how often it was sent on since."""

    record: int
    arrived_at: int
    attempt: int = 0


class SentOn(NamedTuple):
    """A record that goes through the stream once more."""

    data: bytes
    origin: Origin

    @property
    def partition_key(self) -> str:
        return f"{_AGAIN}{self.origin.record}/{self.origin.arrived_at}/{self.origin.attempt}"


class Stream(Protocol):
    """Where records come from, and go to once more."""

    def put(self, records: Sequence[SentOn]) -> Collection[int]:
        """Put the records; return the indexes of those that were not taken, after some tries."""


def identity(name: str) -> int:
    """Return a number for *name* that no other name has, as good as surely; it is a bigint."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), signed=True)


def of_firehose(record: dict[str, Any]) -> Origin:
    """Return the origin of a record of Kinesis Data Streams that Firehose wants transformed."""
    metadata = record["kinesisRecordMetadata"]
    if metadata["partitionKey"].startswith(_AGAIN):
        known = re.fullmatch(_AGAIN + r"(-?\d{1,19})/(\d{1,13})/(\d{1,3})", metadata["partitionKey"], re.ASCII)
        if known:
            return Origin(*map(int, known.groups()))
    name = f"{metadata['shardId']}:{metadata['sequenceNumber']}"
    return Origin(identity(name), int(metadata["approximateArrivalTimestamp"]))
