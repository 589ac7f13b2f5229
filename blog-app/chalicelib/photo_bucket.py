"""The S3 bucket of photos: originals under ``uploads/``, variants and records under ``thumbnails/``.

Of ``thumbnails/`` the edge serves all, of ``uploads/`` nothing. A role that reads records needs ``s3:ListBucket``
too, since without it S3 says 403 instead of 404 of what is not there:
https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
"""

from __future__ import annotations

import shutil
from typing import IO, Any
from urllib.parse import unquote_plus

import msgspec
from botocore.exceptions import ClientError

from chalicelib.photos import Record, Upload, UploadedPhoto
from common import aws, uploads
from common.errors import Conflict

_FOR_EVER = "public, max-age=31536000, immutable"
_BRIEFLY = "public, max-age=5"


def uploaded_by_s3(event: dict[str, Any]) -> UploadedPhoto:
    """Return the upload of an S3 event notification, whose key is URL-encoded.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    """
    s3 = event["Records"][0]["s3"]
    thing = s3["object"]
    return UploadedPhoto(
        s3["bucket"]["name"], unquote_plus(thing["key"]), thing["size"], thing["eTag"], thing["sequencer"]
    )


def uploaded_by_eventbridge(event: dict[str, Any]) -> UploadedPhoto:
    """Return the upload of an EventBridge event ``Object Created``, whose key is as it is.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
    """
    detail = event["detail"]
    thing = detail["object"]
    return UploadedPhoto(detail["bucket"]["name"], thing["key"], thing["size"], thing["etag"], thing["sequencer"])


class PhotoBucket:
    """Bucket *name*, through an S3 *client*."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name

    def presigned_post(self, photo_id: str, key: str, content_type: str, size: int) -> Upload:
        return Upload(photo_id, *uploads.presigned_post(self._client, self._name, key, content_type, size))

    def download(self, upload: UploadedPhoto, file: IO[bytes]) -> bool:
        try:
            with aws.translated():
                answer = self._client.get_object(Bucket=self._name, Key=upload.key, IfMatch=f'"{upload.etag}"')
                shutil.copyfileobj(answer["Body"], file, 1024 * 1024)
        except ClientError as error:
            if aws.code(error) in ("NoSuchKey", "PreconditionFailed"):
                return False
            raise
        return True

    def put_variant(self, key: str, content: bytes, content_type: str) -> None:
        with aws.translated():
            self._client.put_object(
                Bucket=self._name, Key=key, Body=content, ContentType=content_type, CacheControl=_FOR_EVER
            )

    def record(self, photo_id: str) -> tuple[Record, str] | None:
        try:
            with aws.translated():
                answer = self._client.get_object(Bucket=self._name, Key=_record_key(photo_id))
                content = answer["Body"].read()
        except ClientError as error:
            if aws.code(error) == "NoSuchKey":
                return None
            raise
        return msgspec.json.decode(content, type=Record), answer["ETag"]

    def put_record(self, record: Record, version: str | None) -> None:
        """https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html"""
        conflict = Conflict(f"photo {record.photo.id} was changed by another")
        conflicts = ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey")
        with aws.translated(dict.fromkeys(conflicts, conflict)):
            self._client.put_object(
                Bucket=self._name,
                Key=_record_key(record.photo.id),
                Body=msgspec.json.encode(record),
                ContentType="application/json",
                CacheControl=_BRIEFLY,
                **({"IfMatch": version} if version else {"IfNoneMatch": "*"}),
            )


def _record_key(photo_id: str) -> str:
    return f"thumbnails/{photo_id}/photo.json"
