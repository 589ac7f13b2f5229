"""The S3 bucket of photos: originals under ``uploads/``, variants and ``photo.json`` under ``thumbnails/``.

Adapter for S3. CloudFront serves all of ``thumbnails/`` and nothing of ``uploads/``. A role that reads ``photo.json``
needs ``s3:ListBucket`` too: without it, S3 answers 403 instead of 404 for a missing object.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
"""

from __future__ import annotations

import shutil
from typing import IO, Any

import msgspec
from botocore.exceptions import ClientError

from chalicelib.photos import StoredPhoto, Upload, UploadedPhoto
from common import aws, uploads
from common.errors import Conflict

_IMMUTABLE = "public, max-age=31536000, immutable"
_SHORT = "public, max-age=5"


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
                Bucket=self._name, Key=key, Body=content, ContentType=content_type, CacheControl=_IMMUTABLE
            )

    def get(self, photo_id: str) -> tuple[StoredPhoto, str] | None:
        try:
            with aws.translated():
                answer = self._client.get_object(Bucket=self._name, Key=_key(photo_id))
                content = answer["Body"].read()
        except ClientError as error:
            if aws.code(error) == "NoSuchKey":
                return None
            raise
        return msgspec.json.decode(content, type=StoredPhoto), answer["ETag"]

    def put(self, stored: StoredPhoto, version: str | None) -> None:
        """https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html"""
        conflict = Conflict(f"another request has changed photo {stored.photo.id}")
        conflicts = ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey")
        with aws.translated(dict.fromkeys(conflicts, conflict)):
            self._client.put_object(
                Bucket=self._name,
                Key=_key(stored.photo.id),
                Body=msgspec.json.encode(stored),
                ContentType="application/json",
                CacheControl=_SHORT,
                **({"IfMatch": version} if version else {"IfNoneMatch": "*"}),
            )


def _key(photo_id: str) -> str:
    return f"thumbnails/{photo_id}/photo.json"
