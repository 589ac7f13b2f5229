"""Aggregated records of the Kinesis Producer Library (KPL), which Firehose takes apart before it does anything else.

AWS: https://docs.aws.amazon.com/streams/latest/dev/kpl-with-firehose.html
https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md
An aggregated record is a magic number, a protobuf message and the MD5 of the message. The message has the partition
keys (field 1) and the user records (field 3), and a user record the index of its key (field 1) and its data (field 3).
Event source mappings of Lambda pass an aggregated record on as it is:
https://docs.aws.amazon.com/streams/latest/dev/kinesis-record-deaggregation.html
Anyone can write the right checksum of a broken message. The record is then passed on as it is, as the Kinesis Client
Library does: https://github.com/awslabs/amazon-kinesis-client
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

from localaws.firehose.records import SourceRecord

MAGIC = bytes.fromhex("f3899ac2")
MD5 = 16  # bytes
VARINT, BYTES = 0, 2
"""Wire types of protobuf: https://protobuf.dev/programming-guides/encoding/"""


def user_records(record: SourceRecord) -> list[SourceRecord]:
    """Return the user records of an aggregated record, or the record itself."""
    data = record.data
    message, checksum = data[len(MAGIC) : -MD5], data[-MD5:]
    if not data.startswith(MAGIC) or hashlib.md5(message, usedforsecurity=False).digest() != checksum:
        return [record]
    try:
        fields = list(_fields(message))
        keys = [value.decode() for number, value in fields if number == 1 and isinstance(value, bytes)]
        users = [dict(_fields(value)) for number, value in fields if number == 3 and isinstance(value, bytes)]
        return [
            replace(record, data=_bytes(user[3]), partition_key=keys[_number(user[1])], subsequence_number=number)
            for number, user in enumerate(users)
        ]
    except (IndexError, KeyError, ValueError):
        return [record]


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number in place of bytes")
    return value


def _number(value: int | bytes) -> int:
    if isinstance(value, bytes):
        raise ValueError("bytes in place of a number")
    return value


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield number and value of each field. Raises IndexError or ValueError for a broken message."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        value, position = _varint(message, position)
        if tag & 7 == VARINT:
            yield tag >> 3, value
        elif tag & 7 == BYTES and position + value <= len(message):
            yield tag >> 3, message[position : position + value]
            position += value
        else:
            raise ValueError("not a field of an aggregated record")


def _varint(message: bytes, position: int) -> tuple[int, int]:
    """Return the number at *position*, and the position after it."""
    value = shift = 0
    while True:
        byte = message[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position
        if shift >= 64:
            raise ValueError("a number of more than 64 bits")
