"""Aggregated records of the Kinesis Producer Library (KPL): many user records in one record of the stream.

Firehose takes them apart before the function `cleanse` gets them, event source mappings of Lambda do not.
https://docs.aws.amazon.com/streams/latest/dev/kpl-with-firehose.html
https://docs.aws.amazon.com/streams/latest/dev/kinesis-record-deaggregation.html
https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md
Imports no AWS and no HTTP.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

_MAGIC = bytes.fromhex("f3899ac2")
_MD5 = 16
_KEY, _RECORD = 1, 3
"""Fields of the message."""
_KEY_INDEX, _DATA = 1, 3
"""Fields of a user record."""
_NUMBER, _BYTES = 0, 2
"""Wire types of protobuf: https://protobuf.dev/programming-guides/encoding/"""


def user_records(data: bytes, key: str) -> list[tuple[bytes, str]]:
    """Return the data and the partition key of each user record, or those of the record itself if it is not aggregated.

    Anyone can write the checksum of a broken message, and then the record is not aggregated either.
    """
    message, checksum = data[len(_MAGIC) : -_MD5], data[-_MD5:]
    if data.startswith(_MAGIC) and hashlib.md5(message, usedforsecurity=False).digest() == checksum:
        try:
            return list(_parsed(message))
        except (IndexError, KeyError, TypeError, ValueError):
            pass
    return [(data, key)]


def _parsed(message: bytes) -> Iterator[tuple[bytes, str]]:
    """Yield the user records. Raises IndexError, KeyError, TypeError, ValueError for a broken message."""
    fields = list(_fields(message))
    keys = [value.decode() for number, value in fields if number == _KEY and isinstance(value, bytes)]
    for number, value in fields:
        if number == _RECORD and isinstance(value, bytes):
            record = dict(_fields(value))
            content, index = record[_DATA], record[_KEY_INDEX]
            if not isinstance(content, bytes) or not isinstance(index, int):
                raise TypeError("a field has another type")
            yield content, keys[index]


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield number and value of each field."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        value, position = _varint(message, position)
        if tag & 7 == _NUMBER:
            yield tag >> 3, value
        elif tag & 7 == _BYTES and position + value <= len(message):
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
            raise ValueError("not a number of protobuf")
