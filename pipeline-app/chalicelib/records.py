"""Records of the stream: what tells one from all others, however often it is delivered or sent on.

A record that goes through the stream once more, since there was no room for it or Firehose could not deliver it, gets
another sequence number. So it says in a first line which it is: ``again/<record>/<arrived_at>/<attempt>``, and after
that come the bytes that were sent.
"""

from __future__ import annotations

import re
from binascii import a2b_base64
from collections.abc import Collection, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple, Protocol

_AGAIN = b"again/"
_LINE = re.compile(rb"again/(-?\d{1,19})/(\d{1,13})/(\d{1,3})\n")


class Origin(NamedTuple):
    """Which record it is, when it first came (milliseconds), and how often Firehose failed to deliver it."""

    record: int
    arrived_at: int
    attempt: int = 0


class Record(NamedTuple):
    """What was sent, and which record it is."""

    raw: bytes
    origin: Origin

    def again(self) -> bytes:
        """Return the data with which it goes through the stream once more."""
        return b"again/%d/%d/%d\n" % self.origin + self.raw


class Stream(Protocol):
    """Where records come from, and go to once more."""

    def put(self, records: Sequence[Record]) -> Collection[int]:
        """Put the records; return the indexes of those that were not taken, after some tries."""


def identity(name: str) -> int:
    """Return a number for *name* that no other name has, as good as surely; it is a bigint."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), signed=True)


def opened(data: bytes) -> Record | None:
    """Return the record in *data* if it is one that was sent on."""
    known = _LINE.match(data) if data.startswith(_AGAIN) else None
    return Record(data[known.end() :], Origin(*map(int, known.groups()))) if known else None


def of_firehose(record: dict[str, Any]) -> Record:
    """Return a record of Kinesis Data Streams that Firehose wants transformed."""
    data = a2b_base64(record["data"])
    metadata = record["kinesisRecordMetadata"]
    return opened(data) or Record(
        data,
        Origin(
            identity(f"{metadata['shardId']}:{metadata['sequenceNumber']}"),
            int(metadata["approximateArrivalTimestamp"]),
        ),
    )


def of_kinesis(record: dict[str, Any]) -> Record:
    """Return a record of an event of Kinesis Data Streams, whose ``eventID`` is shard and sequence number."""
    kinesis = record["kinesis"]
    data = a2b_base64(kinesis["data"])
    arrived_at = round(kinesis["approximateArrivalTimestamp"] * 1000)
    return opened(data) or Record(data, Origin(identity(record["eventID"]), arrived_at))
