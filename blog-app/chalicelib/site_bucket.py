"""The S3 bucket of the site, which only CloudFront reads. Adapter for S3."""

from typing import Any

from chalicelib.site import SiteFile
from common import aws
from common.errors import Conflict


class SiteBucket:
    """Bucket *name*, through an S3 *client*."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name

    def contents(self) -> dict[str, str]:
        """Return the ETags, which are MD5s, since no object is encrypted by KMS or uploaded in parts.

        https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html
        """
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._name)
        with aws.translated():
            return {item["Key"]: item["ETag"].strip('"') for page in pages for item in page.get("Contents", [])}

    def put(self, file: SiteFile, md5: str | None) -> None:
        """https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html"""
        condition = {"IfMatch": f'"{md5}"'} if md5 else {"IfNoneMatch": "*"}
        conflict = Conflict(f"another run has written {file.key}")
        conflicts = ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey")
        with aws.translated(dict.fromkeys(conflicts, conflict)):
            self._client.put_object(
                Bucket=self._name,
                Key=file.key,
                Body=file.body,
                ContentType=file.content_type,
                CacheControl=file.cache_control,
                **condition,
            )

    def remove(self, key: str) -> None:
        with aws.translated():
            self._client.delete_object(Bucket=self._name, Key=key)
