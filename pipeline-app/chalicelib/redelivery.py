"""Sends records that Firehose could not deliver through the stream again. Imports no AWS and no HTTP.

Firehose keeps these records as JSON lines under ``failed/``. They are the records of a batch for which the function
returned nothing, and records for which Firehose had no partition: it writes at most 500 partitions at a time, and a
file of history may have more days. https://docs.aws.amazon.com/firehose/latest/dev/dynamic-partitioning.html
A record stays there after `MAX_ATTEMPTS`, and an alarm reports it.

Firehose drops the partition keys and the sequence numbers, and keeps the bytes: those that were sent, or the row that
the function returned. What a thing sent is in its envelope, so no thing can make bytes that count as a row, as a record
of another thing, or as one that was sent again.
"""

from __future__ import annotations

from binascii import a2b_base64
from collections.abc import Iterable, Iterator
from functools import partial
from hashlib import blake2b
from typing import Any, Protocol

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from chalicelib import notifications, rows
from chalicelib.readings import ANOTHER_DEVICE, DAY, SKEW, Milliseconds, Reading, iso, raw_of
from chalicelib.stream_records import RecordWriter, StreamRecord, decode_resent, opened
from common.groups import Group

MAX_ATTEMPTS = 20

_MAX_AGE: Milliseconds = 90 * DAY
"""How old an undelivered record may be. The bucket keeps ``failed/`` for as long."""


class RecordsRefused(Exception):
    """The stream refused some of the records. It is safe to send all of them again."""


class Undeliverable(Exception):
    """Some records have had all their attempts."""


class FailedObjects(Protocol):
    """Storage of the records that Firehose could not deliver: `chalicelib.ingestion_bucket.IngestionBucket`."""

    def lines(self, key: str) -> Iterable[bytes]:
        """Return the lines of an object."""


class _Failure(Struct):
    """https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-failure-handling.html"""

    raw_data: str = field(name="rawData")
    arrival_timestamp: int = field(name="arrivalTimestamp")


class Redelivery:
    """Sends the records in *objects* to *stream*."""

    def __init__(self, objects: FailedObjects, stream: RecordWriter) -> None:
        self._objects = objects
        self._stream = stream

    def groups(self, event: dict[str, Any]) -> Iterator[Group]:
        """Yield the work of an SQS event of S3 notifications: one group for each object."""
        for message in event["Records"]:
            for created in notifications.created_objects(message["body"]):
                yield Group([message["messageId"]], partial(self.send, created.key))

    def send(self, key: str) -> None:
        """Send the records of an object. Records that are sent twice count once.

        Raises RecordsRefused. Raises Undeliverable after the other records are sent.
        """
        records = [_record(line, f"{key} {number}") for number, line in enumerate(self._objects.lines(key))]
        due = [record for record in records if record.attempt <= MAX_ATTEMPTS]
        if self._stream.put(due):
            raise RecordsRefused(f"records of {key}")
        if len(due) < len(records):
            raise Undeliverable(f"{len(records) - len(due)} records of {key} have had {MAX_ATTEMPTS} attempts")


def _record(line: bytes, name: str) -> StreamRecord:
    """Return the record in a line, with one attempt more."""
    failure = msgspec.json.decode(line, type=_Failure)
    data = a2b_base64(failure.raw_data)
    arrived_at = failure.arrival_timestamp
    record = decode_resent(data) or _record_of_row(data)
    if record is None or not -SKEW <= arrived_at - record.arrived_at <= _MAX_AGE:
        raw, thing = opened(data)
        record = StreamRecord(raw, _identity(name), arrived_at, thing=thing)
    return replace(record, attempt=record.attempt + 1)


def _identity(name: str) -> int:
    """Return an identity for a line of an object. Firehose does not keep the sequence number."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), signed=True)


def _record_of_row(data: bytes) -> StreamRecord | None:
    """Return the record that *data* is the row of, or None. Firehose may keep the row that the function returned."""
    row = rows.decode(data)
    if isinstance(row, Reading):
        sent = {name: getattr(row, name) for name in ("device_id", "metric", "value", "unit", "seq", "corrected_at")}
        return StreamRecord(msgspec.json.encode({**sent, "ts": iso(row.ts)}), row.record, row.arrived_at)
    if row is not None:
        # The row does not say which thing sent it. No device has an empty name, so the reading stays bad.
        thing = "" if row.reason == ANOTHER_DEVICE else None
        return StreamRecord(raw_of(row), row.record, row.arrived_at, thing=thing)
    return None
