"""What a message of S3 in a queue says: which objects were created.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote_plus

import msgspec
from msgspec import Struct, field


class Created(NamedTuple):
    """An object's key and its content's entity tag."""

    key: str
    etag: str


class _Object(Struct):
    key: str
    etag: str = field(name="eTag", default="")


class _S3(Struct):
    object: _Object


class _Record(Struct):
    s3: _S3


class _Notification(Struct):
    """S3's own test message has no records."""

    records: list[_Record] = field(name="Records", default_factory=list)


def created(body: str) -> list[Created]:
    """Return the objects that the message tells of. Raises ValueError for a message of another kind."""
    records = msgspec.json.decode(body, type=_Notification).records
    return [Created(unquote_plus(record.s3.object.key), record.s3.object.etag) for record in records]
