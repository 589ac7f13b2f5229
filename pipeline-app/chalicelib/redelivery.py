"""Records that Firehose could not deliver go through the stream once more. Knows no AWS.

Firehose keeps them as JSON lines under ``failed/``: those of a batch that the function did not answer, and those for
which there was no room, since it writes to no more than 500 partitions at a time and a file of history may have more
days. https://docs.aws.amazon.com/firehose/latest/dev/dynamic-partitioning.html
After so many attempts a record stays where it is, and an alarm tells of it.

Of the partition key Firehose keeps nothing. Where that matters the function has sent the record on, with all in its
bytes; but when the function itself fails, nobody has looked at them, and what they say is believed within bounds.
"""

from __future__ import annotations

from binascii import a2b_base64
from collections.abc import Iterable
from contextlib import suppress
from hashlib import blake2b
from typing import Protocol

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from chalicelib.readings import ANOTHER_DEVICE, DAY, SKEW, Milliseconds, Reading, Rejected, iso, raw_of
from chalicelib.records import Record, Stream, opened

MOST_ATTEMPTS = 20

_LONGEST: Milliseconds = 90 * DAY
"""For which a record may be under way: so long `failed/` is kept."""


class NotTaken(Exception):
    """The stream did not take all records; to send them again is safe."""


class Undelivered(Exception):
    """Some records have had all their attempts."""


class Objects(Protocol):
    """Where Firehose keeps what it could not deliver."""

    def lines(self, key: str) -> Iterable[bytes]:
        """Return the lines of an object."""


class _Failure(Struct):
    """https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-failure-handling.html"""

    raw_data: str = field(name="rawData")
    arrival_timestamp: int = field(name="arrivalTimestamp")


class Redelivery:
    """Sends what *objects* hold to *stream*."""

    def __init__(self, objects: Objects, stream: Stream) -> None:
        self._objects = objects
        self._stream = stream

    def send(self, key: str) -> None:
        """Send the records of an object; told twice, they count once all the same.

        Raises NotTaken, or Undelivered after the others are sent.
        """
        records = [_record(line, f"{key} {number}") for number, line in enumerate(self._objects.lines(key))]
        due = [record for record in records if record.attempt <= MOST_ATTEMPTS]
        if self._stream.put(due):
            raise NotTaken(f"records of {key}")
        if len(due) < len(records):
            raise Undelivered(f"{len(records) - len(due)} records of {key} have had {MOST_ATTEMPTS} attempts")


def _record(line: bytes, name: str) -> Record:
    """Return the record of a line, with one attempt more."""
    failure = msgspec.json.decode(line, type=_Failure)
    data = a2b_base64(failure.raw_data)
    arrived_at = failure.arrival_timestamp
    record = opened(data) or _cleansed(data)
    if record is None or not -SKEW <= arrived_at - record.arrived_at <= _LONGEST:
        record = Record(data, _identity(name), arrived_at)
    return replace(record, attempt=record.attempt + 1)


def _identity(name: str) -> int:
    """Return a number for a line of an object: which record it was Firehose does not say."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), signed=True)


def _cleansed(data: bytes) -> Record | None:
    """Return the record of which *data* is the row, if it is one: what the function answered may be what is kept.

    A row is as the function writes it to the byte, so that `is_ambiguous` knows everything that may pass for one.
    """
    row = _row(data)
    if isinstance(row, Reading):
        sent = {name: getattr(row, name) for name in ("device_id", "metric", "value", "unit", "seq")}
        return Record(msgspec.json.encode({**sent, "ts": iso(row.ts)}), row.record, row.arrived_at)
    if row is not None:
        # Which thing sent it the row does not say; it is no device's own now either.
        thing = "" if row.reason == ANOTHER_DEVICE else None
        return Record(raw_of(row), row.record, row.arrived_at, thing=thing)
    return None


def _row(data: bytes) -> Reading | Rejected | None:
    kinds: tuple[type[Reading | Rejected], ...] = (Reading, Rejected)
    for kind in kinds:
        with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            row = msgspec.json.decode(data, type=kind)
            if msgspec.json.encode(row) == data:
                return row
    return None
