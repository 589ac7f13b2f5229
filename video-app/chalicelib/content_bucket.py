"""The S3 bucket of videos and posters, which only CloudFront reads. Adapter for S3.

Files arrive by multipart uploads, whose parts the owner sends to S3 directly:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.videos import POSTER, Part, key
from common import aws
from common.errors import InvalidInput

_MEDIA_TYPES = {
    ".m3u8": "application/vnd.apple.mpegurl",
    ".m4s": "video/iso.segment",
    ".mp4": "video/mp4",
    ".ts": "video/mp2t",
    ".vtt": "text/vtt",
    ".jpg": "image/jpeg",
}
# A file never changes, so CloudFront may cache it for a year. A browser may cache it only as long as a link lives, so
# that a refunded video stops playing.
_FILE = "max-age=300, s-maxage=31536000, immutable"
_PLAYLIST = "max-age=0, s-maxage=60"

_AT_ONCE = 10
"""Number of parallel requests, which is the number of connections of a boto3 client."""


class ContentBucket:
    """Bucket *name*, through an S3 *client*. Presigned URLs are valid for *life* seconds."""

    def __init__(self, client: Any, name: str, life: int = 3600) -> None:
        self._client = client
        self._name = name
        self.life = life

    def begin(self, keys: Collection[str]) -> list[str]:
        return _each(self._begin, keys)

    def _begin(self, object_key: str) -> str:
        suffix = PurePosixPath(object_key).suffix
        with aws.translated():
            answer = self._client.create_multipart_upload(
                Bucket=self._name,
                Key=object_key,
                ContentType=_MEDIA_TYPES[suffix],
                CacheControl=_PLAYLIST if suffix == ".m3u8" else _FILE,
            )
        return str(answer["UploadId"])

    def presigned(self, object_key: str, upload_id: str, sizes: Collection[int]) -> list[Part]:
        return [self._part(object_key, upload_id, number, size) for number, size in enumerate(sizes, 1)]

    def _part(self, object_key: str, upload_id: str, number: int, size: int) -> Part:
        """Return a presigned part. Its Content-Length is signed, so S3 accepts no other."""
        request = {
            "Bucket": self._name,
            "Key": object_key,
            "UploadId": upload_id,
            "PartNumber": number,
            "ContentLength": size,
        }
        return Part(size, self._client.generate_presigned_url("upload_part", request, ExpiresIn=self.life))

    def complete(self, uploads: Mapping[str, tuple[str, list[str]]]) -> None:
        _each(lambda upload: self._complete(upload[0], *upload[1]), uploads.items())

    def _complete(self, object_key: str, upload_id: str, etags: list[str]) -> None:
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
        wrong = InvalidInput(f"uploads: {object_key.rpartition('/')[2]} does not have these parts")
        try:
            with aws.translated(dict.fromkeys(("InvalidPart", "InvalidPartOrder", "EntityTooSmall"), wrong)):
                self._client.complete_multipart_upload(
                    Bucket=self._name, Key=object_key, UploadId=upload_id, MultipartUpload={"Parts": parts}
                )
        except ClientError as error:
            if aws.code(error) != "NoSuchUpload":  # completed before, or expired: the size of the object shows which
                raise

    def sizes(self, video_id: str) -> dict[str, int]:
        pages = self._client.get_paginator("list_objects_v2")
        with aws.translated():
            return {
                item["Key"]: item["Size"]
                for prefix in (key(video_id, ""), key(video_id, POSTER))
                for page in pages.paginate(Bucket=self._name, Prefix=prefix)
                for item in page.get("Contents", [])
            }


def _each[A, B](do: Callable[[A], B], things: Iterable[A]) -> list[B]:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(do, things))
