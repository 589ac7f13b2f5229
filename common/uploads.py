"""Presigned uploads: a client sends one object to S3 directly."""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from common.times import iso

_LIFE = 300
"""Seconds within which an upload must begin."""


class PresignedPost(NamedTuple):
    """A form to send as multipart/form-data to ``url`` before ``expires_at`` (ISO 8601): ``fields``, then the file."""

    url: str
    fields: dict[str, str]
    expires_at: str


def presigned_post(s3: Any, bucket: str, key: str, content_type: str, size: int) -> PresignedPost:
    """Return a presigned POST to *key* that S3 accepts only with *content_type* and 1 to *size* bytes.

    A presigned PUT cannot limit the size:
    https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
    """
    signed = s3.generate_presigned_post(
        bucket,
        key,
        Fields={"Content-Type": content_type},
        Conditions=[{"Content-Type": content_type}, ["content-length-range", 1, size]],
        ExpiresIn=_LIFE,
    )
    expires_at = datetime.now(UTC) + timedelta(seconds=_LIFE)
    return PresignedPost(signed["url"], signed["fields"], iso(expires_at, "seconds"))
