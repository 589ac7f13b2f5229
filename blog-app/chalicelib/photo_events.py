"""Events of created objects in the bucket of photos. Adapter for S3 event notifications and EventBridge."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote_plus

from chalicelib.photos import UploadedPhoto


def uploaded(event: dict[str, Any]) -> UploadedPhoto:
    """Return the object that an event of either kind names.

    `chalice deploy` attaches S3 notifications, `chalice package` an EventBridge rule: `common.events.on_s3_event`.
    """
    return _from_s3(event) if "Records" in event else _from_eventbridge(event)


def _from_s3(event: dict[str, Any]) -> UploadedPhoto:
    """Return the object of an S3 event notification, whose key is URL-encoded.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    """
    s3 = event["Records"][0]["s3"]
    bucket, created, key = s3["bucket"], s3["object"], unquote_plus(s3["object"]["key"])
    return UploadedPhoto(bucket["name"], key, created["size"], created["eTag"], created["sequencer"])


def _from_eventbridge(event: dict[str, Any]) -> UploadedPhoto:
    """Return the object of an EventBridge event ``Object Created``, whose key is not encoded.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
    """
    bucket, created = event["detail"]["bucket"], event["detail"]["object"]
    return UploadedPhoto(bucket["name"], created["key"], created["size"], created["etag"], created["sequencer"])
