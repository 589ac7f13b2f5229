"""Aggregated records of the Kinesis Producer Library (KPL), which Firehose takes apart before it does anything else.

AWS: https://docs.aws.amazon.com/streams/latest/dev/kpl-with-firehose.html
https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md
An aggregated record is a magic number, a protobuf message and the MD5 of the message. The message has the partition
keys (field 1) and the user records (field 3), and a user record the index of its key (field 1) and its data (field 3).
Event source mappings of Lambda pass an aggregated record on as it is:
https://docs.aws.amazon.com/streams/latest/dev/kinesis-record-deaggregation.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

from localaws.firehose.records import SourceRecord

MAGIC = bytes.fromhex("f3899ac2")
MD5 = 16  # bytes
VARINT = 0
"""A wire type of protobuf; the others here have a length: https://protobuf.dev/programming-guides/encoding/"""


def user_records(record: SourceRecord) -> list[SourceRecord]:
    """Return the user records of an aggregated record, or the record itself."""
    data = record.data
    message, checksum = data[len(MAGIC) : -MD5], data[-MD5:]
    if not data.startswith(MAGIC) or hashlib.md5(message, usedforsecurity=False).digest() != checksum:
        return [record]
    fields = list(_fields(message))
    keys = [value.decode() for number, value in fields if number == 1 and isinstance(value, bytes)]
    users = [dict(_fields(value)) for number, value in fields if number == 3 and isinstance(value, bytes)]
    return [
        replace(record, data=user[3], partition_key=keys[user[1]], subsequence_number=number)  # type: ignore[arg-type, index]
        for number, user in enumerate(users)
    ]


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield number and value of each field. The message of a checksum that matches is well-formed."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        value, position = _varint(message, position)
        if tag & 7 == VARINT:
            yield tag >> 3, value
        else:
            yield tag >> 3, message[position : position + value]
            position += value


def _varint(message: bytes, position: int) -> tuple[int, int]:
    """Return the number at *position*, and the position after it."""
    value = shift = 0
    while True:
        byte = message[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position
