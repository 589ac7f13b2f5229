"""Records of the stream: what tells one from all others, however often it is delivered or sent on.

A record that goes through the stream once more, since there was no room for it or Firehose could not deliver it, gets
another sequence number. So it says in a first line which it is: ``again/<record>/<arrived_at>/<attempt>``, and after
that come the bytes that were sent.
"""

from __future__ import annotations

import re
from binascii import a2b_base64
from collections.abc import Collection, Sequence
from functools import cache
from hashlib import blake2b
from typing import Any, Protocol

from msgspec import Struct

_AGAIN = b"again/"
_PRIME = 2**61 - 1
_LINE = re.compile(rb"again/(-?\d{1,19})/(\d{1,13})/(\d{1,3})\n")


class Record(Struct, frozen=True, gc=False):
    """What was sent, which record it is, when it first came (milliseconds), and how often it was not delivered."""

    raw: bytes
    id: int
    arrived_at: int
    attempt: int = 0

    def again(self) -> bytes:
        """Return the data with which it goes through the stream once more."""
        return b"again/%d/%d/%d\n" % (self.id, self.arrived_at, self.attempt) + self.raw


class Stream(Protocol):
    """Where records come from, and go to once more."""

    def put(self, records: Sequence[Record]) -> Collection[int]:
        """Put the records; return the indexes of those that were not taken, after some tries."""


def identity(shard_id: str, sequence_number: str) -> int:
    """Return a number that no other record has, as good as surely; it is a bigint.

    Sequence numbers are far apart and have 56 digits: the remainder by a large prime tells them from each other.
    """
    return (int(sequence_number) + _salt(shard_id)) % _PRIME


def opened(data: bytes) -> Record | None:
    """Return the record in *data* if it is one that was sent on."""
    known = _LINE.match(data) if data.startswith(_AGAIN) else None
    return Record(data[known.end() :], *map(int, known.groups())) if known else None


def of_firehose(record: dict[str, Any]) -> Record:
    """Return a record of Kinesis Data Streams that Firehose wants transformed."""
    data = a2b_base64(record["data"])
    if data.startswith(_AGAIN) and (known := opened(data)):
        return known
    metadata = record["kinesisRecordMetadata"]
    shard_id, number = metadata["shardId"], metadata["sequenceNumber"]
    return Record(data, identity(shard_id, number), metadata["approximateArrivalTimestamp"])


def of_kinesis(record: dict[str, Any]) -> Record:
    """Return a record of an event of Kinesis Data Streams, whose ``eventID`` is shard and sequence number."""
    kinesis = record["kinesis"]
    data = a2b_base64(kinesis["data"])
    shard_id, _, number = record["eventID"].partition(":")
    arrived_at = round(kinesis["approximateArrivalTimestamp"] * 1000)
    return opened(data) or Record(data, identity(shard_id, number), arrived_at)


@cache
def _salt(shard_id: str) -> int:
    return int.from_bytes(blake2b(shard_id.encode(), digest_size=8).digest())
