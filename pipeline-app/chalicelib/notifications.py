"""S3 event notifications in the messages of a queue: which objects were created. Imports no AWS and no HTTP.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote_plus

import msgspec
from msgspec import Struct, field


class CreatedObject(NamedTuple):
    """The key of an object, the entity tag of its content, and its size in bytes."""

    key: str
    etag: str
    size: int = 0


class _Object(Struct):
    key: str
    etag: str = field(name="eTag", default="")
    size: int = 0


class _S3(Struct):
    object: _Object


class _Event(Struct):
    s3: _S3


class _Notification(Struct):
    """A notification. S3's test message, ``s3:TestEvent``, has no records."""

    records: list[_Event] = field(name="Records", default_factory=list)


def created_objects(body: str) -> list[CreatedObject]:
    """Return the objects that a message names. Raises ValueError for a message that is not a notification."""
    events = msgspec.json.decode(body, type=_Notification).records
    objects = [event.s3.object for event in events]
    return [CreatedObject(unquote_plus(each.key), each.etag, each.size) for each in objects]
