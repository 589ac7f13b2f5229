"""Records of the stream, and their identity, which stays the same however often one is delivered or sent again.

What a thing sends is in an envelope with the name of the thing, which the IoT rule writes (resources.yaml). So the
bytes alone say who sent them, also when a record comes back without its partition key. All other producers are trusted.

A record is sent through the stream again if there was no room for it or Firehose could not deliver it. It then gets
another sequence number. So its first line states its identity, ``again/<id>/<arrived_at>/<attempt>``, with
``/<thing>`` if a thing sent it; the bytes that were first sent follow. Its partition key is ``<id>``.
Imports no AWS and no HTTP.
"""

from __future__ import annotations

import re
from binascii import a2b_base64
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from hashlib import blake2b
from itertools import batched
from typing import Any, Protocol
from urllib.parse import quote, unquote_to_bytes

import msgspec
from msgspec import Struct

from chalicelib.aggregation import user_records

_PREFIX = b"again/"
_FIRST_LINE = re.compile(rb"again/(-?\d{1,19})/(\d{1,13})/(\d{1,3})(?:/([\w.~%-]*))?\n")
_PRIME = 2**61 - 1
_SUBRECORD = 0x1E3779B97F4A7C15
"""A large number, so that its multiples are not the differences of sequence numbers."""
_THING = "thing/"
"""The partition key of what a thing sends begins with it. Before there were envelopes, only the key named the thing."""
_DEVICE = "device/"
_SENT = b'"sent"'
"""Every envelope contains it. `bytes.find` needs a fifth of the time of `in`."""


class StreamRecord(Struct, frozen=True, gc=False):
    """A record: the bytes that were sent, its identity, when it first arrived (milliseconds), and failed attempts.

    *thing* is the sender as AWS IoT knows it; None is a producer that may send for any device.
    """

    raw: bytes
    id: int
    arrived_at: int
    attempt: int = 0
    thing: str | None = None

    @property
    def key(self) -> str:
        """The partition key with which to send the record again."""
        return str(self.id)

    @property
    def data(self) -> bytes:
        """The data with which to send the record again."""
        thing = "" if self.thing is None else "/" + quote(self.thing, safe="")
        return f"again/{self.id}/{self.arrived_at}/{self.attempt}{thing}\n".encode("ascii") + self.raw


class _Envelope(Struct, forbid_unknown_fields=True):
    """What the IoT rule makes of a message: the name of the thing, and the bytes that it sent, in base64."""

    thing: str
    sent: bytes


class _KinesisMetadata(Struct, gc=False, rename="camel"):
    shard_id: str
    sequence_number: str
    approximate_arrival_timestamp: int
    subsequence_number: int = 0
    partition_key: str = ""


class _FirehoseRecord(Struct, gc=False, rename="camel"):
    """https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-request-response-model.html"""

    data: bytes
    kinesis_record_metadata: _KinesisMetadata


class RecordWriter(Protocol):
    """Sends records through the stream again: `chalicelib.kinesis_stream.KinesisStream`."""

    def put(self, records: Sequence[StreamRecord]) -> Collection[int]:
        """Put the records. Return the indexes of those that the stream still refuses after several attempts."""


def record_id(shard_id: str, sequence_number: str, subsequence_number: int = 0) -> int:
    """Return an identity, which fits a bigint. Two records have the same one with negligible probability.

    Sequence numbers have 56 digits and are far apart; their remainders by a large prime differ. The user records of an
    aggregated record have the same sequence number, and *subsequence_number* counts them.
    """
    return (int(sequence_number) + _salt(shard_id) + subsequence_number * _SUBRECORD) % _PRIME


def decode_resent(data: bytes) -> StreamRecord | None:
    """Return the record in *data* if its first line states an identity. The caller checks the partition key."""
    first_line = _FIRST_LINE.match(data)
    if first_line is None:
        return None
    identity, arrived_at, attempt, thing = first_line.groups()
    sender = None if thing is None else unquote_to_bytes(thing).decode(errors="replace")
    return StreamRecord(data[first_line.end() :], int(identity), int(arrived_at), int(attempt), sender)


def key_of(device_id: str) -> str:
    """Return a partition key for what a trusted producer sends of a device, whatever the name of the device is."""
    return _DEVICE + device_id


def opened(data: bytes, key: str = "") -> tuple[bytes, str | None]:
    """Return what was sent in *data*, and the thing that sent it; None is a trusted producer."""
    if data.find(_SENT) >= 0:
        try:
            envelope = _decode_envelope(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
        else:
            return envelope.sent, envelope.thing
    return data, key[len(_THING) :] if key.startswith(_THING) else None


def from_firehose(records: Sequence[dict[str, Any]]) -> Iterator[StreamRecord]:
    """Yield the records of Kinesis Data Streams that Firehose sends to be transformed."""
    for part in batched(records, 500):  # so many stay in the cache of the processor
        for record in msgspec.convert(part, list[_FirehoseRecord]):
            metadata = record.kinesis_record_metadata
            identity = record_id(metadata.shard_id, metadata.sequence_number, metadata.subsequence_number)
            yield _record(record.data, metadata.partition_key, identity, metadata.approximate_arrival_timestamp)


def from_kinesis(record: dict[str, Any]) -> list[StreamRecord]:
    """Return the records in a record of a Kinesis event. Its ``eventID`` is the shard and the sequence number."""
    kinesis = record["kinesis"]
    shard_id, _, number = record["eventID"].partition(":")
    arrived_at = round(kinesis["approximateArrivalTimestamp"] * 1000)
    return [
        _record(data, key, record_id(shard_id, number, position), arrived_at)
        for position, (data, key) in enumerate(user_records(a2b_base64(kinesis["data"]), kinesis["partitionKey"]))
    ]


def _record(data: bytes, key: str, identity: int, arrived_at: int) -> StreamRecord:
    if data.startswith(_PREFIX):
        again = decode_resent(data)
        if again is not None and again.key == key:
            return again
    raw, thing = opened(data, key) if key.startswith(_THING) or data.find(_SENT) >= 0 else (data, None)
    return StreamRecord(raw, identity, arrived_at, 0, thing)


_decode_envelope = msgspec.json.Decoder(_Envelope).decode


@cache
def _salt(shard_id: str) -> int:
    return int.from_bytes(blake2b(shard_id.encode(), digest_size=8).digest())
