"""The S3 bucket of the users' files."""

from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.files import Upload

_LIFE = 300
"""Seconds in which an upload may begin."""


class FilesBucket:
    """Bucket *name*, through an S3 *client*."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self.name = name

    def presigned_post(self, key: str, content_type: str, size: int) -> Upload:
        """Sign a POST policy: a presigned PUT could not limit the size.

        https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
        """
        signed = self._client.generate_presigned_post(
            self.name,
            key,
            Fields={"Content-Type": content_type},
            Conditions=[{"Content-Type": content_type}, ["content-length-range", 1, size]],
            ExpiresIn=_LIFE,
        )
        expires_at = (datetime.now(UTC) + timedelta(seconds=_LIFE)).isoformat(timespec="seconds")
        return Upload(signed["url"], signed["fields"], key, expires_at.replace("+00:00", "Z"))
